"""The general branch's own caption: `general_caption`."""

from __future__ import annotations

from typing import ClassVar, Literal

from annotators.base import Annotator
from annotators.general.rules import DETAILS
from annotators.grammar.composer import GrammarBackend, GrammarComposer
from annotators.grammar.scene import EXTENT, STREAM, STREAMS
from annotators.grammar.sounds import OPENING, PLAIN_SOUNDS, SOUNDS
from schemas.event import Branch
from schemas.general import GeneralFacts

PLAN = (STREAMS, OPENING, STREAM, SOUNDS, PLAIN_SOUNDS, EXTENT, *DETAILS)


class GeneralCaption(GrammarBackend[GeneralFacts]):
    """What is heard, event by event and as a whole, in sentences that rest on the branch's rows and the segment's."""

    kind: Literal["general_caption"] = "general_caption"

    branch: ClassVar[Branch] = Branch.GENERAL

    def load(self) -> Annotator[GeneralFacts]:
        return GrammarComposer(GeneralFacts, PLAN, self.sentences)
