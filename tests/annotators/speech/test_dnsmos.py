from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from soundseam.annotators.speech.dnsmos import WINDOW_SAMPLES, DnsmosAnnotator, DnsmosScores, windows_of
from soundseam.schemas.speech import Dnsmos
from tests.annotators.speech.builders import a_clip, noise, read_sample
from tests.support.members import load_or_skip

MENU = "speech-phone-menu.flac"
REFERENCE = {"signal": 3.569, "background": 4.094, "overall": 3.306, "p808": 4.123}


@pytest.fixture(scope="module")
def annotator() -> DnsmosAnnotator:
    loaded = load_or_skip(DnsmosScores())
    assert isinstance(loaded, DnsmosAnnotator)
    return loaded


def score(annotator: DnsmosAnnotator, samples: np.ndarray) -> Dnsmos:
    (facts,) = annotator.annotate([a_clip(samples, (0, 1_000))])
    assert facts.dnsmos is not None
    return facts.dnsmos


def test_the_scores_are_those_of_the_reference_code(annotator: DnsmosAnnotator) -> None:
    """The figures are what speechmos 0.0.1.1 gives for the same 9.01 s."""
    scores = score(annotator, read_sample(MENU)[:WINDOW_SAMPLES])
    assert scores.model_dump() == pytest.approx(REFERENCE, abs=0.005)


def test_noise_lowers_the_background_score_most(annotator: DnsmosAnnotator) -> None:
    clean = read_sample(MENU)[:WINDOW_SAMPLES]
    before, after = score(annotator, clean), score(annotator, clean + noise(9_010, -26)[: len(clean)])
    assert before.background - after.background > 1.5
    assert before.overall > after.overall
    assert before.p808 > after.p808
    assert abs(before.signal - after.signal) < 0.5


def test_a_segment_without_speech_is_not_scored(annotator: DnsmosAnnotator) -> None:
    (facts,) = annotator.annotate([a_clip(noise(2_000, -20))])
    assert facts.dnsmos is None


@pytest.mark.parametrize("length", [1, 1_000, WINDOW_SAMPLES, WINDOW_SAMPLES + 1, 480_000])
def test_windows_cover_a_clip_of_any_length(length: int) -> None:
    windows = windows_of(np.arange(length, dtype=np.float32))
    assert windows.shape == (max(1, -(-length // WINDOW_SAMPLES)), WINDOW_SAMPLES)
    assert set(np.unique(windows)) == set(range(length))


def test_scoring_does_not_import_the_package_that_brings_the_weights(annotator: DnsmosAnnotator) -> None:
    program = (
        "import sys; from soundseam.annotators.speech.dnsmos import DnsmosScores; DnsmosScores().load();"
        "sys.exit('speechmos' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
