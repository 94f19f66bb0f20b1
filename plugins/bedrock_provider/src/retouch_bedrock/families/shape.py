"""The one shape of all families: what it accepts, the body it builds, how it reads the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from retouch import (
    Base64,
    EditedImage,
    EditRequest,
    InvalidImage,
    InvalidRequest,
    Mask,
    Picture,
    UnsupportedParameter,
)
from retouch_bedrock.options import Options

#: Lowest and highest value, where a family's bounds are narrower than those of ``Options``.
Bounds = tuple[float, float]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer of status 200 holds; ``extra`` are further keys for the client."""

    images: tuple[EditedImage, ...]
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


def nothing_more(edit: EditRequest) -> None:
    """The check of a family that data describe in full."""


def _the_list_price(edit: EditRequest) -> float | None:
    return 1.0


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """Models that speak alike.

    :param accepts: request fields by name, with bounds where they are narrower here.
    :param max_ratio: of every picture, long side to short side.
    :param check: raises ``GatewayError`` for what cannot be said as data.
    :param document: the JSON body; pictures are ``Base64``. Called after ``check``.
    :param read: the pictures in an answer of status 200, or the refusal that it is.
    :param price_factor: by what the model's price per picture is multiplied for this edit;
        ``None`` when that is not known.
    :param max_text: characters of a text among the request fields.
    """

    accepts: Mapping[str, Bounds | None]
    document: Callable[[EditRequest], dict[str, Any]]
    read: Callable[[bytes], Reading]
    max_ratio: float | None = None
    check: Callable[[EditRequest], None] = nothing_more
    price_factor: Callable[[EditRequest], float | None] = _the_list_price
    max_text: int = 10_000


def check(edit: EditRequest, family: Family) -> None:
    """Refuse what the family does not have, before anything is spent.

    :raises InvalidRequest: naming the field.
    """
    for name, value in given(options(edit)):
        check_option(edit, name, value, family)
    for picture in pictures(edit):
        _check_ratio(picture, family.max_ratio)
    family.check(edit)


def check_option(edit: EditRequest, name: str, value: Any, family: Family) -> None:
    """Refuse a request field that is not this family's, or out of its bounds."""
    if name not in family.accepts:
        raise UnsupportedParameter(f"`{name}`: this model does not have this field.", param=name)
    bounds = family.accepts[name]
    if bounds is not None and not bounds[0] <= value <= bounds[1]:
        raise InvalidRequest(
            f"`{name}` must be from {bounds[0]:g} to {bounds[1]:g} for this model.",
            param=name,
            code="invalid_value",
        )
    if isinstance(value, str) and len(value) > family.max_text:
        raise InvalidRequest(
            f"`{name}` may have at most {family.max_text} characters for this model.",
            param=name,
            code="string_above_max_length",
        )
    # Of several calls each gets the next seed; a last one out of range would fail after the
    # others were paid for.
    highest = 4_294_967_294 if bounds is None else bounds[1]
    if name == "seed" and value + (edit.n or 1) - 1 > highest:
        raise InvalidRequest(
            f"`seed` plus `n` may be at most {highest + 1:.0f}, since every picture gets a seed "
            "of its own.",
            param="seed",
            code="invalid_value",
        )


def options(edit: EditRequest) -> Options:
    """The edit's request fields beyond OpenAI's."""
    found: Options = edit.options or Options()
    return found


def given(struct: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    """The fields that the client has set, by the name that AWS gives them."""
    for attribute, name in zip(
        struct.__struct_fields__, struct.__struct_encode_fields__, strict=True
    ):
        value = getattr(struct, attribute)
        if value is not None:
            yield name, value


def pictures(edit: EditRequest) -> list[Picture]:
    """The pictures; the capabilities let no references to others through."""
    return [item for item in edit.images if isinstance(item, Picture)]


def mask(edit: EditRequest) -> Mask | None:
    """The mask, if there is one."""
    return edit.mask if isinstance(edit.mask, Mask) else None


def encoded(picture: Picture) -> Base64:
    """A picture as it stands in the body."""
    return Base64(picture.blob)


def required(edit: EditRequest, name: str, what: str) -> None:
    """Refuse an edit without a field that the model cannot do without.

    :param what: says what it is for, as the end of a sentence.
    """
    if not any(name == found for found, _ in given(options(edit))):
        raise InvalidRequest(
            f"Missing required parameter: `{name}`, {what}.",
            param=name,
            code="missing_required_parameter",
        )


def _check_ratio(picture: Picture, most: float | None) -> None:
    width, height = picture.width, picture.height
    if most is not None and max(width, height) > most * min(width, height):
        raise InvalidImage(
            f"A picture of {width}x{height} pixels is too narrow for this model: the long side "
            f"may be at most {most:g} times the short side.",
            param="image",
        )
