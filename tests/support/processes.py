"""Servers in processes of their own."""

from __future__ import annotations

import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

UP_S = 120


def wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Returns when `url` answers; fails the test, with the end of `log`, if the process ends or takes too long."""
    end = time.monotonic() + UP_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"the server at {url} did not start: {log.read_text(errors='replace')[-2000:]}")
