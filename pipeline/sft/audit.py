"""Audits samples: answers that can be guessed, and samples that contradict themselves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from soundseam.pipeline.sft.balance import MIN_QUESTIONS, OVER_CHANCE, REFUSAL, Asked, Cell, asked_of_sample
from soundseam.pipeline.sft.build import SftConfig
from soundseam.pipeline.sft.plan import sft_stage, thinned_table
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.schemas.record import Record
from soundseam.schemas.sample import Sample, Scoring, Split

_SUM = re.compile(r"(\d+\.\d+(?: \+ \d+\.\d+)+) = (\d+\.\d+)")


class TaskAudit(Record):
    """The audit of one task's samples."""

    task: str
    samples: int
    thinned: int
    """Number of samples left out because their answers could be guessed."""
    commonest: float | None
    """Share of the most common answer; None without closed questions."""
    guessed: float | None
    """Accuracy of guessing from all other answers, without the audio."""
    problems: tuple[str, ...]
    """Broken rules, one clause each."""


def audit(output: str, config: SftConfig) -> tuple[TaskAudit, ...]:
    """Every task of `config`, from its committed samples."""
    found, total, refusals, held_out = [], 0, 0, 0
    for task in config.tasks:
        stage = sft_stage(task.task)
        built = Corpus.load_present(output, [stage])
        thinned = sum(1 for _ in built.rows(thinned_table(task.task), ["recording_id"]))
        columns = list(Sample.model_fields)
        samples = [Sample.model_validate(row) for row in built.rows(stage, columns)]
        found.append(_audit_task(task.task, samples, thinned, config.max_guessed))
        total += len(samples)
        refusals += len(samples) if task.task == REFUSAL else 0
        held_out += sum(sample.split is Split.VALIDATION for sample in samples)
    if total > refusals > config.max_refusals * total:
        found.append(_problem(REFUSAL, f"{refusals / total:.1%} of all samples are refusals"))
    if total and 0 < held_out < config.validation_share * total:
        found.append(_problem("validation", f"{held_out / total:.1%} of all samples are held out"))
    return tuple(found)


def _problem(task: str, text: str) -> TaskAudit:
    return TaskAudit(task=task, samples=0, thinned=0, commonest=None, guessed=None, problems=(text,))


def _audit_task(task: str, samples: Sequence[Sample], thinned: int, max_guessed: float) -> TaskAudit:
    asked = [one for sample in samples if (one := asked_of_sample(sample)).answer is not None]
    counts = _counts(asked)
    # Fewer similar questions are too few to learn a guess from.
    learnt = [one for one in asked if any(counts[cell].total() >= MIN_QUESTIONS for cell, _ in one.classes())]
    guessed = guess_rate(learnt) if len(learnt) >= MIN_QUESTIONS else None
    problems = [problem for sample in samples for problem in contradictions(sample)]
    limits = [_limit(one, counts, max_guessed) for one in learnt]
    if guessed is not None and guessed > sum(limits) / len(limits):
        problems.append(f"{guessed:.0%} can be guessed without the audio")
    answers = Counter(one.answer for one in asked)
    return TaskAudit(
        task=task,
        samples=len(samples),
        thinned=thinned,
        commonest=round(max(answers.values()) / answers.total(), 3) if answers else None,
        guessed=None if guessed is None else round(guessed, 3),
        problems=tuple(problems),
    )


def guess_rate(asked: Sequence[Asked]) -> float:
    """How often the most common answer among all other similar questions is right; ties count proportionally.

    Similar questions have the same topic if there are enough of them, else the same kind.
    """
    counts = _counts(asked)
    return sum(_right(one, counts) for one in asked) / len(asked)


def _counts(asked: Sequence[Asked]) -> dict[Cell, Counter[str]]:
    counts: dict[Cell, Counter[str]] = {}
    for one in asked:
        for cell, answer in one.classes():
            counts.setdefault(cell, Counter())[answer] += 1
    return counts


def _limit(one: Asked, counts: dict[Cell, Counter[str]], max_guessed: float) -> float:
    """The allowed guess rate: with only two answers, one of them is right half of the time."""
    two = any(len(counts[cell]) == 2 for cell, _ in one.classes())
    return max(max_guessed, one.chance, 0.5 if two else 0.0) + 2 * OVER_CHANCE


def _right(one: Asked, counts: dict[Cell, Counter[str]]) -> float:
    (topic, answer), *others = one.classes()
    if counts[topic].total() > MIN_QUESTIONS or not others:
        return _is_commonest(counts[topic], answer)
    if len(others) == 1:
        return _is_commonest(counts[others[0][0]], others[0][1])
    shares = {
        result: (counts[cell]["right"] - (result == "right")) / max(counts[cell].total() - 1, 1)
        for cell, result in others
    }
    return 0.5 if shares["right"] == shares["wrong"] else float(shares["right"] > shares["wrong"])


def _is_commonest(counts: Counter[str], answer: str) -> float:
    others = counts.copy()
    others[answer] -= 1
    most = max(others.values())
    return 1 / sum(count == most for count in others.values()) if others[answer] == most and most else 0.0


def contradictions(sample: Sample) -> Iterator[str]:
    """Contradictions within a sample."""
    for parts, total in _SUM.findall(sample.reasoning or ""):
        if abs(sum(float(part) for part in parts.split(" + ")) - float(total)) > 0.001:
            yield f"{sample.sample_id}: {parts} is not {total}"
    spans = sample.answer_spec.spans
    if any(not 0 <= span.segment_start_ms <= span.segment_end_ms <= sample.audio_ms + 10 for span in spans):
        yield f"{sample.sample_id}: a time is outside the audio"
    if sample.task == "structure" and spans and not spans[0].text.startswith("A"):
        yield f"{sample.sample_id}: the first part is {spans[0].text}"
    spec = sample.answer_spec
    if spec.scoring in {Scoring.SPANS, Scoring.LABELS} and re.search(r"unidentified|未知声音", sample.answer):
        yield f"{sample.sample_id}: a sound without a name"
