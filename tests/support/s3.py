"""An S3 server in a process of its own (moto's), for the tests of object stores."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import wait_until_up

REGION = "us-east-1"


class S3Server:
    """The running server; what it was asked is in its log."""

    def __init__(self, port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log = log
        self._read = 0

    def environment(self, cache: Path) -> dict[str, str]:
        """The usual variables with which a client finds the server, and a cache of its own."""
        return {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "XDG_CACHE_HOME": str(cache),
        }

    def make_bucket(self, name: str) -> str:
        """The address of a new bucket."""
        request = urllib.request.Request(f"{self.url}/{name}", method="PUT", headers={"Host": "s3.amazonaws.com"})
        with urllib.request.urlopen(request, timeout=30):
            return f"s3://{name}"

    @contextmanager
    def checking_credentials(self) -> Iterator[None]:
        """Meanwhile the server refuses whoever it does not know, which is everybody."""
        self._check_from("0")
        try:
            yield
        finally:
            self._check_from("inf")

    def _check_from(self, request_number: str) -> None:
        request = urllib.request.Request(
            f"{self.url}/moto-api/reset-auth", request_number.encode(), {"Content-Type": "text/plain"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=30):
            pass

    def requests(self) -> Counter[str]:
        """The requests since the last call, by HTTP method; a listing is LIST."""
        lines = self._log.read_text(errors="replace")[self._read :]
        self._read += len(lines)
        found = re.findall(r'"(GET|PUT|HEAD|POST|DELETE) (\S*)', lines)
        return Counter("LIST" if method == "GET" and "list-type" in path else method for method, path in found)


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "s3.log"
    code = "import sys; from moto.server import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True) as process:
        try:
            server = S3Server(port, log)
            wait_until_up(f"{server.url}/moto-api/", process, log)
            server.requests()
            yield server
        finally:
            os.killpg(process.pid, signal.SIGKILL)
