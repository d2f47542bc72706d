"""Transcripts by any server with OpenAI's audio interfaces, such as vLLM with Qwen3-ASR or MOSS-Audio:
`openai_audio`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.annotators.base import AnnotationError, Clip
from soundseam.annotators.chat.questions import (
    TRANSCRIPTION,
    Answer,
    ChatClient,
    ContextT,
    Question,
    QuestionKind,
    Reply,
    Sampling,
    TimedWord,
)
from soundseam.annotators.chat.served import ServedAnnotator, ServedBackend, flac_of, with_thinking
from soundseam.annotators.speech.alignment import in_order
from soundseam.annotators.speech.transcripts import single_transcript
from soundseam.annotators.wording.normalise import primary_language
from soundseam.schemas.event import Branch
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import SpeechFacts, Transcript, Word


class OpenaiAudio(ServedBackend[SpeechFacts]):
    """Transcripts by a server's /audio/transcriptions, or by its /chat/completions with the audio in the message."""

    kind: Literal["openai_audio"] = "openai_audio"
    interface: Literal["transcriptions", "chat"] = "transcriptions"
    """chat is for audio-language models without a transcriptions interface."""
    prompt: str = "Transcribe the speech in this audio word for word. Answer only with the transcript."
    """For the chat interface; it comes after the audio, so that the server's prefix cache can hold the audio."""
    max_characters: int = Field(alias="most_characters", default=4_000, ge=100)
    """A longer answer for 30 s of audio is not a transcript; the clip is rejected with the beginning of the answer."""
    trust_single_system: bool = False
    """If true, its transcripts are usable for training without the agreement of a second system."""

    branch: ClassVar[Branch] = Branch.SPEECH
    reads_language: ClassVar[bool] = True
    licence: ClassVar[str] = "Apache-2.0"
    answers_revision: ClassVar[str] = "5"

    @property
    def asks(self) -> tuple[QuestionKind, ...]:
        return (QuestionKind(has_audio=True) if self.interface == "chat" else TRANSCRIPTION,)

    def load(self) -> ServedAnnotator[SpeechFacts]:
        self.check_available()
        return OpenaiAudioAnnotator(self)


class OpenaiAudioAnnotator(ServedAnnotator[SpeechFacts]):
    """The annotator of `OpenaiAudio`."""

    def __init__(self, backend: OpenaiAudio) -> None:
        super().__init__(backend.server)
        self._backend = backend

    def annotate_stream(
        self, clips: Iterable[tuple[ContextT, Clip]], client: ChatClient
    ) -> Iterator[tuple[ContextT, SpeechFacts | AnnotationError]]:
        groups = (((context, clip.segment), [self._question(clip)]) for context, clip in clips)
        for (context, segment), (reply,) in client.ask(groups):
            yield context, self._facts(reply, segment)

    def _question(self, clip: Clip) -> Question:
        about, flac = clip.segment.recording_id, flac_of(clip)
        if self._backend.interface == "chat":
            return Question(self._backend.prompt, (flac,), sampling=Sampling(max_tokens=1_024), about=about)
        language = primary_language(clip.segment.language) or ""
        return Question("", (flac,), interface="transcriptions", language=language, about=about)

    def _facts(self, reply: Reply, segment: Segment) -> SpeechFacts | AnnotationError:
        if isinstance(reply, AnnotationError):
            return reply
        recognised = Transcript(
            text=reply.text,
            words=_words(reply, segment),
            language=reply.language or segment.language,
            confidence=None,
            agreement=None,
            usable_for_training=False,
            flags=(),
        )
        try:
            transcript = single_transcript(recognised, self._backend.trust_single_system, self._backend.max_characters)
        except AnnotationError as error:
            return error
        return with_thinking(SpeechFacts(transcript=transcript), [reply])


def _words(answer: Answer, segment: Segment) -> tuple[Word, ...]:
    """Words in the recording's time; empty if the server gives no times."""
    return in_order([_word(word, segment) for word in answer.words], segment)


def _word(word: TimedWord, segment: Segment) -> Word:
    start_ms, end_ms = (segment.start_ms + round(1000 * seconds) for seconds in (word.start_s, word.end_s))
    return Word(text=word.text, start_ms=start_ms, end_ms=end_ms, confidence=None)
