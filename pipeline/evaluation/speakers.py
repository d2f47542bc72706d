"""Evaluates diarization on a folder of labelled conversations.

The folder has audio files and `ami.jsonl`, one line per conversation: `file`, and `turns` with `onset`, `offset` (s)
and `speaker`. No collar, overlaps counted: the strictest form of the diarization error rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from pydantic import Field

from soundseam.annotators.base import Backend
from soundseam.annotators.detection.base import DetectionBackend
from soundseam.pipeline.evaluation.labelled import Conversation, loadable
from soundseam.pipeline.evaluation.loop import (
    Annotating,
    Detecting,
    Finding,
    Labelled,
    Scorer,
    Scores,
    Timing,
    evaluate,
    mean_of,
    read_labelled,
)
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.event import Branch, EventClass
from soundseam.schemas.record import Record
from soundseam.schemas.speech import SpeechFacts
from soundseam.schemas.timespan import TimeSpan

if TYPE_CHECKING:
    from pyannote.core import Annotation

ONE_SPEAKER = "one speaker"
"""The baseline without diarization: all speech has the same speaker."""


class SpeakerScores(Scores):
    """What one backend reached over all conversations, as shares of the time of all true turns."""

    backend: str
    diarization_error_rate: float = Field(description="the sum of the three below")
    missed: float = Field(description="time of turns without a detected speaker")
    false_alarm: float = Field(description="time with more detected speakers than true ones")
    confusion: float = Field(description="time assigned to a wrong speaker")
    speakers_off: float = Field(description="mean |difference| of the number of speakers")
    count_right: float = Field(description="share of conversations with the right number of speakers of 1 s and more")
    sure_share: float | None = Field(description="share of conversations in which it is sure who speaks")
    count_right_if_sure: float | None = Field(description="the same over those")
    times_real_time: float


class SpeakerEvaluation(Record):
    """One line per backend, the baseline first."""

    conversations: int
    audio_s: float
    backends: tuple[SpeakerScores, ...]


Turns = Sequence[tuple[str, TimeSpan]]
"""Speakers with their times."""
_MIN_SPOKEN_MS = 1_000
"""Minimum speech of a counted speaker."""


def count_speakers(turns: Turns) -> int:
    """Number of speakers who speak for at least a second."""
    spoken: dict[str, int] = {}
    for speaker, span in turns:
        spoken[speaker] = spoken.get(speaker, 0) + span.duration_ms
    return sum(length_ms >= _MIN_SPOKEN_MS for length_ms in spoken.values())


def diarizing(backends: Sequence[Backend[SpeechFacts]]) -> list[Backend[SpeechFacts]]:
    """The diarization backends among `backends` that can load here."""
    return loadable([backend for backend in backends if backend.takes_recordings])


def evaluate_speakers(
    folder: Path,
    conversations: Sequence[Conversation],
    backends: Sequence[Backend[SpeechFacts]],
    detector: DetectionBackend,
) -> SpeakerEvaluation:
    """The turns of `backends` over whole conversations, next to one speaker for all speech found by `detector`."""
    systems: dict[str, Callable[[Labelled[Conversation]], list[Finding]]] = {
        ONE_SPEAKER: Detecting([detector.load()]),
        **{backend.backend: Annotating(backend) for backend in backends},
    }
    scorer = SpeakerScorer(systems)
    timing = evaluate(read_labelled(folder, conversations, Branch.SPEECH), systems, scorer)
    return SpeakerEvaluation(
        conversations=timing.items, audio_s=round(timing.audio_s, 1), backends=tuple(scorer.scores(timing))
    )


def turns_of(finding: Finding) -> Turns:
    """Who speaks when: one speaker for whatever detectors hear."""
    if isinstance(finding.row, SpeechAnnotation):
        turns = finding.row.speakers.turns if finding.row.speakers is not None else ()
        return [(turn.speaker, TimeSpan(turn.start_ms, turn.end_ms)) for turn in turns]
    events = finding.events or ()
    return [("one", event.span) for event in events if event.event_class is EventClass.SPEECH]


def is_sure(finding: Finding) -> bool | None:
    """Whether it is sure who speaks; None for a system that does not say."""
    speakers = finding.row.speakers if isinstance(finding.row, SpeechAnnotation) else None
    return None if speakers is None else speakers.sure


class SpeakerCount(NamedTuple):
    """How many speakers a system found in one conversation, against the truth."""

    off: int
    right: bool
    sure: bool | None


class SpeakerScorer(Scorer[Labelled[Conversation], list[Finding]]):
    """Adds up the diarization error of conversations."""

    def __init__(self, systems: Iterable[str]) -> None:
        from pyannote.metrics.diarization import DiarizationErrorRate

        self._metrics = {name: DiarizationErrorRate(collar=0.0, skip_overlap=False) for name in systems}
        self._counts: dict[str, list[SpeakerCount]] = {name: [] for name in self._metrics}

    def add(self, system: str, item: Labelled[Conversation], answer: list[Finding]) -> None:
        from pyannote.core import Segment as Extent
        from pyannote.core import Timeline

        truth = [(turn.speaker, turn.span) for turn in item.truth.turns]
        turns = [turn for finding in answer for turn in turns_of(finding)]
        self._metrics[system](_annotation(truth), _annotation(turns), uem=Timeline([Extent(0.0, item.seconds)]))
        self._counts[system].append(
            SpeakerCount(
                off=abs(len({name for name, _ in truth}) - len({name for name, _ in turns})),
                right=count_speakers(truth) == count_speakers(turns),
                sure=next(map(is_sure, answer), None),
            )
        )

    def scores(self, timing: Timing) -> Iterator[SpeakerScores]:
        """One a system, in order."""
        for name, metric in self._metrics.items():
            total, counts = metric.accumulated_["total"], self._counts[name]
            sure = [count for count in counts if count.sure]
            yield SpeakerScores(
                backend=name,
                diarization_error_rate=round(abs(metric), 4),
                missed=round(metric.accumulated_["missed detection"] / total, 4),
                false_alarm=round(metric.accumulated_["false alarm"] / total, 4),
                confusion=round(metric.accumulated_["confusion"] / total, 4),
                speakers_off=round(fmean(count.off for count in counts), 2),
                count_right=round(fmean(count.right for count in counts), 4),
                sure_share=mean_of([count.sure for count in counts if count.sure is not None]),
                count_right_if_sure=mean_of([count.right for count in sure]),
                times_real_time=timing.times_real_time(name),
            )


def _annotation(turns: Turns) -> Annotation:
    from pyannote.core import Annotation
    from pyannote.core import Segment as Extent

    made = Annotation()
    for index, (speaker, span) in enumerate(turns):
        if span.duration_ms > 0:
            made[Extent(span.start_ms / 1000, span.end_ms / 1000), index] = speaker
    return made
