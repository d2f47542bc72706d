"""The speech branch's own caption: `speech_caption`."""

from __future__ import annotations

from typing import ClassVar, Literal

from annotators.base import Annotator
from annotators.grammar.composer import GrammarBackend, GrammarComposer
from annotators.grammar.scene import EXTENT, STREAM, STREAMS
from annotators.speech.rules import DETAILS, MANNER, OPENING
from schemas.event import Branch
from schemas.speech import SpeechFacts

PLAN = (OPENING, STREAM, STREAMS, MANNER, EXTENT, *DETAILS)


class SpeechCaption(GrammarBackend[SpeechFacts]):
    """What is heard of speech, in sentences that rest on the branch's rows and the segment's."""

    kind: Literal["speech_caption"] = "speech_caption"

    branch: ClassVar[Branch] = Branch.SPEECH

    def load(self) -> Annotator[SpeechFacts]:
        return GrammarComposer(SpeechFacts, PLAN, self.sentences)
