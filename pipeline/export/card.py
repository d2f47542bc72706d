"""The README of an export: for Hugging Face a dataset card with its configurations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import yaml

from pipeline.export.base import SPLITS, ExportOptions, Finished
from pipeline.export.counts import Counts
from pipeline.export.plan import mix_of

_RECOGNITION = ("automatic-speech-recognition",)
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def card(finished: Finished, counts: Counts, tables: Mapping[str, Sequence[str]]) -> str:
    """Front matter and numbers. `tables` are those of the corpus that the export holds: name → files."""
    recognises = any(task.startswith("asr") for task in counts.amounts)
    head = {
        "language": sorted(counts.languages),
        "license": _license(counts),
        "task_categories": [*(_RECOGNITION if recognises else ()), "audio-text-to-text"],
        "tags": ["audio", "soundseam"],
        "size_categories": [next((name for most, name in _SIZES if counts.total < most), "n>1M")],
        "configs": [*_task_configs(finished), *_table_configs(tables)],
    }
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n{readme(finished.options, counts)}"


def readme(options: ExportOptions, counts: Counts) -> str:
    """The numbers of an export, for people."""
    amount = counts.amount
    lines = [
        "# Training data made by Soundseam",
        "",
        f"Stage {options.stage}, format `{options.to}`: {counts.total:,} samples over {_hours(counts.clips_ms)} hours "
        f"of audio; counted with every sample that plays it, {_hours(amount.audio_ms)} hours, "
        f"{amount.audio_tokens:,} audio tokens and about {amount.text_tokens:,} text tokens.",
        "Audio is 16 kHz mono. Samples of one recording are all in one split. They lie in the order of their "
        "segments: shuffle them.",
        "",
        "| task | train | validation | hours | audio tokens | text tokens, about |",
        "|---|---:|---:|---:|---:|---:|",
        *_task_rows(counts),
        "",
        "| license of the audio | samples |",
        "|---|---:|",
        *(f"| {name} | {count:,} |" for name, count in counts.licenses.items()),
    ]
    if counts.skipped:
        lines += ["", "| not in this format | samples |", "|---|---:|"]
        lines += [f"| {name} | {count:,} |" for name, count in counts.skipped.items()]
    shares = mix_of(options).shares
    if shares:
        lines += ["", "Meant to be sampled in these shares, the rest being text:", ""]
        lines += [f"- {task}: {share:g}" for task, share in shares.items()]
    return "\n".join(lines) + "\n"


def _task_rows(counts: Counts) -> Iterator[str]:
    for task in sorted(counts.amounts):
        amount = counts.amounts[task]
        numbers = [counts.samples.get(f"{task}/{split}", 0) for split in SPLITS]
        cells = [f"{number:,}" for number in (*numbers, amount.audio_tokens, amount.text_tokens)]
        yield f"| {task} | {' | '.join([*cells[:2], _hours(amount.audio_ms), *cells[2:]])} |"


def _hours(audio_ms: int) -> str:
    return f"{audio_ms / 3_600_000:,.2f}"


def _license(counts: Counts) -> str:
    known = [name for name in counts.licenses if name != "unknown"]
    return known[0].lower() if len(counts.licenses) == 1 and known else "other"


def _task_configs(finished: Finished) -> list[dict[str, object]]:
    tasks = sorted({name.split("/")[1] for name in finished.under("data/", ".parquet")})
    return [
        {
            "config_name": task,
            "data_files": [
                {"split": str(split), "path": f"data/{task}/{split}-*.parquet"}
                for split in SPLITS
                if finished.under(f"data/{task}/{split}-")
            ],
        }
        for task in tasks
    ]


def _table_configs(tables: Mapping[str, Sequence[str]]) -> list[dict[str, object]]:
    return [
        {
            "config_name": f"table_{name.replace('/', '_')}",
            "data_files": [{"split": "train", "path": f"tables/{name}/*.parquet"}],
        }
        for name, members in tables.items()
        if members
    ]
