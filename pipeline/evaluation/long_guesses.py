"""How much of the samples about windows a guesser gets right that reads the questions alone."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table as RichTable

from soundseam.pipeline.sft.audit import guess_rate
from soundseam.pipeline.sft.balance import MIN_QUESTIONS, Asked, asked_of_sample
from soundseam.pipeline.sft.plan import sft_stage
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.schemas.record import Record
from soundseam.schemas.sample import Sample

LONG_TASKS = ("long_caption", "long_transcript", "long_qa")


class LongGuess(Record):
    """The samples of one kind, and the share that can be guessed."""

    task: str
    kind: str
    samples: int
    guessed: float | None
    """None for answers in free words or times, and for fewer than eight questions."""


def guess_long(output: str) -> Iterator[LongGuess]:
    """One line for each kind of sample about windows that the corpus has."""
    for task in LONG_TASKS:
        corpus = Corpus.load_present(output, [sft_stage(task)])
        counts, asked = dict[str, int](), dict[str, list[Asked]]()
        for row in corpus.rows(sft_stage(task), list(Sample.model_fields)):
            sample = Sample.model_validate(row)
            counts[sample.kind] = counts.get(sample.kind, 0) + 1
            if (one := asked_of_sample(sample)).answer is not None:
                asked.setdefault(sample.kind, []).append(one)
        for kind, samples in sorted(counts.items()):
            mine = asked.get(kind, [])
            share = round(guess_rate(mine), 4) if len(mine) >= MIN_QUESTIONS else None
            yield LongGuess(task=task, kind=kind, samples=samples, guessed=share)


def guess_table(found: list[LongGuess]) -> RichTable:
    table = RichTable(title="Samples about windows, guessed from the text alone", title_justify="left")
    for heading in ("task", "kind", "samples", "guessed"):
        table.add_column(heading, justify="right" if heading in ("samples", "guessed") else "left")
    for one in found:
        table.add_row(one.task, one.kind, f"{one.samples:,}", "-" if one.guessed is None else f"{one.guessed:.3f}")
    return table
