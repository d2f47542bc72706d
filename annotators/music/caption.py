"""The music branch's own caption: `music_caption`."""

from __future__ import annotations

from typing import ClassVar, Literal

from annotators.base import Annotator
from annotators.grammar.composer import GrammarBackend, GrammarComposer
from annotators.grammar.scene import EXTENT, STREAM, STREAMS
from annotators.music.rules import CHARACTER, DETAILS, DOUBTFUL, OPENING
from schemas.event import Branch
from schemas.music import MusicFacts

PLAN = (OPENING, DOUBTFUL, STREAM, STREAMS, CHARACTER, EXTENT, *DETAILS)


class MusicCaption(GrammarBackend[MusicFacts]):
    """What is heard of music, in sentences that rest on the branch's rows and the segment's."""

    kind: Literal["music_caption"] = "music_caption"

    branch: ClassVar[Branch] = Branch.MUSIC

    def load(self) -> Annotator[MusicFacts]:
        return GrammarComposer(MusicFacts, PLAN, self.sentences)
