"""Values from outside into typed structs, with messages of our own.

msgspec does the work field by field, so that every fault can be named with its place and no
library's wording reaches a client. Used for the configuration, for OpenAI's parameters and
for the providers' own request fields.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

_SIMPLE: dict[type[inspect.Type], str] = {
    inspect.BoolType: "true or false",
    inspect.DictType: "an object",
    inspect.StructType: "an object",
}

S = TypeVar("S", bound=msgspec.Struct)


class Fault(msgspec.Struct, frozen=True):
    """Something wrong at ``path`` (dotted), said as one sentence."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@functools.cache
def fields_of(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """The fields of a struct by the name they have outside; their types are evaluated once."""
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def decode_struct(
    values: Mapping[str, Any],
    kind: type[S],
    *,
    path: str = "",
    strict: bool = True,
    dec_hook: Callable[[type, Any], Any] | None = None,
) -> S | list[Fault]:
    """An instance of ``kind``, or every fault that ``values`` has.

    :param strict: ``False`` for text from a form, where ``"162"`` is a number.
    """
    fields = fields_of(kind)
    faults = [
        Fault(_join(path, name), f"unknown key{did_you_mean(name, fields)}")
        for name in values
        if name not in fields
    ]
    found: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in values:
            if field.required:
                faults.append(Fault(_join(path, name), "is missing"))
            continue
        value = decode_value(
            values[name], field.type, path=_join(path, name), strict=strict, dec_hook=dec_hook
        )
        if isinstance(value, list) and value and isinstance(value[0], Fault):
            faults += value
        else:
            found[field.name] = value
    if faults:
        return faults
    try:
        return kind(**found)
    except (TypeError, ValueError) as error:  # the struct's own ``__post_init__``
        return [Fault(path, str(error))]


def decode_value(
    value: Any,
    kind: Any,
    *,
    path: str,
    strict: bool = True,
    dec_hook: Callable[[type, Any], Any] | None = None,
) -> Any:
    """``value`` as ``kind``, or a list of faults; nested structs are looked into."""
    nested = _nested_struct(kind)
    if nested is not None and isinstance(value, Mapping):
        return decode_struct(value, nested, path=path, strict=strict, dec_hook=dec_hook)
    try:
        return msgspec.convert(value, kind, strict=strict, dec_hook=dec_hook)
    except (msgspec.ValidationError, ValueError, RecursionError):
        return [Fault(path, f"must be {describe(kind)}")]


def describe(kind: Any) -> str:
    """A type in plain words: ``a whole number from 1 to 10``."""
    return _describe(inspect.type_info(kind))


def _describe(info: inspect.Type) -> str:
    if isinstance(info, inspect.Metadata):
        note = (info.extra_json_schema or {}).get("description")
        return note or _describe(info.type)
    if isinstance(info, inspect.UnionType):
        parts = [_describe(part) for part in info.types if not isinstance(part, inspect.NoneType)]
        return " or ".join(parts)
    if isinstance(info, inspect.IntType | inspect.FloatType):
        return _describe_number(info)
    if isinstance(info, inspect.StrType) and info.max_length is not None:
        return f"text of at most {info.max_length} characters"
    if isinstance(info, inspect.LiteralType):
        return "one of " + ", ".join(str(value) for value in info.values)
    if isinstance(info, inspect.ListType | inspect.VarTupleType):
        return f"a list, each item {_describe(info.item_type)}"
    return _SIMPLE.get(type(info), "text")


def _describe_number(info: inspect.IntType | inspect.FloatType) -> str:
    what = "a whole number" if isinstance(info, inspect.IntType) else "a number"
    if info.ge is not None and info.le is not None:
        return f"{what} from {info.ge} to {info.le}"
    bounds = (
        ("of at least", info.ge),
        ("above", info.gt),
        ("at most", info.le),
        ("below", info.lt),
    )
    said = " and ".join(f"{word} {bound}" for word, bound in bounds if bound is not None)
    return f"{what} {said}" if said else what


@functools.cache
def _nested_struct(kind: Any) -> type[msgspec.Struct] | None:
    info = inspect.type_info(kind)
    if isinstance(info, inspect.UnionType):
        structs = [part for part in info.types if isinstance(part, inspect.StructType)]
        others = [
            part
            for part in info.types
            if not isinstance(part, inspect.StructType | inspect.NoneType)
        ]
        if len(structs) == 1 and not any(isinstance(part, inspect.DictType) for part in others):
            return structs[0].cls
        return None
    return info.cls if isinstance(info, inspect.StructType) else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name; empty if nothing is like it."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
