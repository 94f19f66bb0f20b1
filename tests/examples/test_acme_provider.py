"""The example is a third party's repository: built, installed, found, served and tested."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from PIL import Image, ImageChops

from retouch.testing import Received, Reply, reply, samples
from retouch.testing.upstream import Upstream
from tests.fakes.gateway import Gateway
from tests.fakes.pictures import photo
from tests.testing.packages import Done, install, run, run_kit

EXAMPLE = Path(__file__).parents[2] / "examples" / "acme_provider"
EX_CONFIG = 78

BROKEN_IMPORT = "import a_module_that_nobody_has\n"
MISSPELT_HOOK = """
from retouch import hookimpl

@hookimpl
def translate_respones(response):
    raise NotImplementedError
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as somebody else has it: a copy, far from ours."""
    copied = tmp_path_factory.mktemp("acme") / "retouch-acme"
    shutil.copytree(EXAMPLE, copied, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return copied


@pytest.fixture(scope="module")
def site(repository: Path) -> Path:
    """Where the wheel of the example is installed."""
    built = run("build", "--wheel", "--no-isolation", "--outdir", repository / "dist", repository)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = (repository / "dist").iterdir()
    assert wheel.name == "retouch_acme-0.3.0-py3-none-any.whl"
    return install(wheel, repository.parent / "site")


@pytest.fixture(scope="module")
def troubled_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with two plugins that cannot be used."""
    folder = tmp_path_factory.mktemp("troubled")
    source = folder / "retouch_troubled"
    source.mkdir()
    (source / "__init__.py").write_text('"""Troubled."""\n')
    (source / "broken.py").write_text(BROKEN_IMPORT)
    (source / "misspelt.py").write_text(MISSPELT_HOOK)
    text = (EXAMPLE / "pyproject.toml").read_text()
    text = text.replace("retouch-acme", "retouch-troubled").replace("retouch_acme", source.name)
    points = "broken = 'retouch_troubled.broken'\nmisspelt = 'retouch_troubled.misspelt'"
    text = text.replace(f'acme = "{source.name}"', points)
    (folder / "pyproject.toml").write_text(text)
    (folder / "README.md").write_text("# Troubled\n")
    return install(folder, folder / "site")


@pytest.fixture(scope="module")
def fork_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another distribution whose plugin has the same name."""
    folder = tmp_path_factory.mktemp("fork")
    for name in ("pyproject.toml", "retouch_acme.py", "README.md"):
        shutil.copy(EXAMPLE / name, folder)
    project = folder / "pyproject.toml"
    project.write_text(project.read_text().replace('"retouch-acme"', '"retouch-acme-fork"'))
    return install(folder, folder / "site")


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """Acme itself, as far as the example's docstring describes it."""
    running = Upstream()
    running.start()
    yield running
    running.stop()


def acme(request: Received) -> Reply:
    """As many pictures as were asked for, as JSON or as events."""
    asked = json.loads(request.body)
    pictures = [samples.RESULT_BASE64] * asked["count"]
    if asked.get("live"):
        return reply(200, sse=[{"preview": samples.RESULT_BASE64}, {"pictures": pictures}])
    return reply(200, json={"pictures": pictures})


def lines(done: Done) -> dict[str, list[str]]:
    """What ``retouch plugins`` printed, by plugin."""
    assert done.returncode == 0, done.stderr
    words = [line.split(maxsplit=3) for line in done.stdout.splitlines()]
    return {name: rest for name, *rest in words}


def test_it_is_found_with_distribution_and_version(site: Path) -> None:
    found = lines(run("retouch.cli", "plugins", sites=(site,)))
    assert found["acme"] == ["retouch-acme", "0.3.0", "provider"]
    assert found["local"][2] == "provider"


def test_it_is_not_found_where_it_is_not_installed() -> None:
    assert "acme" not in lines(run("retouch.cli", "plugins"))


def test_it_edits_through_the_openai_sdk(
    site: Path, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.reset(acme)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("ACME_API_KEY", "acme-canary-key")
    gateway = Gateway(
        '[accounts.shop]\nprovider = "acme"\napi_key = { env = "ACME_API_KEY" }\n'
        f'base_url = "{upstream.url}"\n',
        tmp_path,
    )
    try:
        with openai.OpenAI(base_url=gateway.v1, api_key="unused", max_retries=0) as client:
            result: Any = client.images.edit(
                model="shop/acme-edit-1",
                prompt="A red cup",
                image=photo("coffee.png"),
                mask=photo("coffee-mask.png"),
                n=2,
                quality="high",
                extra_body={"style": "drawing"},
            )
            events = list(
                client.images.edit(
                    model="shop/acme-edit-1",
                    prompt="A red cup",
                    image=photo("coffee.png"),
                    stream=True,
                )
            )
            with pytest.raises(openai.BadRequestError, match="style"):
                client.images.edit(
                    model="shop/acme-edit-1",
                    prompt="A red cup",
                    image=photo("coffee.png"),
                    extra_body={"style": "cubist"},
                )
    finally:
        gateway.stop()
    assert [image.b64_json for image in result.data] == [samples.RESULT_BASE64] * 2
    assert (result.provider, result.cost) == ("acme", 0.04)
    assert [event.type for event in events] == [
        "image_edit.partial_image",
        "image_edit.completed",
    ]
    assert len(upstream.requests) == 2
    assert_acme_was_asked(upstream.requests[0])


def assert_acme_was_asked(request: Received) -> None:
    """The first edit in Acme's own words, as the example's docstring has them."""
    assert (request.method, request.path) == ("POST", "/v1/edits")
    assert request.headers["authorization"] == "Bearer acme-canary-key"
    asked = json.loads(request.body)
    (picture,) = asked.pop("pictures")
    area = Image.open(io.BytesIO(base64.b64decode(asked.pop("area")))).convert("L")
    assert asked == {
        "model": "acme-edit-1",
        "text": "A red cup",
        "count": 2,
        "detail": "fine",
        "style": "drawing",
    }
    assert base64.b64decode(picture) == photo("coffee.png")
    alpha = Image.open(io.BytesIO(photo("coffee-mask.png"))).getchannel("A")
    # White is edited at Acme; transparent is edited at OpenAI.
    assert ImageChops.difference(area, ImageChops.invert(alpha)).getbbox() is None
    assert area.getextrema() == (0, 255)


def test_its_own_tests_pass_where_it_is_installed(site: Path, tmp_path: Path) -> None:
    shutil.copy(EXAMPLE / "test_acme.py", tmp_path)
    done = run_kit(site, tmp_path)
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout


def test_two_distributions_with_one_name_are_fatal(site: Path, fork_site: Path) -> None:
    done = run("retouch.cli", "plugins", sites=(site, fork_site))
    assert done.returncode == EX_CONFIG
    assert "two plugins are called `acme`" in done.stderr
    assert re.search(r"retouch-acme\b(?!-fork)", done.stderr)
    assert "retouch-acme-fork" in done.stderr
    assert "Traceback" not in done.stderr


def test_plugins_that_fail_are_listed_with_their_reasons(troubled_site: Path) -> None:
    found = lines(run("retouch.cli", "plugins", sites=(troubled_site,)))
    assert found["broken"] == [
        "retouch-troubled",
        "0.3.0",
        "FAILED: ModuleNotFoundError: No module named 'a_module_that_nobody_has'",
    ]
    assert found["misspelt"][2] == (
        "FAILED: there is no hook `translate_respones`; did you mean `translate_response`?"
    )
    assert found["local"][2] == "provider"


@pytest.mark.parametrize(
    ("provider", "code", "said"),
    [
        ("local", 0, "warning: the plugin `broken` (retouch-troubled 0.3.0) did not load"),
        ("broken", EX_CONFIG, "accounts.mine.provider: the plugin `broken` did not load: Module"),
        ("misspelt", EX_CONFIG, "did you mean `translate_response`?"),
        ("acme", EX_CONFIG, "accounts.mine.provider: no plugin provides `acme`"),
    ],
)
def test_a_failed_plugin_is_fatal_only_where_it_is_needed(
    troubled_site: Path, tmp_path: Path, provider: str, code: int, said: str
) -> None:
    config = tmp_path / "retouch.toml"
    config.write_text(f'[accounts.mine]\nprovider = "{provider}"\n')
    done = run("retouch.cli", "check", "--config", config, sites=(troubled_site,))
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
