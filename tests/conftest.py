"""What holds for all tests: no network, no telemetry, no deadline that a busy machine could miss."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Before anything imports a library that reads them.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["PYANNOTE_METRICS_ENABLED"] = "0"

# A shell starts jobs in the background with interrupts ignored, and every process that a test starts would inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Inherits what hypothesis sets by itself on a CI machine.
settings.register_profile("soundseam", settings(), deadline=None)
settings.load_profile("soundseam")

_THIS_MACHINE = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}


def _refuse_network(event: str, details: tuple[object, ...]) -> None:
    if event == "socket.connect":
        address = details[1]
        if isinstance(address, tuple) and address[0] not in _THIS_MACHINE:
            raise RuntimeError(f"a test connects to {address[0]}: tests use no network")


sys.addaudithook(_refuse_network)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts whole runs first: they take longest, and the rest fills up what workers have left."""
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)


@pytest.fixture(scope="session")
def sample_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the README's main job makes of `samples/recordings`. To be copied before it is changed."""
    output = tmp_path_factory.mktemp("sample-corpus") / "out"
    root = Path(__file__).parents[1]
    command = [sys.executable, "beam_runner.py", "run", "samples/recordings", "--output", str(output)]
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=600)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return output
