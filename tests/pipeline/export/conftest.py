"""One corpus with samples for all export tests: exporting does not change it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.export.exports import make_corpus


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))
