"""Captions by an audio-language model behind a server, the same for all three branches: `audio_caption`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import ClassVar, Generic, Self, TypeVar

from pydantic import Field, model_validator

from annotators.base import AnnotationError, Clip
from annotators.captioning.candidates import choose, problem_of
from annotators.captioning.prompts import Prompt, PromptLanguage, PromptName, caption_prompt
from annotators.chat.endpoint import Endpoint
from annotators.chat.questions import Asker, Question, Reply, Sampling
from annotators.chat.served import ServedAnnotator, ServedBackend, ask_about, flac_of
from annotators.chat.streams import told_claim
from annotators.grammar.engine import caption_text
from annotators.wording.sentences import sentences_in
from schemas.claim import Claim
from schemas.general import GeneralFacts
from schemas.music import MusicFacts
from schemas.segment import Segment
from schemas.speech import SpeechFacts
from schemas.tables import annotation_table
from schemas.told import Told, ToldCandidate

MOSS_AUDIO = "OpenMOSS-Team/MOSS-Audio-4B-Instruct"
SHOWN_CHARACTERS = 300

FactsT = TypeVar("FactsT", SpeechFacts, MusicFacts, GeneralFacts)


class AudioCaptionBackend(ServedBackend[FactsT], Generic[FactsT]):
    """A caption of a branch in the words of a model that hears the audio."""

    server: Endpoint = Endpoint(model=MOSS_AUDIO)
    """Where the model is, and how it is asked."""
    prompt: PromptName = "general"
    """What it is asked to describe: its branch's kind of sound, or all that is heard (unified)."""
    language: PromptLanguage = "en"
    """Of the caption, and of the prompt."""
    sampling: Sampling = Sampling()
    """How answers are drawn."""
    candidates: int = Field(default=1, ge=1, le=16)
    """Answers to one clip, with seeds that count up from the sampling's; the caption is the one most like the rest."""
    only_leading: bool = False
    """True asks only about segments that this branch leads: for the prompt unified, once a segment is enough."""

    licence: ClassVar[str] = "Apache-2.0"

    @property
    def words(self) -> Prompt:
        return caption_prompt(self.prompt, self.language)

    @property
    def revision(self) -> str:
        return f"{self.server.revision}-{self.words.label}-{self.answers_revision}"

    @model_validator(mode="after")
    def _candidates_differ(self) -> Self:
        if self.candidates > 1 and self.sampling.temperature == 0.0:
            raise ValueError("candidates above 1 need sampling.temperature above 0: without it all answers are one")
        return self


class AudioCaptioner(ServedAnnotator[FactsT], Generic[FactsT]):
    """The annotator of every `audio_caption`."""

    def __init__(self, backend: AudioCaptionBackend[FactsT], facts: type[FactsT]) -> None:
        super().__init__(backend.server)
        self._backend: AudioCaptionBackend[FactsT] = backend
        self._facts: type[FactsT] = facts
        self._prompt = backend.words

    def annotate_stream(self, clips: Iterable[Clip], asker: Asker) -> Iterator[FactsT | AnnotationError]:
        for segment, replies in ask_about(clips, asker, self._questions):
            yield self._read(segment, replies) if replies else self._facts()

    def _questions(self, clip: Clip) -> Sequence[Question]:
        """One a candidate; none about a segment that is another branch's to describe."""
        if self._backend.only_leading and clip.segment.branches[0] is not self._backend.branch:
            return []
        sampling = self._backend.sampling
        question = Question(self._prompt.text, (flac_of(clip),), about=clip.segment.recording_id)
        return [
            replace(question, sampling=sampling.model_copy(update={"seed": sampling.seed + number}))
            for number in range(self._backend.candidates)
        ]

    def _read(self, segment: Segment, replies: Sequence[Reply]) -> FactsT | AnnotationError:
        answers = [reply for reply in replies if not isinstance(reply, AnnotationError)]
        if not answers:
            return next(reply for reply in replies if isinstance(reply, AnnotationError))
        candidates = tuple(
            ToldCandidate(text=one.text, thinking=one.thinking, problem=problem_of(one.text, self._prompt))
            for one in answers
        )
        fit = [position for position, candidate in enumerate(candidates) if candidate.problem is None]
        if not fit:
            shown = "; ".join(f"{one.problem}: {one.text[:SHOWN_CHARACTERS]!r}" for one in candidates[:3])
            return AnnotationError(candidates[0].problem or "", shown)
        chosen = fit[choose([candidates[position].text for position in fit], self._prompt.language)]
        claims = tuple(self._claims(segment, chosen, candidates[chosen].text))
        told = Told(prompt=self._prompt.label, language=self._prompt.language, chosen=chosen, candidates=candidates)
        facts: FactsT = self._facts(caption=caption_text(claims), caption_claims=claims, told=told)
        return facts

    def _claims(self, segment: Segment, chosen: int, text: str) -> Iterator[Claim]:
        """Every sentence, resting on nothing but the answer that it stands in: who verifies it must listen."""
        table, field = annotation_table(self._backend.branch), f"told.candidates.{chosen}.text"
        for sentence in sentences_in(text):
            yield told_claim(sentence, table, segment, self._backend.backend, field, text)
