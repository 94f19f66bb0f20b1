"""Form field names with brackets, as the OpenAI SDKs write nested values.

``a[b]`` is a key of an object, ``a[]`` an item of a list, ``a[b][]`` an item of a list inside
an object. ``a[][k]`` (a list of objects) is refused: the SDKs write the keys of all items
one after another, so that nobody can tell which belong together.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from retouch.errors import InvalidRequest

MAX_DEPTH = 8
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_KEY = re.compile(r"\[([^\[\]]*)\]")


def parse_name(name: str) -> tuple[str, list[str]]:
    """The field's own name and its keys; an empty key stands for a list item.

    :raises InvalidRequest: for brackets that do not match, a nested list or a list of objects.
    """
    match = _NAME.fullmatch(name)
    keys = _KEY.findall(match.group(2)) if match else []
    if match is None or len(keys) > MAX_DEPTH:
        raise InvalidRequest(
            f"`{name[:64]}` is not a field name.", param=name[:64], code="invalid_multipart"
        )
    if "" in keys[:-1]:
        raise InvalidRequest(
            f"`{match.group(1)}`: a form cannot carry a list of objects or of lists; send the "
            "request as application/json.",
            param=match.group(1),
            code="invalid_multipart",
        )
    return match.group(1), keys


class FormFields:
    """Collects form fields into the nested values that they spell."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def add(self, name: str, text: str) -> None:
        """Put ``text`` where ``name`` says.

        :raises InvalidRequest: when the place is taken: a scalar sent twice must not be
            decided by order.
        """
        field, keys = parse_name(name)
        path = [field, *keys]
        place: Any = self.values
        for key, following in pairwise(path):
            place = place.setdefault(key, [] if following == "" else {})
            if isinstance(place, list) is not (following == "") or isinstance(place, str):
                raise _duplicate(field)
        last = path[-1]
        if isinstance(place, list):
            place.append(text)
        elif last in place:
            raise _duplicate(field)
        else:
            place[last] = text


def _duplicate(field: str) -> InvalidRequest:
    return InvalidRequest(
        f"`{field[:64]}` was sent more than once.", param=field[:64], code="duplicate_parameter"
    )
