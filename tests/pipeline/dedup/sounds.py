"""Sounds to compare, made by arithmetic, and corpora of them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks.near_duplicates import synthesise
from soundseam.annotators.base import Samples
from soundseam.pipeline.storage.commits import Commit, new_commit, prepare_output, shard_of
from soundseam.pipeline.work import SEGMENTS_STAGE
from soundseam.schemas.tables import Table
from tests.pipeline.sft.builders import a_recording
from tests.support.builders import a_segment, recording_id_of, with_audio

RATE_HZ = 16_000
MELODY, BEAT, NOISE, OTHER_MELODY, OTHER_BEAT, OTHER_NOISE = (clip.samples for clip in synthesise(2))
"""Eight seconds each; a sound and its other are made of the same notes, drums, colour."""
SILENCE = np.zeros(3 * RATE_HZ, np.float32)


def pcm_of(samples: Samples) -> NDArray[np.int16]:
    return np.round(samples.clip(-1, 1) * 32767).astype(np.int16)


def flac(samples: Samples) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, pcm_of(samples), RATE_HZ, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def commit_sounds(output: Path | str, recordings: Mapping[str, Sequence[Samples]]) -> None:
    """Commits recordings, each by itself, whose segments are these sounds one after another."""
    shards = prepare_output(str(output))
    for name, sounds in recordings.items():
        recording_id = recording_id_of(name)
        commit = Commit(
            stage=SEGMENTS_STAGE, shard=shard_of(recording_id, shards), covers=((recording_id, "1"),), files=()
        )
        with new_commit(str(output), commit) as writer:
            start_ms = 0
            for samples in sounds:
                end_ms = start_ms + len(samples) * 1000 // RATE_HZ
                segment = a_segment(name, start_ms, end_ms)
                writer.append(Table.SEGMENTS, with_audio(segment, flac(samples)))
                start_ms = end_ms
            row = a_recording(name).model_copy(update={"segment_count": len(sounds), "duration_ms": start_ms})
            writer.append(Table.RECORDINGS, row)


def segment_of(name: str, number: int = 0, length_ms: int = 8000) -> str:
    """The id of a recording's segment of that number, where all are of one length."""
    return a_segment(name, number * length_ms, (number + 1) * length_ms).segment_id
