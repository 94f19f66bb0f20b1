"""Rules that both families share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from retouch import EditRequest, InvalidRequest, UnsupportedParameter
from retouch_vertex.options import MAX_SEED, Options

MAX_LABELS = 64
_LABEL_KEY = re.compile(r"[^\W\d_A-Z][\w-]{0,62}")
_LABEL_VALUE = re.compile(r"[\w-]{0,63}")


def refuse(message: str, param: str) -> InvalidRequest:
    """A value that breaks one of Google's rules."""
    return InvalidRequest(message, param=param, code="invalid_value")


def options_of(edit: EditRequest) -> Options:
    """The edit's options."""
    options: Options = edit.options or Options()
    return options


def only(options: Options, family: frozenset[str]) -> None:
    """Refuse options of the other family.

    :raises UnsupportedParameter: naming one.
    """
    if others := sorted(set(options.given()) - family):
        raise UnsupportedParameter(
            f"`{others[0]}`: this model does not have this parameter.", param=others[0]
        )


def exclusive(one: str, other: str, value: object) -> None:
    """Refuse a second way of saying what ``one`` says already."""
    if value is not None:
        raise refuse(f"`{other}` and `{one}` say the same; send one of them.", other)


def one_of(param: str, value: str | None, values: Iterable[str]) -> None:
    """Refuse a word that Google does not know; upper and lower case are the same."""
    known = list(values)
    if value is not None and value.lower() not in known:
        raise refuse(f"`{param}` must be one of {', '.join(known)}.", param)


def seed(edit: EditRequest, options: Options) -> None:
    """Refuse a seed whose last call would have one out of range, after others were paid for."""
    if options.seed is not None and options.seed + (edit.n or 1) - 1 > MAX_SEED:
        raise refuse(
            f"`seed` plus `n` may be at most {MAX_SEED + 1}, since the seed counts up from call "
            "to call.",
            "seed",
        )


def labels(given: Mapping[str, str] | None) -> None:
    """Google's rules for labels: lower case, 63 characters, a letter first; 64 at most."""
    for key, value in (given or {}).items():
        lower = (key + value).lower() == key + value
        if not (_LABEL_KEY.fullmatch(key) and _LABEL_VALUE.fullmatch(value) and lower):
            raise refuse(
                "`labels`: keys and values have at most 63 characters: lower case letters, digits, "
                "- and _; a key starts with a letter.",
                "labels",
            )
    if len(given or {}) > MAX_LABELS:
        raise refuse(f"`labels`: at most {MAX_LABELS} can be sent.", "labels")
