from __future__ import annotations

import inspect
import re
import typing
from typing import Any

import pluggy
import pytest

from retouch import hookspecs
from retouch.plugins import new_manager

HOOKS = {
    name: function
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction)
    if function.__module__ == hookspecs.__name__
}


def option(name: str, key: str) -> Any:
    return getattr(HOOKS[name], f"{hookspecs.PROJECT}_spec")[key]


def test_the_seven_hooks() -> None:
    """Seven is the ceiling for 1.0; the names and arguments are what plugins are written to."""
    assert {name: list(inspect.signature(hook).parameters) for name, hook in HOOKS.items()} == {
        "provider_info": [],
        "validate": ["edit", "account"],
        "translate_request": ["edit", "account"],
        "call": ["request", "account", "http"],
        "translate_response": ["response", "edit", "account"],
        "translate_stream": ["response", "edit", "account"],
        "around_edit": ["edit", "account"],
    }


def test_which_hooks_stop_at_the_first_result() -> None:
    first = {name for name in HOOKS if option(name, "firstresult")}
    assert first == {"translate_request", "call", "translate_response", "translate_stream"}


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_every_hook_is_typed_and_documented(name: str) -> None:
    hook = HOOKS[name]
    hints = typing.get_type_hints(hook, vars(typing) | vars(hookspecs))
    parameters = list(inspect.signature(hook).parameters)
    assert set(hints) == {*parameters, "return"}
    text = inspect.getdoc(hook) or ""
    assert re.findall(r":param (\w+):", text) == parameters
    assert (":return:" in text) is (hints["return"] is not type(None))
    assert re.search(r"\b(Sync|Async)\b", text)


def test_the_manager_knows_them() -> None:
    manager = new_manager()
    for name in HOOKS:
        assert getattr(manager.hook, name).has_spec()
    assert isinstance(manager, pluggy.PluginManager)
    assert manager.project_name == hookspecs.PROJECT == "retouch"
    manager.check_pending()


def test_the_default_call_is_asked_last() -> None:
    (default,) = new_manager().hook.call.get_hookimpls()
    assert default.trylast
