"""A window's audio is the source's own interval, or the segments with silence between them, and says which."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from soundseam.annotators.flac import decode_flac
from soundseam.pipeline.input.sources import recording_id_of as hashed
from soundseam.pipeline.long.audio import AudioOrigin, Chunk, window_audio
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.schemas.long import Window
from soundseam.schemas.recording import Recording
from soundseam.schemas.segment import segment_id_of
from soundseam.schemas.timespan import TimeSpan
from tests.pipeline.sft.builders import material, recording
from tests.pipeline.sft.corpora import commit_corpus, flac_of
from tests.support.builders import a_segment

SPANS = (TimeSpan(2_000, 40_000), TimeSpan(75_000, 80_000))


def a_window(name: str) -> Window:
    return Window(
        start_ms=SPANS[0].start_ms,
        end_ms=SPANS[-1].end_ms,
        window_id=segment_id_of(name, TimeSpan(SPANS[0].start_ms, SPANS[-1].end_ms)),
        recording_id=name,
        source_uri="",
        target_ms=60_000,
        segment_ids=tuple(segment_id_of(name, span) for span in SPANS),
        segment_ms=43_000,
        chapters=(0,),
        starts_chapter=True,
        ends_chapter=True,
        excluded=(),
        license=None,
        language=None,
        config_key="k",
    )


def a_corpus(folder: Path) -> tuple[Corpus, Recording]:
    made = recording(*(material(a_segment("a", span.start_ms, span.end_ms)) for span in SPANS))
    commit_corpus(folder / "out", [made])
    assert made.recording is not None
    return Corpus.load_present(str(folder / "out"), ["segments"]), made.recording


def joined(chunks: list[Chunk]) -> np.ndarray:
    return np.concatenate([chunk.samples for chunk in chunks])


def test_the_audio_is_the_sources_own_interval_with_its_gaps(tmp_path: Path) -> None:
    pcm = np.random.default_rng(0).integers(-9_000, 9_000, 90 * 16_000, dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", pcm, 16_000)
    corpus, row = a_corpus(tmp_path)
    name = hashed(str(tmp_path / "a.wav"))
    source = row.model_copy(update={"source_uri": str(tmp_path / "a.wav"), "recording_id": name})
    first, second = (list(window_audio(corpus, source, [a_window(name)])) for _ in range(2))
    assert {chunk.origin for chunk in first} == {AudioOrigin.SOURCE}
    assert max(len(chunk.samples) for chunk in first) <= 30 * 16_000
    np.testing.assert_array_equal(joined(first) * 32768, pcm[2 * 16_000 : 80 * 16_000])
    np.testing.assert_array_equal(joined(first), joined(second))


def test_without_the_source_segments_are_joined_with_silence_and_it_is_said(tmp_path: Path) -> None:
    corpus, row = a_corpus(tmp_path)
    window = a_window(row.recording_id)
    first, second = (list(window_audio(corpus, row, [window])) for _ in range(2))
    assert {chunk.origin for chunk in first} == {AudioOrigin.SEGMENTS}
    parts = [decode_flac(flac_of(a_segment("a", span.start_ms, span.end_ms))) for span in SPANS]
    silence = np.zeros(35 * 16_000, np.float32)
    np.testing.assert_array_equal(joined(first), np.concatenate([parts[0], silence, parts[1]]))
    np.testing.assert_array_equal(joined(first), joined(second))


def test_a_source_with_other_bytes_is_not_used(tmp_path: Path) -> None:
    corpus, row = a_corpus(tmp_path)
    soundfile.write(tmp_path / "a.wav", np.zeros(90 * 16_000, np.int16), 16_000)
    changed = row.model_copy(update={"source_uri": str(tmp_path / "a.wav")})
    chunks = list(window_audio(corpus, changed, [a_window(row.recording_id)]))
    assert {chunk.origin for chunk in chunks} == {AudioOrigin.SEGMENTS}
