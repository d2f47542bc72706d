"""Audits samples: answers that can be guessed, and samples that contradict themselves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from soundseam.pipeline.sft.ask import AnyTaskOptions
from soundseam.pipeline.sft.balance import MIN_QUESTIONS, OVER_CHANCE, REFUSAL, Asked, Cell, asked_of_sample
from soundseam.pipeline.sft.build import SftConfig
from soundseam.pipeline.sft.plan import sft_stage, thinned_table
from soundseam.pipeline.sft.read import Tables, source_stages, tables_of
from soundseam.pipeline.sft.recompute import key_degree, table_contradictions
from soundseam.pipeline.sft.tasks.caption import answers_for
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.schemas.record import Record
from soundseam.schemas.sample import Sample, Scoring, Split
from soundseam.schemas.tables import LongTable

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
    contradictions: int
    """Number of samples with other evidence or another answer than the tables give now."""
    problems: tuple[str, ...]
    """Broken rules, one clause each."""
    missing: str = ""
    """Why there are no samples, and what to do about it; empty if there are some."""


def audit(output: str, config: SftConfig) -> tuple[TaskAudit, ...]:
    """Every task of `config`, from its committed samples; one shard's rows in memory at a time, without audio."""
    tallies = {task.task: _Tally(task) for task in config.tasks}
    stages = [sft_stage(name) for name in tallies]
    built = Corpus.load_present(output, [*stages, *source_stages(output), *LongTable])
    present: Counter[str] = Counter()
    for shard in built.shards():
        mine = built.of_shard(shard)
        tables = tables_of(mine)
        present.update(tables.filled())
        for name, tally in tallies.items():
            for row in mine.rows(sft_stage(name), list(Sample.model_fields)):
                tally.add(Sample.model_validate(row), tables)
            tally.thinned += sum(1 for _ in mine.rows(thinned_table(name), ["recording_id"]))
    found = [tally.audited(config.max_guessed, present) for tally in tallies.values()]
    total = sum(tally.samples for tally in tallies.values())
    refusals = tallies[REFUSAL].samples if REFUSAL in tallies else 0
    held_out = sum(tally.held_out for tally in tallies.values())
    if total > refusals > config.max_refusals * total:
        found.append(_problem(REFUSAL, f"{refusals / total:.1%} of all samples are refusals"))
    if total and 0 < held_out < config.validation_share * total:
        found.append(_problem("validation", f"{held_out / total:.1%} of all samples are held out"))
    return tuple(found)


def _problem(task: str, text: str) -> TaskAudit:
    return TaskAudit(task=task, samples=0, thinned=0, commonest=None, guessed=None, contradictions=0, problems=(text,))


class _Tally:
    """Collects what the audit of one task needs."""

    def __init__(self, task: AnyTaskOptions) -> None:
        self._task = task
        self._asked: list[Asked] = []
        self._problems: list[str] = []
        self._contradictions = 0
        self.samples = self.held_out = self.thinned = 0

    def add(self, sample: Sample, tables: Tables) -> None:
        self.samples += 1
        self.held_out += sample.split is Split.VALIDATION
        if (asked := asked_of_sample(sample)).answer is not None:
            self._asked.append(asked)
        self._problems += contradictions(sample)
        if others := list(table_contradictions(sample, tables)):
            self._contradictions += 1
            self._problems.append(f"{sample.sample_id}: {others[0]}")

    def audited(self, max_guessed: float, present: Mapping[str, int]) -> TaskAudit:
        counts = _counts(self._asked)
        # Fewer similar questions are too few to learn a guess from.
        learnt = [one for one in self._asked if any(counts[cell].total() >= MIN_QUESTIONS for cell, _ in one.classes())]
        guessed = guess_rate(learnt) if len(learnt) >= MIN_QUESTIONS else None
        limits = [_limit(one, counts, max_guessed) for one in learnt]
        if guessed is not None and guessed > sum(limits) / len(limits):
            self._problems.append(f"{guessed:.0%} can be guessed without the audio")
        answers = Counter(one.answer for one in self._asked)
        return TaskAudit(
            task=self._task.task,
            samples=self.samples,
            thinned=self.thinned,
            commonest=round(max(answers.values()) / answers.total(), 3) if answers else None,
            guessed=None if guessed is None else round(guessed, 3),
            contradictions=self._contradictions,
            problems=tuple(self._problems),
            missing="" if self.samples else reason_for_none(self._task, self.thinned, present),
        )


_PLACE = re.compile(r"([a-z_]+(?:/[a-z]+)?):([a-z_]+)")
_REMEDIES = {
    "annotations/speech:transcript": "give the manifest a column text, run with two recognisers that agree "
    "(--profile laptop or local), or set trust_single_system",
    "annotations/speech:speakers": "run with a diarization, as all profiles do; it must be sure who speaks",
    "annotations/speech:voice": "run the backend voice on recordings with more speech",
    "annotations/speech:paralinguistics": "serve MOSS-Audio for paralinguistics and a verifier (--profile cluster)",
    "annotations/music:rhythm": "run mir or beat_this on recordings with a steady pulse",
    "annotations/music:tonality": "run structure on pieces of 8 s or more",
    "annotations/music:chords": "run mir on recordings with chords",
    "annotations/music:sections": "run structure on pieces of 15 s or more with several parts",
    "annotations/music:lyrics": "run lyrics with a recogniser that you trust (--profile local)",
    "annotations/music:tags": "run clap_tags or another source of instruments (--profile local)",
    "segments:events": "run a detector or tagger that names more sounds (--profile local), on recordings with more of "
    "them",
    "windows:segment_ids": "run soundseam long on recordings of more than a minute",
    "recording_captions:timeline": "run soundseam long on recordings of more than a minute",
    "captions:caption": "run with captions.composer, and filter fewer captions",
}


def reason_for_none(task: AnyTaskOptions, thinned: int, present: Mapping[str, int]) -> str:
    """Why a task has no samples, and what to do about it. `present` is TABLE:FIELD → number of rows that have it."""
    if thinned:
        return f"all {thinned:,} could be guessed: add recordings with other answers, or set max_guessed=1"
    places = [f"{table}:{field}" for need in task.needs for table, field in _PLACE.findall(need)]
    lacking = [place for place in places if not present.get(place)]
    is_either = any(need.startswith("or ") for need in task.needs)
    if lacking and (not is_either or lacking == places):
        why = f"no row has {(' or ' if is_either else ', ').join(lacking)}"
    else:
        doc = " ".join((type(task).__doc__ or "").split()).removeprefix("Eligible: ").partition(". ")[0].rstrip(".")
        why = f"no segment is eligible ({doc})"
    remedies = dict.fromkeys(_REMEDIES[place] for place in lacking or places if place in _REMEDIES)
    return f"{why}: {'; '.join(remedies) or f'see {task.task} in docs/tasks.md'}"


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
    """Contradictions within a sample, and what its task may not say."""
    name, spec = sample.sample_id, sample.answer_spec
    for parts, total in _SUM.findall(sample.reasoning or ""):
        if abs(sum(float(part) for part in parts.split(" + ")) - float(total)) > 0.001:
            yield f"{name}: {parts} is not {total}"
    if any(not 0 <= span.segment_start_ms <= span.segment_end_ms <= sample.audio_ms + 10 for span in spec.spans):
        yield f"{name}: a time is outside the audio"
    if sample.task == "structure" and spec.spans and not spec.spans[0].text.startswith("A"):
        yield f"{name}: the first part is {spec.spans[0].text}"
    if spec.scoring in {Scoring.SPANS, Scoring.LABELS} and re.search(r"unidentified|未知声音", sample.answer):
        yield f"{name}: a sound without a name"
    if sample.task == "caption" and not answers_for(sample.kind, sample.answer):
        yield f"{name}: the caption of {sample.kind} speaks of something else"
    if (sample.task == "key" or sample.topic.startswith("key/")) and key_degree(spec.reference) is None:
        yield f"{name}: {spec.reference} is not the usual spelling"
