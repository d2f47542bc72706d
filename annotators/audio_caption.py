"""A branch's caption by an audio-language model: `audio_caption`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar, Generic, Literal, Self, TypeVar

from pydantic import Field, model_validator

from soundseam.annotators.base import AnnotationError, Clip
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.questions import ChatClient, ContextT, Question, QuestionKind, Reply, Sampling
from soundseam.annotators.chat.served import ServedAnnotator, ServedBackend, flac_of, model_claim
from soundseam.annotators.grammar.engine import caption_text
from soundseam.annotators.prompts import AUDIO_CAPTION
from soundseam.annotators.wording.normalise import sentences_in, unquoted
from soundseam.annotators.wording.prose import (
    circle_in,
    find_jargon,
    is_in,
    length_of,
    markup_in,
    runs_in,
    talk_of_itself_in,
)
from soundseam.schemas.claim import CaptionCandidate, CaptionerOutput, Claim
from soundseam.schemas.event import Branch
from soundseam.schemas.general import GeneralFacts
from soundseam.schemas.music import MusicFacts
from soundseam.schemas.record import content_key
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import SpeechFacts
from soundseam.schemas.tables import annotation_table

PromptName = Literal["speech", "music", "general", "unified"]
PromptLanguage = Literal["en", "zh"]
_VERSIONED = re.compile(r"version: (\d+)\n\n(.+)", re.DOTALL)


@dataclass(frozen=True)
class Prompt:
    """One prompt. Its file begins with a line `version: N` and a blank line: raise N when you change the words.

    Version and words are in the revision of the backends that use it, so that rows say which prompt made them.
    """

    name: PromptName
    language: PromptLanguage
    version: int
    text: str

    @property
    def label(self) -> str:
        """As rows name it: speech.en.v1-0a1b2c3d."""
        return f"{self.name}.{self.language}.v{self.version}-{content_key(self.text)[:8]}"


@cache
def caption_prompt(name: PromptName, language: PromptLanguage) -> Prompt:
    found = _VERSIONED.fullmatch(AUDIO_CAPTION.text(name, language))
    if found is None:
        raise ValueError(f"{name}.{language}.txt does not begin with its version")
    return Prompt(name, language, int(found[1]), found[2])


LONGEST = {"en": 160, "zh": 300}
"""Words of English, characters of Chinese."""
_ECHO = {"en": 7, "zh": 12}
"""A run of this many units, English words or Chinese characters, that is also in the prompt counts as an echo of it."""


def problem_of(text: str, prompt: Prompt) -> str | None:
    """The reason code why `text` cannot be a caption; None if it can."""
    language, own = prompt.language, unquoted(text)
    wrong: dict[str, Callable[[], object]] = {
        "no_caption": lambda: not any(character.isalpha() for character in text),
        "too_long": lambda: length_of(text, language) > LONGEST[language],
        "wrong_language": lambda: not is_in(text, language),
        "not_prose": lambda: markup_in(text),
        "about_itself": lambda: talk_of_itself_in(own),
        "prompt_echo": lambda: _common_runs(text, prompt.text, language),
        "repetition": lambda: circle_in(text, language),
        "tool_jargon": lambda: any(find_jargon(own)),
    }
    return next((reason for reason, holds in wrong.items() if holds()), None)


def choose(texts: Sequence[str], language: str) -> int:
    """The position of the text that agrees most with the others, by shared word pairs; the first of equals.

    What most answers say is most likely true; an invention is mostly in only one of them.
    """
    pairs = [Counter(runs_in(text, language, 2)) for text in texts]

    def agreement(position: int) -> float:
        return sum(_overlap(pairs[position], other) for index, other in enumerate(pairs) if index != position)

    return max(range(len(texts)), key=agreement)


def _common_runs(text: str, other: str, language: str) -> set[tuple[str, ...]]:
    return set(runs_in(text, language, _ECHO[language])) & set(runs_in(other, language, _ECHO[language]))


def _overlap(one: Counter[tuple[str, ...]], other: Counter[tuple[str, ...]]) -> float:
    """F1 score of the common elements."""
    return 2 * (one & other).total() / max(1, one.total() + other.total())


MOSS_AUDIO = "OpenMOSS-Team/MOSS-Audio-4B-Instruct"
SHOWN_CHARACTERS = 300

FactsT = TypeVar("FactsT", SpeechFacts, MusicFacts, GeneralFacts)


class AudioCaptionBackend(ServedBackend[FactsT], Generic[FactsT]):
    """A branch's caption by an audio-language model."""

    server: Endpoint = Endpoint(model=MOSS_AUDIO)
    """The model's servers, and how to call them."""
    prompt: PromptName = "general"
    """What to describe: the branch's kind of sound, or everything (unified)."""
    language: PromptLanguage = "en"
    """Of the caption, and of the prompt."""
    sampling: Sampling = Sampling()
    """How answers are drawn."""
    candidates: int = Field(default=1, ge=1, le=16)
    """Answers per clip, with consecutive seeds starting at the sampling's; the one most similar to the others is
    used.
    """
    only_leading: bool = False
    """If true, only ask about segments that this branch leads: the prompt unified is needed only once per segment."""

    licence: ClassVar[str] = "Apache-2.0"

    @property
    def asks(self) -> tuple[QuestionKind, ...]:
        return (QuestionKind(has_audio=True),)

    @property
    def words(self) -> Prompt:
        return caption_prompt(self.prompt, self.language)

    @property
    def revision(self) -> str:
        return f"{self.server.revision}-{self.words.label}-{self.answers_revision}"

    @model_validator(mode="after")
    def _candidates_differ(self) -> Self:
        if self.candidates > 1 and self.sampling.temperature == 0.0:
            raise ValueError("candidates above 1 need sampling.temperature above 0: without it all answers are equal")
        return self


class AudioCaptioner(ServedAnnotator[FactsT], Generic[FactsT]):
    """The annotator of every `audio_caption`."""

    def __init__(self, backend: AudioCaptionBackend[FactsT], facts: type[FactsT]) -> None:
        super().__init__(backend.server)
        self._backend: AudioCaptionBackend[FactsT] = backend
        self._facts: type[FactsT] = facts
        self._prompt = backend.words

    def annotate_stream(
        self, clips: Iterable[tuple[ContextT, Clip]], client: ChatClient
    ) -> Iterator[tuple[ContextT, FactsT | AnnotationError]]:
        groups = (((context, clip.segment), self._questions(clip)) for context, clip in clips)
        for (context, segment), replies in client.ask(groups):
            yield context, self._read(segment, replies) if replies else self._facts()

    def _questions(self, clip: Clip) -> Sequence[Question]:
        """One question per candidate; none about a segment that another branch describes."""
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
            CaptionCandidate(text=one.text, thinking=one.thinking, problem=problem_of(one.text, self._prompt))
            for one in answers
        )
        fit = [position for position, candidate in enumerate(candidates) if candidate.problem is None]
        if not fit:
            shown = "; ".join(f"{one.problem}: {one.text[:SHOWN_CHARACTERS]!r}" for one in candidates[:3])
            return AnnotationError(candidates[0].problem or "", shown)
        chosen = fit[choose([candidates[position].text for position in fit], self._prompt.language)]
        claims = tuple(self._claims(segment, chosen, candidates[chosen].text))
        output = CaptionerOutput(
            prompt=self._prompt.label, language=self._prompt.language, chosen=chosen, candidates=candidates
        )
        facts: FactsT = self._facts(caption=caption_text(claims), caption_claims=claims, told=output)
        return facts

    def _claims(self, segment: Segment, chosen: int, text: str) -> Iterator[Claim]:
        """One claim per sentence, whose only evidence is the answer itself: it can only be verified by listening."""
        table, field = annotation_table(self._backend.branch), f"told.candidates.{chosen}.text"
        for sentence in sentences_in(text):
            yield model_claim(sentence, table, segment, self._backend.backend, field, text)


class SpeechAudioCaption(AudioCaptionBackend[SpeechFacts]):
    """How people speak, by an audio-language model: each sentence is a claim that can only be checked by listening."""

    kind: Literal["audio_caption"] = "audio_caption"
    prompt: PromptName = "speech"
    """What to describe: the branch's kind of sound, or everything (unified)."""

    branch: ClassVar[Branch] = Branch.SPEECH

    def load(self) -> ServedAnnotator[SpeechFacts]:
        self.check_available()
        return AudioCaptioner(self, SpeechFacts)


class MusicAudioCaption(AudioCaptionBackend[MusicFacts]):
    """The music, by an audio-language model: each sentence is a claim that can only be checked by listening."""

    kind: Literal["audio_caption"] = "audio_caption"
    prompt: PromptName = "music"
    """What to describe: the branch's kind of sound, or everything (unified)."""

    branch: ClassVar[Branch] = Branch.MUSIC

    def load(self) -> ServedAnnotator[MusicFacts]:
        self.check_available()
        return AudioCaptioner(self, MusicFacts)


class GeneralAudioCaption(AudioCaptionBackend[GeneralFacts]):
    """The sounds, by an audio-language model: each sentence is a claim that can only be checked by listening."""

    kind: Literal["audio_caption"] = "audio_caption"
    prompt: PromptName = "general"
    """What to describe: the branch's kind of sound, or everything (unified)."""

    branch: ClassVar[Branch] = Branch.GENERAL

    def load(self) -> ServedAnnotator[GeneralFacts]:
        self.check_available()
        return AudioCaptioner(self, GeneralFacts)
