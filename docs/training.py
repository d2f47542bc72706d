"""What can be built for training, in Markdown: every task with its rule and options, and what the samples give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from docs.reference import column_table, documented_fields, option_table, paragraph
from soundseam.pipeline.export.formats import FORMATS
from soundseam.pipeline.export.recipe import PretrainRecipe
from soundseam.pipeline.sft.ask import LongTask, Task
from soundseam.pipeline.sft.build import load_sft_config, samples_of
from soundseam.pipeline.sft.read import read_recordings, source_stages, upstream_keys
from soundseam.pipeline.sft.tasks.reasoning import WrittenReasoningTask
from soundseam.pipeline.storage.commits import read_layout, shard_of
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.schemas.duplicate import Duplicate, Fingerprint
from soundseam.schemas.sample import Sample, Split
from tests.pipeline.sft.builders import a_rich_recording
from tests.pipeline.sft.long_builders import a_long_recording

_LONGEST = 220


def tasks() -> str:
    """Every task: what may become a sample of it, and its options."""
    parts = []
    for task in (*load_sft_config().tasks, WrittenReasoningTask()):
        own = {
            name: field
            for name, field in documented_fields(type(task)).items()
            if name != "task" and not isinstance(field.default, Task)
        }
        parts.append(f"### `{task.task}`\n\n{paragraph(type(task).__doc__)}\n\n{option_table(own)}")
    return "\n\n".join(parts)


def columns() -> str:
    """The columns that all tables of samples have."""
    return column_table(Sample)


def duplicate_columns() -> str:
    return column_table(Duplicate)


def fingerprint_columns() -> str:
    return column_table(Fingerprint)


def formats() -> str:
    """Every export format: who reads it, and its form."""
    rows = [
        f"| `{name}` | {form.reader} | {paragraph(type(form).__doc__).replace('|', '&#124;')} |"
        for name, form in FORMATS.items()
    ]
    return "\n".join(["| `--to` | read by | form |", "| --- | --- | --- |", *rows])


def pretraining_options() -> str:
    """The values of a recipe."""
    return option_table(documented_fields(PretrainRecipe))


def sample_tasks(corpus: Path) -> str:
    """Every task with what it needs, how many samples the corpus gives, and one of them; else one of made-up rows."""
    rows = []
    for task in load_sft_config().tasks:
        made = list(_samples(corpus, task))
        example = _example(made) if made else f"*made up:* {_example(_made_up(task))}"
        rows.append(f"| `{task.task}` | {'<br>'.join(task.needs)} | {len(made)} | {example} |")
    return "\n".join(["| task | needs | samples | one of them |", "| --- | --- | ---: | --- |", *rows])


def _samples(corpus: Path, task: Task) -> Iterator[Sample]:
    config = load_sft_config()
    output = str(corpus)
    ids = sorted(upstream_keys(Corpus.load_present(output, source_stages(output))))
    shards = read_layout(output).shards
    for shard in sorted({shard_of(name, shards) for name in ids}):
        for recording in read_recordings(output, shard, [name for name in ids if shard_of(name, shards) == shard]):
            yield from samples_of(task, recording, config, Split.TRAIN, "")


def _made_up(task: Task) -> list[Sample]:
    """What a recording gives that has everything a task may ask for."""
    config = load_sft_config().model_copy(update={"languages": {"en": 1.0}})
    recording = a_long_recording() if isinstance(task, LongTask) else a_rich_recording()
    return list(samples_of(task, recording, config, Split.TRAIN, ""))


def _example(samples: Sequence[Sample]) -> str:
    """The shortest sample in English, so that its row is readable; of equal ones the first by id."""
    english = [sample for sample in samples if sample.language == "en"] or list(samples)
    shown = min(english, key=lambda sample: (len(sample.question) + len(sample.answer), sample.sample_id))
    chain = f"<br>({_cell(shown.reasoning)})" if shown.reasoning else ""
    return f"{_cell(shown.question)}{chain}<br>**{_cell(shown.answer)}**"


def _cell(text: str) -> str:
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
    return short.replace("|", "&#124;").replace("\n", "<br>")
