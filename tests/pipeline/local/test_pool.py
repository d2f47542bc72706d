"""Processes of a pool end with their parent, and find a place for compiled code."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from soundseam.pipeline.local.pool import in_order, name_cache_of_compiled_code

PARENT = """
import sys
from pathlib import Path
from tests.pipeline.local.test_pool import wait_long
from soundseam.pipeline.local.pool import in_order
if __name__ == "__main__":
    list(in_order(wait_long, [sys.argv[1] + "/a", sys.argv[1] + "/b"], 2))
"""


def double(number: int) -> int:
    return 2 * number


def wait_long(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers: int) -> None:
    assert list(in_order(double, [3, 1, 2], workers)) == [6, 2, 4]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_processes_of_a_killed_parent_end(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], cwd=Path(__file__).parents[3])
    try:
        names = [tmp_path / name for name in "ab"]
        while not all(name.exists() and name.read_text() for name in names):
            assert parent.poll() is None
            time.sleep(0.05)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    for name in names:
        while is_alive(name.read_text()):
            time.sleep(0.05)


def is_alive(pid: str) -> bool:
    try:
        return Path("/proc", pid, "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_without_a_home_compiled_code_goes_to_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nonexistent"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    name_cache_of_compiled_code()
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    assert folder.parent == tmp_path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_cache_that_others_can_write_to_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nonexistent"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    theirs = tmp_path / f"soundseam-numba-{os.getuid()}"
    theirs.mkdir()
    theirs.chmod(0o777)
    name_cache_of_compiled_code()
    assert Path(os.environ["NUMBA_CACHE_DIR"]) != theirs


def test_with_a_home_nothing_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    name_cache_of_compiled_code()
    assert "NUMBA_CACHE_DIR" not in os.environ
