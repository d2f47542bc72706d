"""How near each caption lies to the sound it describes: `clap_agreement`, in every branch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, Literal, TypeVar

from annotators.base import Annotator, Backend, Clip
from annotators.clap import CLAP_RATE_HZ, AudioTextModel, ClapWeights, text_audio_similarity
from schemas.claim import CaptionSimilarity
from schemas.event import Branch
from schemas.general import GeneralFacts
from schemas.music import MusicFacts
from schemas.speech import SpeechFacts

FactsT = TypeVar("FactsT", SpeechFacts, MusicFacts, GeneralFacts)


class ClapAgreement(ClapWeights, Backend[FactsT], Generic[FactsT]):
    """Ranks the captions that stand in the rows before it by how near they lie to the sound."""

    kind: Literal["clap_agreement"] = "clap_agreement"

    sample_rate_hz: ClassVar[int | None] = CLAP_RATE_HZ
    reads_annotations: ClassVar[bool] = True
    facts: ClassVar[type[SpeechFacts] | type[MusicFacts] | type[GeneralFacts]]

    def load(self) -> Annotator[FactsT]:
        self.check_available()
        return ClapRanker(self.open_clap(), self.facts)  # type: ignore[arg-type]


class SpeechClapAgreement(ClapAgreement[SpeechFacts]):
    """Ranks the captions that stand in the rows before it by how near they lie to the sound."""

    branch: ClassVar[Branch] = Branch.SPEECH
    facts = SpeechFacts


class MusicClapAgreement(ClapAgreement[MusicFacts]):
    """Ranks the captions that stand in the rows before it by how near they lie to the sound."""

    branch: ClassVar[Branch] = Branch.MUSIC
    facts = MusicFacts


class GeneralClapAgreement(ClapAgreement[GeneralFacts]):
    """Ranks the captions that stand in the rows before it by how near they lie to the sound."""

    branch: ClassVar[Branch] = Branch.GENERAL
    facts = GeneralFacts


class ClapRanker(Generic[FactsT]):
    """The annotator of `ClapAgreement`."""

    def __init__(self, model: AudioTextModel, facts: type[FactsT]) -> None:
        self._model = model
        self._facts: type[FactsT] = facts

    def annotate(self, clips: Sequence[Clip]) -> Sequence[FactsT]:
        return [self._rank(clip) for clip in clips]

    def _rank(self, clip: Clip) -> FactsT:
        captions = [(row.backend, row.caption) for row in clip.annotations if row.caption]
        similarities = text_audio_similarity(self._model, clip.samples, [text for _, text in captions])
        found = (
            CaptionSimilarity(backend=backend, similarity=round(float(similarity), 4))
            for (backend, _), similarity in zip(captions, similarities, strict=True)
        )
        ranked = tuple(sorted(found, key=lambda one: -one.similarity))
        facts: FactsT = self._facts(clap_similarity=ranked)
        return facts
