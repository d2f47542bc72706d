"""Chat messages with audio inside."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np

from tests.pipeline.export.exports import audio_in, decode, export, lines_of, samples_in


def test_a_user_turn_holds_the_audio_and_then_the_question(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path, "openai")
    lines: list[Any] = [line for path in sorted((tmp_path / "data").iterdir()) for line in lines_of(path)]
    wanted = {(sample.question, sample.segment_ids) for sample in samples_in(corpus).values()}
    audio = {samples.tobytes(): segment_id for segment_id, samples in audio_in(corpus).items()}
    found = set()
    for line in lines:
        user, assistant = line["messages"]
        *clips, question = user["content"]
        assert (user["role"], assistant["role"]) == ("user", "assistant")
        assert all(clip["type"] == "input_audio" and clip["input_audio"]["format"] == "wav" for clip in clips)
        heard = [decode(base64.b64decode(clip["input_audio"]["data"])) for clip in clips]
        assert all(samples.dtype == np.int16 for samples in heard)
        found.add((question["text"], tuple(audio[samples.tobytes()] for samples in heard)))
    assert found == wanted
    assert len(lines) == len(samples_in(corpus))
