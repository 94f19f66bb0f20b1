from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from retouch.testing import isolation


@pytest.fixture
def closed() -> Iterator[None]:
    isolation.close_the_gates()
    yield
    isolation.open_the_gates()


def loopback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


@pytest.mark.parametrize(
    ("work", "seen"),
    [
        (lambda: time.sleep(0), {"waits with time.sleep"}),
        (lambda: Path(__file__).read_bytes(), {"opens a file"}),
        (lambda: socket.getaddrinfo("127.0.0.1", 1), {"looks up a host name"}),
        (lambda: socket.gethostbyname("127.0.0.1"), {"looks up a host name"}),
        (lambda: sum(range(9)), set()),
    ],
)
def test_what_is_watched(work: Callable[[], object], seen: set[str]) -> None:
    with isolation.watched() as found:
        work()
    assert set(found) == seen


def test_connections_are_seen() -> None:
    with isolation.watched() as found:
        loopback()
    assert "connects to a network address" in found


def test_programs_are_seen() -> None:
    with isolation.watched() as found:
        subprocess.run([sys.executable, "-c", ""], check=True)
    assert "starts a program" in found


def test_other_threads_are_not_watched() -> None:
    with isolation.watched() as found:
        thread = threading.Thread(target=lambda: Path(__file__).read_bytes())
        thread.start()
        thread.join()
    assert found == []


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "8.8.8.8"])
@pytest.mark.usefixtures("closed")
def test_no_connection_leaves_this_machine(address: str) -> None:
    with socket.socket() as connection, pytest.raises(ConnectionRefusedError, match="ignores"):
        connection.connect((address, 9))


@pytest.mark.parametrize("host", ["provider.example", b"provider.example"])
@pytest.mark.usefixtures("closed")
def test_no_name_is_looked_up(host: str | bytes) -> None:
    with pytest.raises(ConnectionRefusedError, match="ignores"):
        socket.getaddrinfo(host, 443)


@pytest.mark.usefixtures("closed")
def test_this_machine_can_be_reached() -> None:
    loopback()
    assert socket.getaddrinfo("localhost", 80)


def test_outside_the_kit_nothing_is_refused() -> None:
    with socket.socket() as connection:
        connection.setblocking(False)
        # In progress, or no way there: either comes from the system, as a number.
        assert connection.connect_ex(("192.0.2.1", 9)) > 0
