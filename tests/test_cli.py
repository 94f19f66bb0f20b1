from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import retouch
from retouch.cli import EXIT_CONFIG, main

PROGRAM = Path(sys.executable).with_name("retouch")
SECRET = "sk-canary-c0ffee-cli"


def run(*arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    """The program as a user runs it; a traceback is never an answer."""
    done = subprocess.run(
        [str(PROGRAM), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, **environ},
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert SECRET not in done.stdout + done.stderr
    return done


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "retouch.toml"


GOOD = f"""
[accounts.openai-main]
provider = "openai"
api_key = {{ env = "CLI_KEY" }}
[accounts.plain]
provider = "openai"
api_key = "{SECRET}"
[accounts.local]
provider = "local"
[[keys]]
name = "team-a"
sha256 = "{"0" * 64}"
"""
BAD = """
[server]
host = "0.0.0.0"
prot = 1
[limits]
fan_out = 99
[accounts.a]
provider = "openai"
api_kee = "x"
[accounts.b]
provider = "local"
threads = 0
[accounts.b.models.inpaint]
prize = 5
[accounts.c]
provider = "nobody"
"""


def test_check(file: Path) -> None:
    file.write_text(GOOD)
    done = run("check", "--config", file, CLI_KEY=SECRET)
    assert (done.returncode, done.stdout) == (0, "ok: 3 account(s), 1 key(s)\n")
    (warning,) = done.stderr.splitlines()
    assert "accounts.plain.api_key" in warning
    assert "plain text" in warning


def test_check_without_a_file() -> None:
    done = run("check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "ok: 1 account(s), 0 key(s)\n"


def test_check_names_every_fault_at_once(file: Path) -> None:
    """Of the file itself, between its sections, and of what the plugins make of it."""
    file.write_text(BAD)
    done = run("check", "--config", file)
    assert (done.returncode, done.stdout) == (EXIT_CONFIG, "") == (78, "")
    faults = {line.removeprefix("retouch: ").split(":")[0] for line in done.stderr.splitlines()}
    assert faults == {
        "server.host",
        "server.prot",
        "limits.fan_out",
        "accounts.a.api_kee",
        "accounts.a.api_key",
        "accounts.b.threads",
        "accounts.b.models.inpaint.prize",
        "accounts.c.provider",
    }


def test_serve_refuses_what_check_refuses(file: Path) -> None:
    file.write_text(BAD)
    assert run("serve", "--config", file).returncode == 78


def test_plugins() -> None:
    done = run("plugins")
    assert done.returncode == 0
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert rows["openai"] == ["retouch-openai", "0.1.0", "provider"]
    assert rows["local"] == ["retouch-local", "0.1.0", "provider"]


def test_plugins_that_failed_and_why(tmp_path: Path) -> None:
    info = tmp_path / "retouch_broken-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: retouch-broken\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text("[retouch]\nbroken = retouch_broken\n")
    (tmp_path / "retouch_broken.py").write_text("import a_module_that_is_not_there\n")
    done = run("plugins", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("broken ")]
    assert "retouch-broken 2.0" in row
    assert "FAILED: ModuleNotFoundError" in row
    assert "a_module_that_is_not_there" in row
    checked = run("check", PYTHONPATH=str(tmp_path))
    assert checked.returncode == 0
    assert "`broken` (retouch-broken 2.0) did not load" in checked.stderr


def test_an_account_of_a_plugin_that_failed(tmp_path: Path, file: Path) -> None:
    info = tmp_path / "retouch_broken-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: retouch-broken\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text("[retouch]\nbroken = retouch_broken\n")
    (tmp_path / "retouch_broken.py").write_text("raise RuntimeError('no licence')\n")
    file.write_text('[accounts.a]\nprovider = "broken"\n')
    done = run("check", "--config", file, PYTHONPATH=str(tmp_path))
    assert done.returncode == 78
    assert "accounts.a.provider: the plugin `broken` did not load" in done.stderr
    assert "no licence" in done.stderr


def test_plugins_with_a_faulty_configuration(file: Path) -> None:
    """The plugins may be just what explains the fault."""
    file.write_text(BAD + '[plugins]\nenabled = ["local"]\n')
    done = run("plugins", "--config", file)
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["local"]


def test_only_enabled_plugins(file: Path) -> None:
    file.write_text('[accounts.a]\nprovider = "openai"\n[plugins]\nenabled = ["local"]\n')
    done = run("check", "--config", file)
    assert "no plugin provides `openai` (installed: local)" in done.stderr


def test_models(file: Path) -> None:
    file.write_text(GOOD)
    done = run("models", "--config", file, CLI_KEY=SECRET)
    assert done.returncode == 0
    rows = done.stdout.splitlines()
    names = [row.split()[0] for row in rows]
    assert {"local/inpaint", "local/ops", "openai-main/gpt-image-2", "plain/gpt-image-2"} <= set(
        names
    )
    (inpaint,) = [row for row in rows if row.startswith("local/inpaint")]
    assert "mask needed" in inpaint
    assert any(re.search(r"shuts down \d{4}-\d{2}-\d{2}$", row) for row in rows)


def test_schema(file: Path) -> None:
    done = run("schema")
    assert done.returncode == 0
    schema = json.loads(done.stdout)
    titles = {
        account["title"]
        for account in schema["properties"]["accounts"]["additionalProperties"]["oneOf"]
    }
    assert {"local", "openai"} <= titles


def test_a_new_key() -> None:
    done = run("keys", "new", "team-a")
    assert done.returncode == 0
    (key,) = re.findall(r"^# (rt-\S+)$", done.stdout, re.MULTILINE)
    digest = hashlib.sha256(key.encode()).hexdigest()
    assert f'[[keys]]\nname = "team-a"\nsha256 = "{digest}"\n' in done.stdout
    assert run("keys", "new", "team-a").stdout != done.stdout


def test_a_new_key_can_be_pasted_into_the_file(file: Path) -> None:
    file.write_text('[server]\nhost = "0.0.0.0"\n[accounts.local]\nprovider = "local"\n')
    assert run("check", "--config", file).returncode == 78
    with file.open("a") as out:
        out.write(run("keys", "new", "team-a").stdout)
    assert run("check", "--config", file).returncode == 0


# --- in this process: what needs no program ----------------------------------------------


@pytest.mark.parametrize("command", ["check", "serve", "models", "schema", "plugins"])
def test_a_file_that_is_not_there(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--config", str(tmp_path / "none.toml")]) == 78
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--host", "0.0.0.0", "server.host: 0.0.0.0 can be reached by others"),
        ("--port", "65536", "--port: must be a whole number from 0 to 65535"),
        ("--port", "-1", "--port: must be a whole number from 0 to 65535"),
        ("--workers", "0", "--workers: must be a whole number from 1 to 256"),
    ],
)
def test_flags_out_of_bounds(
    flag: str, value: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", f"{flag}={value}"]) == 78
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a b", "", "x" * 65, 'a"b', "a\nb", "-x", "é"])
def test_names_that_are_none(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "new", "--", name]) == 78
    assert capsys.readouterr().out == ""


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0
    assert capsys.readouterr().out == f"retouch {retouch.__version__}\n"


@pytest.mark.parametrize(
    "arguments", [[], ["edit"], ["keys"], ["keys", "new"], ["serve", "--port", "x"], ["check", "x"]]
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(arguments)
    assert done.value.code == 2
    assert "usage: retouch" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [[], ["serve"], ["check"], ["plugins"], ["models"], ["schema"], ["keys"], ["keys", "new"]],
)
def test_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main([*command, "--help"])
    assert done.value.code == 0
    assert capsys.readouterr().out.startswith("usage: retouch")
