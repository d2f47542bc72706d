"""A judge of descriptions: five criteria, and a rejection if they are not met: `judge`."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.annotators.base import AnnotationError, Clip
from soundseam.annotators.chat.questions import QuestionKind, Sampling
from soundseam.annotators.chat.served import (
    CheckedQuestion,
    Parsed,
    RecordAnnotator,
    ServedAnnotator,
    ServedBackend,
    flac_of,
    model_claim,
)
from soundseam.annotators.general.scene import Scene, scene_of
from soundseam.annotators.prompts import SERVED
from soundseam.schemas.annotation import GeneralAnnotation
from soundseam.schemas.event import Branch
from soundseam.schemas.general import Criterion, GeneralFacts, Judgement, Mark, SceneDescription
from soundseam.schemas.record import Record
from soundseam.schemas.tables import Table

SHOWN_CHARACTERS = 600


class Verdict(Record):
    """A score and why."""

    score: int = Field(ge=1, le=5)
    reason: str = Field(min_length=1, max_length=300)


class Verdicts(Record):
    """What a model answers: a verdict on each criterion."""

    complete: Verdict
    faithful: Verdict
    ordered: Verdict
    specific: Verdict
    clear: Verdict


class Judge(ServedBackend[GeneralFacts]):
    """Rates a description on five criteria. If accepted, it becomes the branch's caption; otherwise it is rejected."""

    kind: Literal["judge"] = "judge"
    listens: bool = True
    """False for a text-only model, which judges by the events."""
    min_mean: float = Field(alias="least_mean", default=3.5, ge=1.0, le=5.0)
    """Minimum mean of the five scores; a description below it is rejected."""
    min_faithful: int = Field(alias="least_faithful", default=3, ge=1, le=5)
    """Minimum score for faithful, whatever the other scores."""
    sampling: Sampling = Sampling(max_tokens=1_024)
    """How answers are drawn."""

    branch: ClassVar[Branch] = Branch.GENERAL
    reads_annotations: ClassVar[bool] = True
    prompts: ClassVar[tuple[str, ...]] = ("judge_system",)

    @property
    def asks(self) -> tuple[QuestionKind, ...]:
        return (QuestionKind(has_audio=self.listens, answer="schema"),)

    def load(self) -> ServedAnnotator[GeneralFacts]:
        self.check_available()
        return SceneJudge(self)


@dataclass(frozen=True)
class Case:
    """A description, its backend, and its scene."""

    scene: Scene
    backend: str
    description: SceneDescription


class SceneJudge(RecordAnnotator[GeneralFacts, Case, Verdicts]):
    """The annotator of `Judge`."""

    def __init__(self, backend: Judge) -> None:
        super().__init__(backend.server, Verdicts)
        self._backend = backend

    def prepare(self, clip: Clip) -> Case | GeneralFacts | AnnotationError:
        return case_of(clip)

    def question(self, clip: Clip, case: Case) -> CheckedQuestion:
        return CheckedQuestion(
            text=(
                f"The events:\n{case.scene.as_evidence()}\n\nThe description, between the lines:\n-----\n"
                f"{case.description.text}\n-----\n\nJudge the description."
            ),
            audio=(flac_of(clip),) if self._backend.listens else (),
            system=SERVED.text("judge_system"),
            sampling=self._backend.sampling,
            about=clip.segment.recording_id,
        )

    def facts(self, parsed: Parsed[Verdicts], case: Case) -> GeneralFacts | AnnotationError:
        verdicts = {criterion: getattr(parsed.record, criterion) for criterion in Criterion}
        mean = fmean(verdict.score for verdict in verdicts.values())
        if mean < self._backend.min_mean or parsed.record.faithful.score < self._backend.min_faithful:
            marks = "; ".join(f"{name} {verdict.score}: {verdict.reason}" for name, verdict in verdicts.items())
            return AnnotationError("below_threshold", f"{marks}; of {case.description.text!r}"[:SHOWN_CHARACTERS])
        marks_of = tuple(
            Mark(criterion=criterion, score=verdict.score, reason=verdict.reason)
            for criterion, verdict in verdicts.items()
        )
        text, segment = case.description.text, case.scene.segment
        claim = model_claim(text, Table.GENERAL, segment, case.backend, "description.text")
        return GeneralFacts(
            judgement=Judgement(described_by=case.backend, marks=marks_of, mean=round(mean, 2)),
            caption=text,
            caption_claims=(claim,),
        )


def case_of(clip: Clip) -> Case | GeneralFacts | AnnotationError:
    """The description to judge; empty facts if there is none."""
    scene = scene_of(clip)
    for row in clip.annotations:
        if isinstance(row, GeneralAnnotation) and row.description is not None:
            return scene if isinstance(scene, AnnotationError) else Case(scene, row.backend, row.description)
    return GeneralFacts()
