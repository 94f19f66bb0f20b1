from __future__ import annotations

from pathlib import Path

import pytest

from retouch import InvalidRequest
from retouch_local import grammar
from retouch_local.grammar import COMMANDS, Ratio, Size, parse

README = Path(__file__).parents[1] / "README.md"


def plain(prompt: str) -> list[tuple[str, object]]:
    return [(step.command.name, step.value) for step in parse(prompt)]


@pytest.mark.parametrize(
    ("prompt", "steps"),
    [
        ("grayscale", [("grayscale", None)]),
        ("  GrayScale \n", [("grayscale", None)]),
        ("blur 4", [("blur", 4.0)]),
        ("blur 0.5;sharpen", [("blur", 0.5), ("sharpen", None)]),
        ("invert, sepia", [("invert", None), ("sepia", None)]),
        ("invert\nsepia\r\ngrayscale", [("invert", None), ("sepia", None), ("grayscale", None)]),
        ("Rotate 90 THEN flip horizontal", [("rotate", "90"), ("flip", "horizontal")]),
        ("; invert ;; sepia,", [("invert", None), ("sepia", None)]),
        ("crop 16:9", [("crop", Ratio(16, 9))]),
        ("crop 400x300", [("crop", Size(400, 300))]),
        ("resize 512X512", [("resize", Size(512, 512))]),
        ("pad 1:1", [("pad", Ratio(1, 1))]),
        ("outpaint 768x512", [("outpaint", Size(768, 512))]),
        ("posterize 4", [("posterize", 4)]),
    ],
)
def test_what_is_understood(prompt: str, steps: list[tuple[str, object]]) -> None:
    assert plain(prompt) == steps


@pytest.mark.parametrize(
    ("prompt", "named"),
    [
        ("make it grayscale", "`make`"),
        ("grayscale please", "`please` does not belong to `grayscale`"),
        ("blur", "`blur` needs a number from 0.1 to 100 (pixels), such as `blur 4`"),
        ("blur 0", "`blur` needs"),
        ("blur 100.5", "`blur` needs"),
        ("blur -4", "`blur` needs"),
        ("blur 1e1", "`blur` needs"),
        ("blur nan", "`blur` needs"),
        ("blur \N{ARABIC-INDIC DIGIT FOUR}", "`blur` needs"),
        ("blur 4 5", "`5` does not belong to `blur`"),
        ("blur 2,5", "`5` is not a command"),
        ("brightness 11", "`brightness` needs a number from 0 to 10,"),
        ("posterize 2.5", "`posterize` needs a whole number from 1 to 8 (bits)"),
        ("pixelate 1", "`pixelate` needs a whole number from 2 to 512 (pixels)"),
        ("rotate 45", "`rotate` needs `90` or `180` or `270`"),
        ("flip sideways", "`flip` needs `horizontal` or `vertical`"),
        ("crop 0x5", "`crop` needs a ratio `WIDTH:HEIGHT` or a size `WIDTHxHEIGHT`"),
        ("crop 16:0", "`crop` needs"),
        ("resize 1:1", "`resize` needs a size `WIDTHxHEIGHT`"),
        ("resize 16384x10", "`resize` needs"),
        ("pad 400x300", "`pad` needs a ratio `WIDTH:HEIGHT`"),
        ("invert then remove the mast", "`remove`"),
        ("authenticate", "`authenticate`"),
        (" ;,\n", "no command"),
    ],
)
def test_what_is_refused_by_name(prompt: str, named: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse(prompt)
    assert refusal.value.status == 400
    assert refusal.value.param == "prompt"
    assert named in refusal.value.message


def test_an_unknown_word_is_answered_with_every_command() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse("x" * 2000)
    names = [command.name for command in COMMANDS]
    assert "understands " + ", ".join(names) in refusal.value.message
    assert "x" * 41 not in refusal.value.message


def test_no_more_than_sixteen_commands() -> None:
    assert len(parse("invert;" * 16)) == grammar.MAX_COMMANDS == 16
    with pytest.raises(InvalidRequest, match="17 commands; at most 16"):
        parse("invert;" * 17)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_example_is_understood(command: grammar.Command) -> None:
    (step,) = parse(command.example)
    assert step.command is command


def test_the_readme_has_the_whole_table_and_nothing_else() -> None:
    rows = [
        f"| `{command.name}` | {command.value or 'nothing'} | `{command.example}` "
        f"| {'no' if command.geometry else 'yes'} | {command.does} |"
        for command in COMMANDS
    ]
    lines = README.read_text("utf-8").splitlines()
    start = lines.index("| Command | Takes | Example | With a mask | What it does |") + 2
    assert lines[start : start + len(rows) + 1] == [*rows, ""]
