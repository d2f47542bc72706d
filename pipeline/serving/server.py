"""A server in a process of its own: started, watched until it is healthy, and ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import SetupError

LAST_LINES = 20
"""Of the server's log, shown where it fails."""
PAUSE_S = 1.0
END_S = 30.0
"""What a server is given to end by itself, before it is killed."""


class ServerFailedError(SetupError):
    """The server ended, or did not become healthy. `lines` are the last that it wrote."""

    def __init__(self, message: str, lines: Sequence[str]) -> None:
        super().__init__(message)
        self.lines = tuple(lines)


def check_free(host: str, port: int) -> None:
    """Raises SetupError where something listens there already, or the address is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise SetupError(f"cannot serve at {host}:{port} ({error.strerror}): choose another --port") from error


class Server:
    """A running server and the log that it writes."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    def wait_until_healthy(self, root: str, timeout_s: float, progress: Callable[[float, str], None]) -> None:
        """`progress` hears the seconds so far and the log's last line. Raises ServerFailedError."""
        began_s = time.monotonic()
        while not _is_healthy(root):
            passed_s = time.monotonic() - began_s
            if self._process.poll() is not None:
                raise self._failure(f"the server ended with status {self._process.returncode} before it was healthy")
            if passed_s > timeout_s:
                raise self._failure(f"the server is not healthy after {timeout_s:.0f} s (--timeout)")
            progress(passed_s, (self.last_lines(1) or [""])[0])
            time.sleep(PAUSE_S)

    def wait(self) -> None:
        """Until the server ends, which by itself it should not. Raises ServerFailedError then."""
        status = self._process.wait()
        raise self._failure(f"the server ended with status {status}")

    def end(self) -> None:
        """Asks the server to end, and kills what is left of it and of the processes that it started."""
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def last_lines(self, count: int) -> list[str]:
        with self._log.open(encoding="utf-8", errors="replace") as lines:
            return [line.rstrip() for line in deque((line for line in lines if line.strip()), maxlen=count)]

    def _failure(self, message: str) -> ServerFailedError:
        return ServerFailedError(f"{message}; all that it wrote is in {self._log}", self.last_lines(LAST_LINES))


@contextmanager
def started(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[Server]:
    """The server that `command` starts, ended however the block is left. `environment` is added to this process's."""
    with log.open("wb") as output:
        # A session of its own, so that Ctrl-C reaches this process alone, which then ends the server in order.
        process = subprocess.Popen(  # noqa: S603 - what the user asked to be run
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    server = Server(process, log)
    try:
        yield server
    finally:
        server.end()


def _is_healthy(root: str) -> bool:
    try:
        with urllib.request.urlopen(f"{root}/health", timeout=5) as answer:  # noqa: S310 - an address of our own
            return bool(answer.status == 200)
    except OSError:
        return False
