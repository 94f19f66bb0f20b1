"""Keep the kit on this machine, and see what a hook touches, through Python's audit events."""

from __future__ import annotations

import contextlib
import ipaddress
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

#: Audit events of what a sync hook must not do, in words.
_WATCHED = {
    "socket.connect": "connects to a network address",
    "socket.getaddrinfo": "looks up a host name",
    "socket.gethostbyname": "looks up a host name",
    "subprocess.Popen": "starts a program",
    "os.system": "starts a program",
    "open": "opens a file",
}
_LOCAL_HOSTS = frozenset({"localhost", "", None})

_watching = threading.local()


class _Guard:
    """Whether the audit hook is there (it cannot be removed), and how many kits are open."""

    installed = False
    open = 0


def close_the_gates() -> None:
    """From now on nothing of this process reaches another machine: a plugin under test may
    ignore the address it was given, and must not spend its author's money then."""
    if not _Guard.installed:
        sys.addaudithook(_audit)
        _Guard.installed = True
    _Guard.open += 1


def open_the_gates() -> None:
    """Undo one ``close_the_gates``."""
    _Guard.open -= 1


@contextlib.contextmanager
def watched() -> Iterator[list[str]]:
    """What this thread does inside that a sync hook must not do, in words."""
    close_the_gates()
    seen: list[str] = []
    sleep = time.sleep

    def noticed(seconds: float) -> None:
        if getattr(_watching, "seen", None) is not None:
            _watching.seen.append("waits with time.sleep")
        sleep(seconds)

    _watching.seen = seen
    try:
        with mock.patch("time.sleep", noticed):
            yield seen
    finally:
        _watching.seen = None
        open_the_gates()


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event not in _WATCHED:
        return
    seen = getattr(_watching, "seen", None)
    if seen is not None:
        seen.append(_WATCHED[event])
    if _Guard.open and not _is_local(event, args):
        raise ConnectionRefusedError(
            "retouch.testing lets nothing out of this machine: the plugin ignores the address in "
            "its settings"
        )


def _is_local(event: str, args: tuple[Any, ...]) -> bool:
    if event == "socket.connect":
        address = args[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event.startswith("socket."):
        host = args[0]
    else:
        return True
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in _LOCAL_HOSTS:
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False
