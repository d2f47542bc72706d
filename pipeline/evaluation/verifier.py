"""Evaluates a verifier on claims of a corpus, and shows the result."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

from rich.console import RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.questions import ChatClient, Question, Reply
from soundseam.annotators.flac import num_flac_samples
from soundseam.pipeline.captions.caption_config import VerifierConfig
from soundseam.pipeline.captions.verify import (
    disagreement,
    is_asked_in_silence,
    judge,
    probability,
    questions_about,
    said_yes,
    silence_like,
)
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.evaluation.calibration import Bin, Calibration, Trial, calibrate, trials_of
from soundseam.pipeline.storage.corpus import SEGMENT_COLUMNS, Corpus, flac_in
from soundseam.pipeline.storage.ownership import require_corpus
from soundseam.pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE
from soundseam.schemas.caption import Caption
from soundseam.schemas.claim import Verdict
from soundseam.schemas.record import Record, draw
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table


class VerifierScores(Record):
    """Figures over a group of trials, half of them true."""

    group: str
    """all, branch or class with its name."""
    trials: int
    accuracy: float
    brier: float
    ece: float
    auc: float | None
    confirmed_own: float
    """Share of true claims that were confirmed; likewise below."""
    confirmed_swapped: float
    dropped_own: float
    dropped_swapped: float
    disagreement: float
    """Mean difference between the answers to the two phrasings."""


class VerifierEvaluation(Record):
    """The result of `soundseam evaluate verifier`."""

    segments: int
    failed: int
    """Trials without an answer from the server."""
    scores: tuple[VerifierScores, ...]
    bins: tuple[Bin, ...]
    """Over all trials: how often claims with a given probability are true."""
    silence_trials: int
    believed_in_silence: float | None
    """Share of true claims that were also believed in silence; None if none were checked."""


@dataclass(frozen=True)
class Judged:
    """A trial with the model's answers."""

    trial: Trial
    affirmed: float
    denied: float
    verdict: Verdict
    silence: float | None = None

    @property
    def probability(self) -> float:
        return probability(self.affirmed, self.denied)


def evaluate_verifier(
    output: str, config: VerifierConfig, client: ChatClient, segments: int, seed: int
) -> VerifierEvaluation:
    """Asks about the claims of up to `segments` randomly drawn segments of OUT. Raises SetupError if OUT has none."""
    corpus = _load(output)
    captions = _draw_captions(corpus, segments, seed)
    known = {caption.segment_id for caption in captions}
    rows = corpus.rows_about(Table.SEGMENTS, known)
    plain = {
        str(row["segment_id"]): Segment.model_validate({name: row[name] for name in SEGMENT_COLUMNS}) for row in rows
    }
    trials = trials_of([caption for caption in captions if caption.segment_id in plain], plain, seed)
    if not trials:
        raise SetupError(f"{output} has too few claims to swap: it needs captions of several recordings")
    return summarise(list(judge_trials(_with_audio(corpus, trials), config, client)), len(trials))


def judge_trials(segments: Iterable[SegmentTrials], config: VerifierConfig, client: ChatClient) -> Iterator[Judged]:
    """The trials of each segment, judged; those that fail are left out."""
    asked = client.ask((segment, segment.questions) for segment in segments)
    first = ((one, list(_judge(one, replies, config))) for one, replies in asked)

    def ask_silence(pair: tuple[SegmentTrials, list[Judged]]) -> list[Question]:
        silence = silence_like(num_flac_samples(pair[0].flac))
        return _questions([one.trial for one in pair[1] if _is_asked_in_silence(one.trial, config)], silence)

    for (one, judged), replies in client.ask((pair, ask_silence(pair)) for pair in first):
        silent = iter(_answers(ask_silence((one, judged)), replies))
        for each in judged:
            answer = next(silent) if _is_asked_in_silence(each.trial, config) else None
            yield each if answer is None else replace(each, silence=probability(*answer))


@dataclass(frozen=True)
class SegmentTrials:
    """The trials of one segment, and its FLAC file."""

    trials: Sequence[Trial]
    flac: bytes

    @property
    def questions(self) -> list[Question]:
        return _questions(self.trials, self.flac)


def _questions(trials: Sequence[Trial], flac: bytes) -> list[Question]:
    return [
        question
        for trial in trials
        for question in questions_about(trial.text, flac, trial.language, trial.recording_id)
    ]


def _answers(questions: Sequence[Question], replies: Sequence[Reply]) -> list[tuple[float, float] | None]:
    """P(yes) to the two phrasings of each claim; None if one of them has no answer."""
    found: list[tuple[float, float] | None] = []
    for at in range(0, len(questions), 2):
        try:
            affirmed, denied = (said_yes(replies[place], questions[place]) for place in (at, at + 1))
        except AnnotationError:
            found.append(None)
        else:
            found.append((affirmed, denied))
    return found


def _judge(segment_trials: SegmentTrials, replies: Sequence[Reply], config: VerifierConfig) -> Iterator[Judged]:
    for trial, answer in zip(segment_trials.trials, _answers(segment_trials.questions, replies), strict=True):
        if answer is not None:
            yield Judged(trial, *answer, judge(*answer, config)[0])


def _is_asked_in_silence(trial: Trial, config: VerifierConfig) -> bool:
    return trial.is_own and is_asked_in_silence(trial.segment_id, config)


def summarise(judged: Sequence[Judged], asked: int) -> VerifierEvaluation:
    found: defaultdict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        for group in _groups(one.trial):
            found[group].append(one)
    whole = _calibrated(judged)
    silent = [one.silence for one in judged if one.silence is not None]
    return VerifierEvaluation(
        segments=len({one.trial.segment_id for one in judged}),
        failed=asked - len(judged),
        scores=tuple(_scores(group, found[group]) for group in sorted(found)),
        bins=whole.bins if whole else (),
        silence_trials=len(silent),
        believed_in_silence=sum(p >= 0.5 for p in silent) / len(silent) if silent else None,
    )


def _groups(trial: Trial) -> Iterator[str]:
    yield "all"
    yield f"branch {trial.branch}"
    if trial.event_class is not None:
        yield f"class {trial.event_class}"


def _scores(group: str, members: Sequence[Judged]) -> VerifierScores:
    calibrated = _calibrated(members)
    assert calibrated is not None
    own = [member.verdict for member in members if member.trial.is_own]
    swapped = [member.verdict for member in members if not member.trial.is_own]
    return VerifierScores(
        group=group,
        trials=len(members),
        accuracy=calibrated.accuracy,
        brier=calibrated.brier,
        ece=calibrated.ece,
        auc=calibrated.auc,
        confirmed_own=_share(own, Verdict.CONFIRMED),
        confirmed_swapped=_share(swapped, Verdict.CONFIRMED),
        dropped_own=_share(own, Verdict.DROPPED),
        dropped_swapped=_share(swapped, Verdict.DROPPED),
        disagreement=sum(disagreement(member.affirmed, member.denied) for member in members) / len(members),
    )


def _calibrated(members: Sequence[Judged]) -> Calibration | None:
    return calibrate([member.probability for member in members], [member.trial.is_own for member in members])


def _share(verdicts: Sequence[Verdict], wanted: Verdict) -> float:
    return sum(verdict is wanted for verdict in verdicts) / len(verdicts) if verdicts else 0.0


def _with_audio(corpus: Corpus, trials: Sequence[Trial]) -> Iterator[SegmentTrials]:
    """The trials in the order in which audio is read, with one segment's audio in memory at a time."""
    by_segment = {name: list(group) for name, group in groupby(trials, key=attrgetter("segment_id"))}
    for row in corpus.rows_about(Table.SEGMENTS, by_segment):
        yield SegmentTrials(by_segment[str(row["segment_id"])], flac_in(row))


def _draw_captions(corpus: Corpus, segments: int, seed: int) -> list[Caption]:
    rows = corpus.rows(Table.CAPTIONS, ["recording_id", "segment_id"])
    names = heapq.nsmallest(
        segments, (str(row["segment_id"]) for row in rows), key=lambda name: (draw(seed, "verifier", name), name)
    )
    found = map(Caption.model_validate, corpus.rows_about(Table.CAPTIONS, frozenset(names)))
    return sorted(found, key=attrgetter("segment_id"))


def _load(output: str) -> Corpus:
    require_corpus(output, CAPTIONS_STAGE)
    return Corpus.load_present(output, [SEGMENTS_STAGE, CAPTIONS_STAGE])


_COLUMNS = {
    "trials": "claims",
    "accuracy": "accuracy",
    "auc": "AUC",
    "brier": "Brier",
    "ece": "ECE",
    "confirmed_own": "true confirmed",
    "dropped_own": "true dropped",
    "confirmed_swapped": "false confirmed",
    "dropped_swapped": "false dropped",
    "disagreement": "disagreement",
}


def verifier_tables(found: VerifierEvaluation) -> Iterator[RenderableType]:
    """Scores by group, then how often claims with a given probability are true."""
    table = RichTable(
        title=f"Verifier: claims about {found.segments:,} segments, half of them swapped", title_justify="left"
    )
    table.add_column("")
    for heading in _COLUMNS.values():
        table.add_column(heading, justify="right")
    for scores in found.scores:
        table.add_row(scores.group, *_cells(scores))
    yield table
    yield _reliability(found)
    if found.believed_in_silence is not None:
        believed = f"{found.believed_in_silence:.1%} of {found.silence_trials:,} true claims"
        yield Text(f"In silence {believed} are still believed")
    if found.failed:
        yield Text(f"{found.failed:,} claims were not judged: the server had no answer")


def _cells(scores: VerifierScores) -> Iterator[str]:
    for name in _COLUMNS:
        value = getattr(scores, name)
        yield "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _reliability(found: VerifierEvaluation) -> RichTable:
    table = RichTable(title="Reliability", title_justify="left")
    for heading in ("probability", "claims", "mean probability", "share true"):
        table.add_column(heading, justify="right")
    for one in found.bins:
        table.add_row(
            f"{one.low:.1f} to {one.high:.1f}", f"{one.count:,}", f"{one.mean_probability:.3f}", f"{one.share_true:.3f}"
        )
    return table
