"""One tiny checkpoint for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.annotators.moss.tiny_moss import TinyMoss, make_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("moss") / "tiny")


@pytest.fixture(scope="session")
def tiny(checkpoint: Path) -> TinyMoss:
    return TinyMoss(checkpoint)
