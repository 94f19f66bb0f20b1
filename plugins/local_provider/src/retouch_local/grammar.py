"""What ``local/ops`` understands: a table of commands, and nothing besides.

    prompt    = command { separator command }
    separator = ";" | "," | new line | "then"
    command   = name [ value ]

Letters may be of either case. Whatever does not fit is refused by name: a model that guesses
what its user meant returns the wrong picture without a word.
"""

from __future__ import annotations

import re

import msgspec

from retouch import InvalidRequest

#: Enough for any sensible chain; each command is a pass over the whole picture.
MAX_COMMANDS = 16
#: The longest side that a command may ask for; what a WebP file can hold (RFC 9649).
MAX_SIDE = 16_383

_SEPARATOR = re.compile(r"[;,\n]|\bthen\b")
_NUMBER = re.compile(r"\d{1,6}(\.\d{1,6})?", re.ASCII)
_PAIR = re.compile(r"(\d{1,5})([x:])(\d{1,5})", re.ASCII)


class Size(msgspec.Struct, frozen=True):
    """A value such as ``400x300``: width and height in pixels."""

    width: int
    height: int


class Ratio(msgspec.Struct, frozen=True):
    """A value such as ``16:9``: width to height."""

    width: int
    height: int


Value = float | str | Size | Ratio | None


class Number(msgspec.Struct, frozen=True):
    """Takes a number from ``lowest`` to ``highest``, both included."""

    lowest: float
    highest: float
    unit: str = ""
    whole: bool = False

    def read(self, text: str) -> Value:
        """The number, or ``None`` if the text is not one of these."""
        if not _NUMBER.fullmatch(text) or (self.whole and "." in text):
            return None
        number = int(text) if self.whole else float(text)
        return number if self.lowest <= number <= self.highest else None

    def __str__(self) -> str:
        kind = "whole number" if self.whole else "number"
        unit = f" ({self.unit})" if self.unit else ""
        return f"a {kind} from {self.lowest:g} to {self.highest:g}{unit}"


class Choice(msgspec.Struct, frozen=True):
    """Takes one of some words."""

    words: tuple[str, ...]

    def read(self, text: str) -> Value:
        """The word, or ``None`` if it is not one of these."""
        return text if text in self.words else None

    def __str__(self) -> str:
        return " or ".join(f"`{word}`" for word in self.words)


class Sides(msgspec.Struct, frozen=True):
    """Takes a ``Size`` where the mark is ``x``, a ``Ratio`` where it is ``:``, or either."""

    marks: str

    def read(self, text: str) -> Value:
        """The two sides, or ``None`` if the text is not of this form or out of bounds."""
        found = _PAIR.fullmatch(text)
        if found is None or found[2] not in self.marks:
            return None
        sides = int(found[1]), int(found[3])
        if not 1 <= min(sides) <= max(sides) <= MAX_SIDE:
            return None
        return Size(*sides) if found[2] == "x" else Ratio(*sides)

    def __str__(self) -> str:
        forms = {"x": "a size `WIDTHxHEIGHT`", ":": "a ratio `WIDTH:HEIGHT`"}
        return " or ".join(forms[mark] for mark in self.marks)


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the grammar.

    :param value: what follows the name; ``None``: nothing does.
    :param example: the whole command, as a user would write it.
    :param geometry: whether it changes where pixels are, which a mask cannot restrict.
    """

    name: str
    does: str
    example: str
    value: Number | Choice | Sides | None = None
    geometry: bool = False


class Step(msgspec.Struct, frozen=True):
    """One command of a prompt, with its value."""

    command: Command
    value: Value = None


COMMANDS = (
    Command(name="grayscale", example="grayscale", does="takes the colours away (BT.601 luma)"),
    Command(name="sepia", example="sepia", does="the brown tone of old photographs"),
    Command(name="invert", example="invert", does="turns every channel into its negative"),
    Command(
        name="brightness",
        value=Number(0, 10),
        example="brightness 1.2",
        does="multiplies all channels; 0 is black, 1 changes nothing",
    ),
    Command(
        name="contrast",
        value=Number(0, 10),
        example="contrast 1.2",
        does="spreads channels around the picture's mean grey; 0 is that grey, 1 changes nothing",
    ),
    Command(
        name="saturation",
        value=Number(0, 10),
        example="saturation 0.5",
        does="strength of the colours; 0 is grey, 1 changes nothing",
    ),
    Command(
        name="blur",
        value=Number(0.1, 100, "pixels"),
        example="blur 4",
        does="Gaussian blur of this radius",
    ),
    Command(name="sharpen", example="sharpen", does="unsharp mask: radius 2 pixels, 150 %"),
    Command(
        name="posterize",
        value=Number(1, 8, "bits", whole=True),
        example="posterize 4",
        does="keeps this many bits per channel",
    ),
    Command(
        name="pixelate",
        value=Number(2, 512, "pixels", whole=True),
        example="pixelate 8",
        does="squares of this side, each in its mean colour",
    ),
    Command(
        name="rotate",
        value=Choice(("90", "180", "270")),
        example="rotate 90",
        does="turns clockwise by this many degrees",
        geometry=True,
    ),
    Command(
        name="flip",
        value=Choice(("horizontal", "vertical")),
        example="flip horizontal",
        does="swaps left and right, or top and bottom",
        geometry=True,
    ),
    Command(
        name="crop",
        value=Sides(":x"),
        example="crop 1:1",
        does="cuts out the middle: the largest part of this ratio, or exactly this size",
        geometry=True,
    ),
    Command(
        name="resize",
        value=Sides("x"),
        example="resize 512x512",
        does="scales to exactly this size, stretching if the ratio differs",
        geometry=True,
    ),
    Command(
        name="pad",
        value=Sides(":"),
        example="pad 16:9",
        does="adds white bars until the picture has this ratio",
        geometry=True,
    ),
    Command(
        name="outpaint",
        value=Sides("x"),
        example="outpaint 768x512",
        does="extends the picture on all sides to this size, as `local/inpaint` would fill it",
        geometry=True,
    ),
)
_BY_NAME = {command.name: command for command in COMMANDS}


def parse(prompt: str) -> tuple[Step, ...]:
    """The commands of a prompt, in order.

    :raises InvalidRequest: with ``param="prompt"``, naming the first word that does not fit.
    """
    pieces = (piece.split() for piece in _SEPARATOR.split(prompt.lower()))
    steps = tuple(_step(*words) for words in pieces if words)
    if not steps:
        raise _refusal(f"The prompt has no command. {_understood()}")
    if len(steps) > MAX_COMMANDS:
        raise _refusal(f"The prompt has {len(steps)} commands; at most {MAX_COMMANDS} are taken.")
    return steps


def _step(name: str, *values: str) -> Step:
    command = _BY_NAME.get(name)
    if command is None:
        raise _refusal(f"`{name[:40]}` is not a command of this model. {_understood()}")
    extra = values[1:] if command.value else values
    if extra:
        raise _refusal(f"`{extra[0][:40]}` does not belong to `{name}`. {_understood()}")
    if command.value is None:
        return Step(command)
    value = command.value.read(values[0]) if values else None
    if value is None:
        raise _refusal(f"`{name}` needs {command.value}, such as `{command.example}`.")
    return Step(command, value)


def _understood() -> str:
    return (
        f"It understands {', '.join(_BY_NAME)}; several commands are separated by a semicolon, "
        "a comma, a new line or `then`."
    )


def _refusal(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="prompt", code="invalid_value")
