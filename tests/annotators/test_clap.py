from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from soundseam.annotators.base import AnnotationError, BackendUnavailableError, Clip, Samples
from soundseam.annotators.clap import (
    CLAP_RATE_HZ,
    AudioTextModel,
    ClapRanker,
    ClapWeights,
    Embeddings,
    LabelScorer,
    MusicClapAgreement,
    text_audio_similarity,
    windows_of,
)
from soundseam.schemas.annotation import MusicAnnotation
from soundseam.schemas.event import Branch
from soundseam.schemas.music import MusicFacts
from tests.annotators.music.builders import clip as a_music_clip
from tests.support.tiny_clap import clap_folder


class LoudAndQuiet:
    """Hears how loud a wave is, and reads the words loud and quiet."""

    scale = 10.0
    window = 10 * CLAP_RATE_HZ

    def __init__(self) -> None:
        self.longest = 0

    def embed_audio(self, waves: Sequence[Samples]) -> Embeddings:
        self.longest = max(self.longest, *(wave.size for wave in waves))
        loud = [float(np.abs(wave).mean()) > 0.1 for wave in waves]
        return np.array([[1.0, 0.0] if one else [0.0, 1.0] for one in loud], dtype=np.float32)

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        vectors = np.array([["loud" in text, "quiet" in text] for text in texts], dtype=np.float32)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1.0)


def wave(level: float, seconds: float = 1.0) -> Samples:
    return np.full(round(seconds * CLAP_RATE_HZ), level, dtype=np.float32)


@pytest.fixture(scope="module")
def clap(tmp_path_factory: pytest.TempPathFactory) -> AudioTextModel:
    return MusicClapAgreement(weights=clap_folder(tmp_path_factory.mktemp("clap")), device="cpu").open_clap()


def test_a_text_is_nearer_the_more_it_says_what_is_heard() -> None:
    near, between, far = text_audio_similarity(LoudAndQuiet(), wave(0.5), ["loud", "loud then quiet", "quiet"])
    assert (round(float(near), 3), round(float(between), 3), round(float(far), 3)) == (1.0, 0.707, 0.0)


def test_a_long_sound_is_heard_whole_in_windows_of_ten_seconds() -> None:
    model = LoudAndQuiet()
    samples = np.concatenate([wave(0.5, 10), wave(0.0, 10)])
    loud, quiet = text_audio_similarity(model, samples, ["loud", "quiet"])
    assert float(loud) == pytest.approx(float(quiet)) == pytest.approx(0.707, abs=0.001)
    assert model.longest == 10 * CLAP_RATE_HZ


def test_windows_cover_every_sample() -> None:
    windows = windows_of(wave(0.1, 23.5), 10 * CLAP_RATE_HZ)
    assert (windows[0][0], windows[-1][1]) == (0, round(23.5 * CLAP_RATE_HZ))
    assert all(following[0] <= before[1] for before, following in pairwise(windows))


def test_no_texts_have_no_similarity() -> None:
    assert text_audio_similarity(LoudAndQuiet(), wave(0.5), []).shape == (0,)


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.array([np.nan, 0.1], np.float32)])
def test_what_is_no_sound_is_an_annotation_error(samples: Samples) -> None:
    with pytest.raises(AnnotationError):
        text_audio_similarity(LoudAndQuiet(), samples, ["loud"])


def test_a_model_of_transformers_answers_the_same_each_time(clap: AudioTextModel) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 12 * CLAP_RATE_HZ).astype(np.float32)
    texts = ["a dog barks", "a violin", "x" * 3_000]
    first = text_audio_similarity(clap, noise, texts)
    assert np.array_equal(first, text_audio_similarity(clap, noise, texts))
    assert len(set(first.tolist())) == 3
    assert np.all(np.abs(first) <= 1.0)


def test_a_label_that_holds_is_surer_than_a_neutral_text_and_one_that_does_not_is_less_sure() -> None:
    scorer = LabelScorer(LoudAndQuiet(), ["loud", "quiet"], "something {label}", ["loud and quiet"])
    loud, quiet = scorer.scores(LoudAndQuiet().embed_audio([wave(0.5)]))[0]
    assert loud > 0.9
    assert quiet < 0.1


def captioned(texts: dict[str, str | None]) -> Clip:
    clip = a_music_clip(np.full(22_050, 0.5))
    rows = tuple(
        MusicAnnotation(
            segment_id=clip.segment.segment_id,
            recording_id=clip.segment.recording_id,
            branch=Branch.MUSIC,
            backend=backend,
            model="m",
            revision="1",
            config_key="k",
            caption=text,
        )
        for backend, text in texts.items()
    )
    return Clip(clip.segment, wave(0.5), CLAP_RATE_HZ, rows)


def test_captions_are_ranked_by_how_near_they_lie() -> None:
    clip = captioned({"first": "All is quiet.", "none": None, "second": "It is loud."})
    (facts,) = ClapRanker(LoudAndQuiet(), MusicFacts).annotate([clip])
    assert facts.clap_similarity is not None
    assert [(one.backend, one.similarity) for one in facts.clap_similarity] == [("second", 1.0), ("first", 0.0)]
    assert facts.caption is None


def test_a_segment_without_captions_is_not_heard() -> None:
    (facts,) = ClapRanker(LoudAndQuiet(), MusicFacts).annotate([captioned({"mir": None})])
    assert facts.clap_similarity == ()


def test_weights_that_cannot_be_had_name_the_way_out(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BackendUnavailableError, match="set weights to a folder"):
        MusicClapAgreement(weights=str(tmp_path)).load()


def test_weights_that_forbid_commercial_use_are_refused_unless_allowed(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    refused = MusicClapAgreement(weights=str(tmp_path))
    with pytest.raises(BackendUnavailableError, match="allow_non_commercial"):
        refused.check_available()
    allowed: ClapWeights = refused.model_copy(update={"allow_non_commercial": True})
    allowed.check_available()
