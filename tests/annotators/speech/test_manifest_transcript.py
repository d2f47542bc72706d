"""A manifest's text is the transcript of the segment that holds its whole line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from soundseam.annotators.base import Clip
from soundseam.annotators.speech.manifest_transcript import ManifestTranscript
from soundseam.schemas.event import EventClass
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import Transcript
from tests.support.builders import a_segment, an_event

LINE = a_segment("a", 0, 4_000, (an_event(EventClass.SPEECH, 0, 3_800),), language="en")


def stating(text: object, segment: Segment = LINE, **changes: object) -> Segment:
    edge = segment.start_boundary.model_copy(update={"reason": "recording_edge"})
    whole = {"start_boundary": edge, "end_boundary": edge, "metadata": json.dumps({"text": text, "note": "n"})}
    return segment.model_copy(update={**whole, **changes})


def transcript_of(segment: Segment) -> Transcript | None:
    clip = Clip(segment, np.zeros(0, np.float32), 16_000)
    return ManifestTranscript().load().annotate([clip])[0].transcript


def test_the_text_of_a_whole_line_is_trusted() -> None:
    found = transcript_of(stating("Good  morning,\nall of you."))
    assert found is not None
    assert (found.text, found.language, found.words) == ("Good morning, all of you.", "en", ())
    assert found.usable_for_training
    assert not found.flags


@pytest.mark.parametrize("side", ["start_boundary", "end_boundary"])
def test_the_text_of_a_line_in_several_segments_belongs_to_none(side: str) -> None:
    cut = LINE.start_boundary.model_copy(update={"reason": "gap"})
    assert transcript_of(stating("Good morning.", **{side: cut})) is None


@pytest.mark.parametrize("metadata", [None, "{}", '{"text": ""}', '{"text": 12}', '{"text": null}'])
def test_without_a_text_there_is_no_transcript(metadata: str | None) -> None:
    assert transcript_of(stating("x", metadata=metadata)) is None


@pytest.mark.parametrize(("text", "flag"), [("Yes.", "too_little_text"), ("so many words " * 20, "impossible_rate")])
def test_a_text_that_cannot_be_of_this_speech_is_not_trusted(text: str, flag: str) -> None:
    found = transcript_of(stating(text))
    assert found is not None
    assert flag in found.flags
    assert not found.usable_for_training
