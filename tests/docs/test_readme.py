"""What the README promises, done: its commands and its program, word for word."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from retouch import config, plugins, routing
from tests.docs.blocks import ROOT, blocks
from tests.fakes.gateway import READY, Gateway


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder that looks like the repository to a program that runs in it."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    return tmp_path


def test_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


def test_the_sdk_program_edits_the_photo(shared_gateway: Gateway, folder: Path) -> None:
    program = blocks("README.md", "python")[0].replace(
        "http://127.0.0.1:8080", shared_gateway.base_url
    )
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, timeout=60)
    assert_the_mast_is_gone(folder / "edited.png")


def test_what_make_run_prints_works(folder: Path) -> None:
    """``make run`` on a free port; then its curl line and its program, as printed."""
    with subprocess.Popen(
        [ROOT / "scripts" / "run", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as served:
        try:
            assert served.stdout is not None
            printed = ""
            while not (ready := READY.search(printed)):
                line = served.stdout.readline()
                assert line, printed
                printed += line
            printed = printed.replace("http://127.0.0.1:8080", ready.group(1))
            curl = next(line for line in printed.splitlines() if line.startswith("curl "))
            subprocess.run(["sh", "-c", curl], cwd=folder, check=True, timeout=60)
            assert_the_mast_is_gone(folder / "edited.png")
            (folder / "edited.png").unlink()
            program = printed[printed.index("import base64\n") : printed.index("retouch ready")]
            subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, timeout=60)
            assert_the_mast_is_gone(folder / "edited.png")
        finally:
            served.send_signal(signal.SIGTERM)


def test_the_printed_program_is_the_readme_s() -> None:
    assert blocks("README.md", "python")[0] in (ROOT / "examples" / "try-it.txt").read_text()


def test_the_configuration_can_be_served() -> None:
    document = tomllib.loads(blocks("README.md", "toml")[0])
    read = config.parse(document, {"OPENAI_API_KEY": "sk-of-a-test"})
    routes = routing.build(read, plugins.load(read.plugins.enabled))
    assert [target.account.name for target in routes.targets()] == ["openai-main", "local"]


def test_the_commands_exist(tmp_path: Path) -> None:
    (tmp_path / "retouch.toml").write_text(blocks("README.md", "toml")[0])
    commands = [block.split() for block in blocks("README.md", "sh")]
    check = commands[2][:4]
    assert check == ["retouch", "check", "--config", "retouch.toml"]
    done = subprocess.run(
        [Path(sys.executable).with_name("retouch"), *check[1:]],
        cwd=tmp_path,
        env={**os.environ, "OPENAI_API_KEY": "sk-of-a-test"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    makefile = (ROOT / "Makefile").read_text()
    assert commands[0] == ["make", "run"]
    assert commands[1] == ["make", "test"]
    assert "\nrun:\n" in makefile
    assert "\ntest:\n" in makefile


@pytest.mark.parametrize(
    "page", ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))]
)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    missing = [
        link for link in links if "://" not in link and not ((ROOT / page).parent / link).exists()
    ]
    assert missing == []


def assert_the_mast_is_gone(path: Path) -> None:
    photo = Image.open(ROOT / "examples" / "photos" / "rocket.jpg").convert("RGB")
    mask = Image.open(ROOT / "examples" / "photos" / "rocket-mask.png").convert("RGBA")
    edited = Image.open(path).convert("RGB")
    assert edited.size == photo.size
    outside = mask.getchannel("A").point(lambda alpha: 255 if alpha else 0)
    black = Image.new("RGB", photo.size)
    assert (
        Image.composite(edited, black, outside).tobytes()
        == Image.composite(photo, black, outside).tobytes()
    )
    assert edited.tobytes() != photo.tobytes()
