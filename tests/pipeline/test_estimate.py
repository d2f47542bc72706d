from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.estimate import FEWEST_BYTES_A_SECOND, estimate_durations
from schemas.source import Source
from schemas.timespan import TimeSpan
from tests.pipeline.workloads import source_of


def source_at(path: Path, **changes: object) -> Source:
    source = source_of(path.name, size_bytes=path.stat().st_size)
    return source.model_copy(update={"uri": str(path), "source_uri": str(path), **changes})


def write_flac(path: Path, seconds: float) -> Path:
    samples = np.random.default_rng(0).normal(0, 0.1, round(16_000 * seconds))
    soundfile.write(path, samples, 16_000)
    return path


def test_headers_tell_the_length(tmp_path: Path) -> None:
    source = source_at(write_flac(tmp_path / "a.flac", 12.5))
    assert estimate_durations([source]) == {source.recording_id: 12_500}


def test_files_beyond_those_looked_into_count_by_their_size(tmp_path: Path) -> None:
    sources = [source_at(write_flac(tmp_path / f"{index}.flac", 1 + index % 3)) for index in range(60)]
    total_ms = sum(estimate_durations(sources).values())
    assert abs(total_ms - 120_000) < 6_000


def test_a_header_that_claims_far_too_much_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "liar.wav"
    soundfile.write(path, np.zeros(100), 16_000)
    data = bytearray(path.read_bytes())
    data[40:44] = (2**31).to_bytes(4, "little")
    path.write_bytes(data)
    (duration_ms,) = estimate_durations([source_at(path)]).values()
    assert duration_ms <= 1000 * len(data) / FEWEST_BYTES_A_SECOND


def test_a_file_that_is_no_audio_is_guessed_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "text.mp3"
    path.write_bytes(b"not audio" * 1000)
    (duration_ms,) = estimate_durations([source_at(path)]).values()
    assert duration_ms > 0


@pytest.mark.parametrize("name", [b"caf\xe9.wav", b"take.raw", b"take.RAW"])
def test_no_name_stops_the_estimate(tmp_path: Path, name: bytes) -> None:
    if sys.platform == "darwin" and not name.isascii():
        pytest.skip("file names are UTF-8 there")
    path = write_flac(tmp_path / "a.flac", 3).rename(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)))
    source = source_of("odd", size_bytes=path.stat().st_size).model_copy(update={"uri": path.as_uri()})
    assert list(estimate_durations([source]).values()) == [3000]


def test_only_the_asked_intervals_count(tmp_path: Path) -> None:
    spans = (TimeSpan(0, 1000), TimeSpan(2000, 2500))
    source = source_at(write_flac(tmp_path / "a.flac", 60), intervals=spans)
    assert list(estimate_durations([source]).values()) == [1500]


def test_a_remote_file_is_not_opened() -> None:
    source = source_of("far").model_copy(update={"uri": "gs://bucket/far.mp3", "source_uri": "gs://bucket/far.mp3"})
    assert next(iter(estimate_durations([source]).values())) > 0
