"""Lyrics by any recogniser of the speech branch: `lyrics`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.annotators.base import Annotator, Backend, Clip
from soundseam.annotators.speech.faster_whisper import FasterWhisper
from soundseam.annotators.speech.recognisers import AnyRecogniser
from soundseam.schemas.event import Branch, EventClass
from soundseam.schemas.music import Lyrics, MusicFacts
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import SpeechFacts


class LyricsTranscript(Backend[MusicFacts]):
    """Words of singing, with times if the recogniser gives them; nothing if nobody sings."""

    kind: Literal["lyrics"] = "lyrics"
    recogniser: AnyRecogniser = Field(
        default=FasterWhisper(), description="a backend of branches.speech that gives transcripts"
    )
    min_singing_share: float = Field(
        alias="least_singing_share",
        default=0.1,
        ge=0.0,
        le=1.0,
        description="minimum share of singing in the segment's profile; with less, the recogniser is not run",
    )

    branch: ClassVar[Branch] = Branch.MUSIC
    reads_language: ClassVar[bool] = True
    licence: ClassVar[str] = "LicenseRef-of-the-recogniser"

    @property
    def model(self) -> str:
        return self.recogniser.model

    @property
    def revision(self) -> str:
        return f"{self.recogniser.revision}-lyrics-1"

    @property
    def repository(self) -> str | None:
        return self.recogniser.repository

    @property
    def weights_terms(self) -> str:
        return self.recogniser.weights_terms

    def check_available(self) -> None:
        super().check_available()
        self.recogniser.check_available()

    def load(self) -> Annotator[MusicFacts]:
        self.check_available()
        return LyricsListener(self.recogniser.load(), self)


class LyricsListener:
    """The annotator of `LyricsTranscript`."""

    def __init__(self, recogniser: Annotator[SpeechFacts], backend: LyricsTranscript) -> None:
        self._recogniser = recogniser
        self._backend = backend

    def annotate(self, clips: Sequence[Clip]) -> Sequence[MusicFacts]:
        sung = [index for index, clip in enumerate(clips) if self._is_sung(clip.segment)]
        transcribed = self._recogniser.annotate([as_if_spoken(clips[index]) for index in sung])
        lyrics = dict(zip(sung, map(self._lyrics, transcribed), strict=True))
        return [MusicFacts(lyrics=lyrics.get(index)) for index in range(len(clips))]

    def _is_sung(self, segment: Segment) -> bool:
        share = sum(entry.share for entry in segment.profile if entry.event_class is EventClass.SINGING)
        return share >= self._backend.min_singing_share

    def _lyrics(self, facts: SpeechFacts) -> Lyrics | None:
        transcript = facts.transcript
        if transcript is None or not transcript.text.strip():
            return None
        return Lyrics(
            text=transcript.text,
            words=transcript.words,
            language=transcript.language,
            confidence=transcript.confidence,
            recogniser=self._backend.model,
            usable_for_training=transcript.usable_for_training,
            flags=transcript.flags,
        )


def as_if_spoken(clip: Clip) -> Clip:
    """`clip` with its singing labelled as speech: some recognisers only process speech events."""
    events = tuple(
        event.model_copy(update={"event_class": EventClass.SPEECH})
        if event.event_class is EventClass.SINGING
        else event
        for event in clip.segment.events
    )
    return replace(clip, segment=clip.segment.model_copy(update={"events": events}))
