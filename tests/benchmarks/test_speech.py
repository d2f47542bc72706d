from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.speech import Candidate, candidates, make_clips, measure
from benchmarks.speech_own import Clock, Timed
from soundseam.annotators.speech import AnySpeech
from soundseam.annotators.speech.quality import SpeechQualityMeasures
from soundseam.pipeline.doctor import kind_of, members_of

ELSEWHERE = {"openai_audio", "audio_caption", "paralinguistics", "clap_agreement", "diarizen"} | {
    "speech_caption",
    "manifest_transcript",
}
"""Answered by servers (`benchmarks.chat`) or in another environment; and what is only read from rows."""
WEIGHTS = ("faster_whisper", "sherpa_onnx", "transformers_asr", "ctc_alignment", "pyannote_diarization")


def test_every_backend_that_runs_here_has_its_speed_measured() -> None:
    measured = {one.backend.kind for one in candidates(dict.fromkeys(WEIGHTS, "folder"), batch_size=4)}
    assert measured == {kind_of(member) for member in members_of(AnySpeech)} - ELSEWHERE


def test_clips_are_the_same_each_time() -> None:
    first, second = make_clips(2), make_clips(2)
    assert all(np.array_equal(one.samples, other.samples) for one, other in zip(first, second, strict=True))


def test_a_bare_call_and_the_backend_hear_the_same_clips() -> None:
    clips, heard = make_clips(3), []
    seconds = measure(Candidate(SpeechQualityMeasures(), lambda: lambda some: heard.append(len(some))), clips, 2, 1)
    assert heard == [1, 3]
    assert seconds.bare is not None
    assert seconds.extra > 0


def test_what_a_library_does_step_by_step_is_its_own_time() -> None:
    class Library:
        rate = 16_000

        def seg(self) -> Iterator[int]:
            yield sum(range(300_000))

    clock = Clock()
    timed = Timed(Library(), ["seg"], clock)
    assert timed.rate == 16_000
    assert clock.seconds == 0.0
    assert timed.seg() == [sum(range(300_000))]
    assert clock.seconds > 0.0
