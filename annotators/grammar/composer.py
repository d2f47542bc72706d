"""What the three branches' caption backends have in common: a plan of rules and a limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from pydantic import Field

from annotators.base import Backend, Clip
from annotators.grammar.engine import GRAMMAR, GRAMMAR_REVISION, Rows, Rule, caption_text, compose
from annotators.grammar.sounds import PLAIN_SOUNDS
from schemas.general import GeneralFacts
from schemas.music import MusicFacts
from schemas.speech import SpeechFacts

FactsT = TypeVar("FactsT", SpeechFacts, MusicFacts, GeneralFacts)


class GrammarComposer(Generic[FactsT]):
    """An annotator: up to `sentences` sentences by the rules of `plan`, in their order.

    A branch that was not sure of its own kind of sound still says that there is a sound.
    """

    def __init__(self, facts: type[FactsT], plan: Sequence[Rule], sentences: int) -> None:
        self._facts: type[FactsT] = facts
        self._plan = plan
        self._sentences = sentences

    def annotate(self, clips: Sequence[Clip]) -> Sequence[FactsT]:
        return [self._compose(clip) for clip in clips]

    def _compose(self, clip: Clip) -> FactsT:
        rows = Rows(clip.segment, clip.annotations)
        claims = compose(self._plan, rows, self._sentences) or compose((PLAIN_SOUNDS,), rows, 1)
        facts: FactsT = self._facts(caption=caption_text(claims) or None, caption_claims=claims)
        return facts


class GrammarBackend(Backend[FactsT], Generic[FactsT]):
    """Composes its branch's caption from the rows of the backends listed before it."""

    sentences: int = Field(default=4, ge=1, le=8, description="most sentences of a caption")

    sample_rate_hz: ClassVar[int | None] = None
    reads_annotations: ClassVar[bool] = True
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return GRAMMAR

    @property
    def revision(self) -> str:
        return GRAMMAR_REVISION
