"""Run the application under uvicorn: one process, or several that share a socket."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from retouch import config as configuration
from retouch import plugins, routing
from retouch.config import Config
from retouch.http.app import create_app
from retouch.http.protocol import GatewayProtocol
from retouch.routing import Routes
from retouch.tuning import tune

#: How a worker process learns what to run; it is started afresh and shares no memory.
_CONFIG_VARIABLE = "RETOUCH_CONFIG"
#: Longer than load balancers keep an idle connection, so that they close it and not we.
KEEPALIVE_SECONDS = 75
#: An edit may take minutes; orchestrators should wait a little longer than this.
GRACE_SECONDS = 180


def serve(config: Config, routes: Routes, path: Path | None) -> int:
    """Serve until told to stop; returns the exit code.

    Prints one line ``retouch ready on http://HOST:PORT`` once requests are accepted.
    """
    log_to_stderr()
    try:
        listener = _listen(config)
    except OSError as error:
        print(
            f"retouch: cannot listen on {config.server.host}:{config.server.port}: "
            f"{os.strerror(error.errno or 0)}",
            file=sys.stderr,
        )
        return 1
    address = _address(config, listener)
    if config.server.workers == 1:
        server = _Server(_uvicorn(create_app(config, routes)), address)
        tune()
        server.run(sockets=[listener])
        return 0 if server.started else 1
    os.environ[_CONFIG_VARIABLE] = "" if path is None else str(path.resolve())
    settings = _uvicorn("retouch.server:worker_app", factory=True, workers=config.server.workers)
    threading.Thread(target=_announce, args=(address,), daemon=True).start()
    Multiprocess(settings, sockets=[listener]).run()
    return 0


def worker_app() -> Any:
    """The application of one worker process; called by uvicorn in that process."""
    log_to_stderr()
    path = os.environ[_CONFIG_VARIABLE]
    config = configuration.load(Path(path) if path else None)
    app = create_app(config, routing.build(config, plugins.load(config.plugins.enabled)))
    tune()
    return app


def log_to_stderr() -> None:
    """Access lines as they are, everything else with level and name."""
    # What logging finds out for each record and none of these lines show (Python's logging
    # HOWTO, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    plain = logging.StreamHandler()
    plain.setFormatter(logging.Formatter("%(message)s"))
    access = logging.getLogger("retouch.access")
    access.handlers, access.propagate = [plain], False
    access.setLevel(logging.INFO)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)


class _Server(uvicorn.Server):
    """uvicorn's server, announcing itself when it really accepts."""

    def __init__(self, settings: uvicorn.Config, address: str) -> None:
        super().__init__(settings)
        self._announcement = f"retouch ready on {address}"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            print(self._announcement, flush=True)


def _uvicorn(app: Any, **options: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=GatewayProtocol,
        ws="none",
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=KEEPALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        **options,
    )


def _listen(config: Config) -> socket.socket:
    host, port = config.server.host, config.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(2048)
    listener.setblocking(False)
    listener.set_inheritable(True)
    return listener


def _address(config: Config, listener: socket.socket) -> str:
    host = f"[{config.server.host}]" if ":" in config.server.host else config.server.host
    return f"http://{host}:{listener.getsockname()[1]}"


def _announce(address: str) -> None:
    """Say that the workers accept, once one of them has answered."""
    reachable = address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{reachable}/readyz", timeout=5):  # noqa: S310
                print(f"retouch ready on {address}", flush=True)
                return
        except OSError:
            time.sleep(0.1)
