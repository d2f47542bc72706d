"""An evaluation set is what can be decoded of a file or a folder, by name, and it knows when it has changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundseam.annotators.base import Samples
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.dedup.fingerprint import audio_sha256, peaks_of
from soundseam.pipeline.dedup.fingerprint_files import write_fingerprints
from soundseam.pipeline.dedup.sources import evaluation_fingerprints, evaluation_key
from soundseam.schemas.duplicate import Fingerprint
from tests.pipeline.dedup.sounds import BEAT, NOISE, RATE_HZ, pcm_of


def write(path: Path, samples: Samples, subtype: str = "PCM_16") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, pcm_of(samples) if subtype == "PCM_16" else samples, RATE_HZ, subtype=subtype)
    return path


def found_in(path: Path) -> list[Fingerprint]:
    return list(evaluation_fingerprints(path, workers=1))


def test_a_file_has_the_hash_of_its_samples_whatever_holds_them(tmp_path: Path) -> None:
    loudest = (NOISE / np.abs(NOISE).max()).astype(np.float32)
    for sound in (BEAT, loudest, -loudest):
        for name in ("a.wav", "a.flac"):
            (found,) = found_in(write(tmp_path / name, sound))
            assert found.audio_sha256 == audio_sha256(pcm_of(sound))
            assert found.peaks == peaks_of(pcm_of(sound).astype(np.float32) / 32768).astype("<u8").tobytes()
            assert (found.name, found.recording_id, found.duration_ms) == (name, None, 8_000)


def test_both_ends_of_full_scale_stay_where_they_are(tmp_path: Path) -> None:
    square = np.repeat(np.array([-32768, 32767] * 100, np.int16), 160)
    soundfile.write(tmp_path / "square.wav", square, RATE_HZ, subtype="PCM_16")
    (found,) = found_in(tmp_path / "square.wav")
    assert found.audio_sha256 == hashlib.sha256(square.astype("<i2").tobytes()).hexdigest()


def test_floats_at_full_scale_have_the_hash_of_the_loudest_integers(tmp_path: Path) -> None:
    square = np.repeat(np.array([-1.0, 1.0] * 100, np.float32), 160)
    (found,) = found_in(write(tmp_path / "square.wav", square, "FLOAT"))
    integers = np.where(square > 0, 32767, -32768).astype(np.int16)
    assert found.audio_sha256 == audio_sha256(integers)


def test_a_folder_is_all_its_files_in_order_but_hidden_ones(tmp_path: Path) -> None:
    for name in ("b.wav", "a/deep/c.wav", "a/b.wav", ".hidden.wav", ".git/x.wav", "a/.thumbs/x.wav"):
        write(tmp_path / name, BEAT[:RATE_HZ])
    assert [found.name for found in found_in(tmp_path)] == ["a/b.wav", "a/deep/c.wav", "b.wav"]


def test_a_set_of_which_some_is_audio_is_that_part_and_says_how_many_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "a.wav", BEAT[:RATE_HZ])
    assert [found.name for found in found_in(tmp_path)] == ["a.wav"]
    assert not caplog.records
    (tmp_path / "b.txt").write_text("no audio")
    assert [found.name for found in found_in(tmp_path)] == ["a.wav"]
    assert "1 of 2 files" in caplog.text
    (tmp_path / "a.wav").unlink()
    with pytest.raises(SetupError, match="has no audio"):
        found_in(tmp_path)


def test_a_folder_named_like_a_fingerprint_file_is_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "set.parquet" / "a.wav", BEAT[:RATE_HZ])
    first = evaluation_key(tmp_path / "set.parquet")
    write(tmp_path / "set.parquet" / "b.wav", BEAT[:RATE_HZ])
    assert evaluation_key(tmp_path / "set.parquet") != first
    assert [found.name for found in found_in(tmp_path / "set.parquet")] == ["a.wav", "b.wav"]


def test_a_set_has_another_key_once_a_file_is_added_renamed_or_altered_and_no_other(tmp_path: Path) -> None:
    first = write(tmp_path / "a.wav", BEAT[:RATE_HZ])
    os.utime(first, ns=(1_000, 1_000))
    keys = [evaluation_key(tmp_path)]
    assert evaluation_key(tmp_path) == keys[0]
    (tmp_path / ".hidden").write_text("not of the set")
    assert evaluation_key(tmp_path) == keys[0]
    os.utime(first, ns=(2_000, 2_000))
    keys.append(evaluation_key(tmp_path))
    first.write_bytes(first.read_bytes()[:-2])
    os.utime(first, ns=(2_000, 2_000))
    keys.append(evaluation_key(tmp_path))
    first.rename(tmp_path / "b.wav")
    keys.append(evaluation_key(tmp_path))
    assert len(set(keys)) == 4
    assert evaluation_key(tmp_path / "b.wav") != evaluation_key(tmp_path)


def test_a_fingerprint_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    (print_of_beat,) = found_in(write(tmp_path / "a.wav", BEAT))
    path = tmp_path / "set.parquet"
    write_fingerprints(path, [print_of_beat])
    assert evaluation_key(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found_in(path) == [print_of_beat]
    with pytest.raises(SetupError, match="there is no"):
        evaluation_key(tmp_path / "nowhere")
