from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from retouch import (
    EditRequest,
    EditResult,
    ProviderInfo,
    UpstreamRequest,
    UpstreamResponse,
    hookimpl,
)
from retouch.plugins import PluginError, load, new_manager, register
from tests.http.inside import Settings, Studio, Watcher, loaded

INFO = """
import msgspec
from retouch import ProviderInfo, hookimpl

class Settings(msgspec.Struct):
    key: str = ""

@hookimpl
def provider_info():
    return ProviderInfo(name={name!r}, settings=Settings)
"""


class Site:
    """A folder of installed distributions."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def install(
        self, distribution: str, entries: dict[str, str], modules: dict[str, str] | None = None
    ) -> None:
        """Entry points in the group ``retouch``, and the modules they name."""
        info = self._folder / f"{distribution.replace('-', '_')}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n"
        )
        lines = [f"{name} = {target}" for name, target in entries.items()]
        (info / "entry_points.txt").write_text("\n".join(["[retouch]", *lines, ""]))
        for name, source in (modules or {}).items():
            (self._folder / f"{name}.py").write_text(source)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Distributions that are installed for the time of the test, all called ``t_...``."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Site(tmp_path)
    for name in [name for name in sys.modules if name.startswith("t_")]:
        del sys.modules[name]


def only(*names: str) -> dict[str, Any]:
    return {plugin.name: plugin for plugin in load(names).found}


def test_an_installed_plugin_is_found(site: Site) -> None:
    site.install("retouch-t", {"t_good": "t_good"}, {"t_good": INFO.format(name="t_good")})
    plugin = only("t_good")["t_good"]
    assert (plugin.distribution, plugin.version, plugin.error) == ("retouch-t", "1.5", None)
    assert plugin.info.name == "t_good"
    assert load(("t_good",)).providers.keys() == {"t_good"}


BROKEN = {
    "t_missing": ("", "ModuleNotFoundError"),
    "t_syntax": ("def (:\n", "SyntaxError"),
    "t_import": ("import t_not_there\n", "t_not_there"),
    "t_raises": ("raise RuntimeError('first line\\nsecond line')\n", "RuntimeError: first line"),
    "t_nothing": ("x = 1\n", "no hook"),
    "t_unmarked": ("def validate(edit): pass\n", "no hook"),
    "t_misspelt": (
        "from retouch import hookimpl\n@hookimpl\ndef translate_reqest(edit): pass\n",
        "there is no hook `translate_reqest`; did you mean `translate_request`?",
    ),
    "t_argument": (
        "from retouch import hookimpl\n@hookimpl\ndef validate(edits): pass\n",
        "edits",
    ),
    "t_colour": (
        "from retouch import hookimpl\n@hookimpl\nasync def validate(edit): pass\n",
        "`validate` must be `def`, not `async def`",
    ),
    "t_other": (INFO.format(name="another"), "says `another`"),
    "t_none": (
        "from retouch import hookimpl\n@hookimpl\ndef provider_info(): return 5\n",
        "return",
    ),
    "t_fails": (
        "from retouch import hookimpl\n@hookimpl\ndef provider_info(): raise KeyError('x')\n",
        "KeyError: 'x'",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_plugin_that_fails_is_reported_and_harms_no_other(site: Site, name: str) -> None:
    source, part = BROKEN[name]
    site.install("retouch-bad", {name: name}, {name: source} if source else {})
    site.install("retouch-good", {"t_good": "t_good"}, {"t_good": INFO.format(name="t_good")})
    plugins = load((name, "t_good"))
    found = {plugin.name: plugin for plugin in plugins.found}
    assert part in (found[name].error or "")
    assert "\n" not in (found[name].error or "")
    assert (found[name].info, found["t_good"].error) == (None, None)
    assert plugins.failed(name) == found[name].error
    assert plugins.providers.keys() == {"t_good"}
    assert plugins.hooks("t_good").provider == "t_good"


def test_two_plugins_of_one_name_are_fatal(site: Site) -> None:
    site.install("retouch-one", {"t_x": "t_one"}, {"t_one": INFO.format(name="t_x")})
    site.install("retouch-two", {"t_x": "t_two"}, {"t_two": INFO.format(name="t_x")})
    with pytest.raises(PluginError) as fatal:
        load(("t_x",))
    for word in ("t_x", "retouch-one", "retouch-two"):
        assert word in str(fatal.value)
    assert load(("t_y",)).found == ()


def test_one_module_under_two_names(site: Site) -> None:
    """The second fails; the first must still work."""
    source = INFO.format(name="t_a") + "\n@hookimpl\ndef validate(edit):\n    raise KeyError\n"
    site.install("retouch-t", {"t_a": "t_a", "t_b": "t_a"}, {"t_a": source})
    plugins = load(("t_a", "t_b"))
    assert plugins.failed("t_b")
    assert plugins.failed("t_a") is None
    hooks = plugins.hooks("t_a")
    assert len(hooks._validate.get_hookimpls()) == 1


def test_only_what_is_enabled_is_even_imported(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("t_a", "t_b"):
        site.install(f"retouch-{name}", {name: name}, {name: INFO.format(name=name)})
    assert only("t_a").keys() == {"t_a"}
    assert "t_b" not in sys.modules
    assert load(()).found == ()
    monkeypatch.setenv("RETOUCH_PLUGINS", "t_b, t_c")
    assert only("t_a", "t_b").keys() == {"t_b"}
    assert {plugin.name for plugin in load().found} == {"t_b"}
    monkeypatch.setenv("RETOUCH_PLUGINS", "")
    assert load().found == ()


def test_everything_installed_loads_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RETOUCH_PLUGINS", raising=False)
    plugins = load()
    assert {"local", "openai"} <= plugins.providers.keys()
    assert [plugin.error for plugin in plugins.found if plugin.name in ("local", "openai")] == [
        None,
        None,
    ]


def refusal(module: Any, name: str = "studio") -> str:
    with pytest.raises(PluginError) as refused:
        register(new_manager(), name, module)
    return str(refused.value)


def test_wrong_colours() -> None:
    class AsyncRequest(Studio):
        @hookimpl
        async def translate_request(self, edit: EditRequest) -> UpstreamRequest:  # type: ignore[override]
            return UpstreamRequest(method="POST", url="x")

    class AsyncResponse(Studio):
        @hookimpl
        async def translate_response(self, response: UpstreamResponse) -> EditResult:  # type: ignore[override]
            return EditResult(images=())

    class CoroutineStream(Studio):
        @hookimpl
        async def translate_stream(self, response: UpstreamResponse) -> Any:  # type: ignore[override]
            return []

    class YieldingCall(Studio):
        @hookimpl
        async def call(self, request: UpstreamRequest) -> AsyncIterator[Any]:  # type: ignore[override]
            yield 1

    class AsyncAround(Watcher):
        @hookimpl
        async def around_edit(self, edit: EditRequest) -> Any:  # type: ignore[override]
            return contextlib.nullcontext()

    for kind, hook in (
        (AsyncRequest, "translate_request"),
        (AsyncResponse, "translate_response"),
        (CoroutineStream, "translate_stream"),
        (YieldingCall, "call"),
        (AsyncAround, "around_edit"),
    ):
        assert f"`{hook}` must" in refusal(kind())


def test_right_colours() -> None:
    class Decorated:
        @hookimpl
        @contextlib.asynccontextmanager
        async def around_edit(self) -> AsyncIterator[None]:
            yield

    assert register(new_manager(), "other", Decorated()) is None
    info = register(new_manager(), "studio", Studio())
    assert isinstance(info, ProviderInfo)
    assert info.settings is Settings


def test_a_provider_never_sees_the_edits_of_another() -> None:
    """Cross-cutting plugins see them all."""
    watcher, mine = Watcher(), Studio()
    plugins = loaded(mine, watcher)
    hooks, others = plugins.hooks("studio"), plugins.hooks("another")
    assert [impl.plugin for impl in hooks._validate.get_hookimpls()] == [mine]
    assert [impl.plugin for impl in hooks._around_edit.get_hookimpls()] == [watcher]
    assert others._validate.get_hookimpls() == []
    assert [impl.plugin for impl in others._around_edit.get_hookimpls()] == [watcher]


def test_the_default_call_is_there_for_everybody() -> None:
    hooks = loaded(Studio()).hooks("studio")
    names = [impl.plugin_name for impl in hooks._call.get_hookimpls()]
    assert names == ["retouch.defaults", "studio"]  # the last one is asked first
