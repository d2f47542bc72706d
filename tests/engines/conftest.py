from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.corpora import copy_samples, quick_profile, run_cli

NAMES = ("sound-bell.flac", "speech-phone-menu.flac", "sound-chime.flac", "speech-circuits-busy.wav")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs, profile, and `out`: what a local run made of them."""
    folder = tmp_path_factory.mktemp("engines")
    copy_samples(folder / "inputs", *NAMES)
    (folder / "inputs" / "empty.wav").write_bytes(b"")
    run_cli("run", folder / "inputs", "--output", folder / "out", "--profile", quick_profile(folder))
    return folder
