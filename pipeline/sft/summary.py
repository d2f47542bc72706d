"""Counts and hours of the tables of samples, and priors of answers."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from soundseam.pipeline.sft.audit import TaskAudit, audit
from soundseam.pipeline.sft.build import SftConfig
from soundseam.pipeline.sft.plan import sft_stage
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import RUN_FOLDER
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.schemas.record import Record
from soundseam.schemas.sample import Scoring, Split
from soundseam.schemas.tables import arrow_schema, table_of

PRIORS_FILE = "answer_priors.parquet"
SUMMARY_FILE = "sft.json"
FEWEST_QUESTIONS = 20
"""Minimum number of similar questions for a prior."""
_CLOSED = {Scoring.EXACT, Scoring.CHOICE, Scoring.NUMBER, Scoring.LABELS}
_COLUMNS = ["recording_id", "task", "kind", "topic", "language", "answer_spec", "audio_ms", "split", "event_class"]


class TaskCount(Record):
    """The number of samples of a task."""

    task: str
    train: int
    validation: int
    audio_ms: int
    """Length of audio, counted once per sample."""
    languages: dict[str, int]


class SftSummary(Record):
    """`_run/sft.json`: the configuration that samples were built with, their counts, and their audit."""

    config: SftConfig
    tasks: tuple[TaskCount, ...]
    audit: tuple[TaskAudit, ...]

    @property
    def samples(self) -> int:
        return sum(task.train + task.validation for task in self.tasks)


class AnswerPrior(Record):
    """One row of `_run/answer_priors.parquet`: how often one answer is right for questions of one kind and topic."""

    task: str
    kind: str
    topic: str
    language: str
    answer: str
    questions: int
    share: float


Question = tuple[str, str, str, str]


def summarise(output: str, config: SftConfig) -> SftSummary:
    """Counts and audits the committed samples, and writes summary and answer priors to `_run`. Reads no audio."""
    counts: dict[str, Counter[str]] = {task.task: Counter() for task in config.tasks}
    languages: dict[str, Counter[str]] = {task.task: Counter() for task in config.tasks}
    answers: dict[Question, Counter[str]] = {}
    for task, row in _rows(output, config):
        counts[task][str(row["split"])] += 1
        counts[task]["audio_ms"] += int(str(row["audio_ms"]))
        languages[task][str(row["language"])] += 1
        spec = row["answer_spec"]
        if isinstance(spec, Mapping) and spec["scoring"] in _CLOSED:
            question = (task, str(row["kind"]), str(row["topic"]), str(row["language"]))
            answers.setdefault(question, Counter())[str(spec["reference"])] += 1
    tasks = tuple(
        TaskCount(
            task=name,
            train=count[Split.TRAIN],
            validation=count[Split.VALIDATION],
            audio_ms=count["audio_ms"],
            languages=dict(sorted(languages[name].items())),
        )
        for name, count in counts.items()
    )
    summary = SftSummary(config=config, tasks=tasks, audit=audit(output, config))
    _write_priors(output, answers)
    files.write_atomically(
        files.join(output, RUN_FOLDER, SUMMARY_FILE), (summary.model_dump_json(indent=1) + "\n").encode()
    )
    return summary


def read_priors(output: str) -> dict[tuple[Question, str], float]:
    """(question, answer) → share of similar questions with this answer: the accuracy of guessing it."""
    uri = files.join(output, RUN_FOLDER, PRIORS_FILE)
    if not files.exists(uri):
        return {}
    with files.local_copy(uri) as path:
        rows = pq.read_table(path).to_pylist()
    return {
        ((row["task"], row["kind"], row["topic"], row["language"]), row["answer"]): row["share"]
        for row in rows
        if row["questions"] >= FEWEST_QUESTIONS
    }


def _rows(output: str, config: SftConfig) -> Iterator[tuple[str, Mapping[str, object]]]:
    for task in config.tasks:
        stage = sft_stage(task.task)
        corpus = Corpus.load_present(output, [stage])
        yield from ((task.task, row) for row in corpus.rows(stage, _COLUMNS))


def _write_priors(output: str, answers: Mapping[Question, Counter[str]]) -> None:
    rows = [
        AnswerPrior(
            task=task,
            kind=kind,
            topic=topic,
            language=language,
            answer=answer,
            questions=count.total(),
            share=round(times / count.total(), 4),
        )
        for (task, kind, topic, language), count in sorted(answers.items())
        for answer, times in sorted(count.items())
    ]
    with tempfile.TemporaryDirectory(prefix="soundseam-", dir=files.scratch_folder(output)) as folder:
        path = Path(folder) / PRIORS_FILE
        table = table_of(rows, AnswerPrior) if rows else pa.Table.from_pylist([], schema=arrow_schema(AnswerPrior))
        pq.write_table(table, path, compression="zstd")
        files.publish(path, files.join(output, RUN_FOLDER, PRIORS_FILE))
