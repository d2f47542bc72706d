from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from soundseam.annotators.base import BackendUnavailableError, Clip
from soundseam.annotators.music.lyrics import LyricsListener, LyricsTranscript
from soundseam.annotators.speech.pocketsphinx import Pocketsphinx
from soundseam.annotators.speech.transformers_asr import TransformersAsr
from soundseam.schemas.event import Branch, EventClass, ProfileEntry
from soundseam.schemas.speech import SpeechFacts, Transcript, Word
from tests.support.builders import a_segment, an_event

BACKEND = LyricsTranscript(recogniser=Pocketsphinx())


def a_song(recording: str, singing_share: float) -> Clip:
    segment = a_segment(
        recording,
        0,
        4_000,
        (an_event(EventClass.SINGING, 500, 3_500), an_event(EventClass.MUSIC, 0, 4_000)),
        branches=(Branch.MUSIC,),
        profile=(ProfileEntry(event_class=EventClass.SINGING, share=singing_share, strength=0.9),),
    )
    return Clip(segment, np.zeros(64_000, np.float32), 16_000)


class Recogniser:
    """Hears the name of the recording, where it is told that somebody speaks there."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def annotate(self, clips: Sequence[Clip]) -> Sequence[SpeechFacts]:
        self.heard += [clip.segment.source_uri for clip in clips]
        return [SpeechFacts(transcript=self._transcript(clip)) for clip in clips]

    def _transcript(self, clip: Clip) -> Transcript:
        spoken = [event for event in clip.segment.events if event.event_class is EventClass.SPEECH]
        text = clip.segment.source_uri.removesuffix(".wav") if spoken else ""
        return Transcript(
            text=text,
            words=tuple(
                Word(text=text, start_ms=event.onset_ms, end_ms=event.offset_ms, confidence=0.5) for event in spoken
            ),
            language="en",
            confidence=0.5,
            agreement=None,
            usable_for_training=False,
            flags=("single_system",),
        )


def test_singing_is_heard_as_a_recogniser_hears_speech_and_kept_as_lyrics() -> None:
    (facts,) = LyricsListener(Recogniser(), BACKEND).annotate([a_song("hallelujah", 0.5)])
    assert facts.lyrics is not None
    assert facts.lyrics.text == "hallelujah"
    assert (facts.lyrics.words[0].start_ms, facts.lyrics.words[0].end_ms) == (500, 3_500)
    assert facts.lyrics.recogniser == "pocketsphinx-en-us"
    assert facts.lyrics.flags == ("single_system",)


def test_nobody_listens_for_words_where_nobody_sings() -> None:
    recogniser = Recogniser()
    answers = LyricsListener(recogniser, BACKEND).annotate([a_song("a", 0.05), a_song("b", 0.6), a_song("c", 0.0)])
    assert recogniser.heard == ["b.wav"]
    assert [None if facts.lyrics is None else facts.lyrics.text for facts in answers] == [None, "b", None]


def test_no_words_are_no_lyrics() -> None:
    clip = a_song("a", 0.5)
    wordless = replace(clip, segment=clip.segment.model_copy(update={"events": ()}))
    assert LyricsListener(Recogniser(), BACKEND).annotate([wordless])[0].lyrics is None


def test_a_recogniser_that_cannot_load_is_named_with_its_own_remedy() -> None:
    backend = LyricsTranscript(recogniser=TransformersAsr(weights="facebook/mms-1b-all"))
    with pytest.raises(BackendUnavailableError, match="allow_non_commercial"):
        backend.load()


def test_another_recogniser_makes_other_rows() -> None:
    trusting = LyricsTranscript(recogniser=Pocketsphinx(trust_single_system=True))
    assert trusting.config_key != BACKEND.config_key
    optional = LyricsTranscript(recogniser=Pocketsphinx(optional=True))
    assert optional.config_key == BACKEND.config_key
