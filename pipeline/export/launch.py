"""Runs `soundseam export`, from its options to a finished folder: part by part, resumable, in constant memory."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import yaml
from pydantic import Field

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.dedup.store import read_marker
from soundseam.pipeline.export.base import DATA, EXPORT_FOLDER, PAIRS, SPLITS, WHOLE, ExportOptions, Finished, Place
from soundseam.pipeline.export.counts import Counts, Tally
from soundseam.pipeline.export.formats import format_named
from soundseam.pipeline.export.packs import PACK, PackWriter, pack_notes
from soundseam.pipeline.export.plan import ExportPlan, Part, mix_of
from soundseam.pipeline.export.pretrain import part_reader, part_writer
from soundseam.pipeline.export.target import (
    LAYOUT_FILE,
    MARKERS,
    README,
    PartMarker,
    hashes_of,
    part_file,
    read_layout,
    read_markers,
    remove_parts,
    whole_parts,
    write_layout,
)
from soundseam.pipeline.export.tokens import text_counter
from soundseam.pipeline.local.pool import in_order
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import stages_in
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.storage.redact import redact_uri
from soundseam.pipeline.storage.tables import is_table_file
from soundseam.schemas.record import Record
from soundseam.schemas.tables import DUPLICATES_FOLDER, Table

_RECOGNITION = ("automatic-speech-recognition",)
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def card(finished: Finished, counts: Counts, tables: Mapping[str, Sequence[str]]) -> str:
    """Front matter and numbers. `tables` are those of the corpus in the export: name → files."""
    recognises = any(task.startswith("asr") for task in counts.amounts)
    head = {
        "language": sorted(counts.languages),
        "license": _license(counts),
        "task_categories": [*(_RECOGNITION if recognises else ()), "audio-text-to-text"],
        "tags": ["audio", "soundseam"],
        "size_categories": [next((name for most, name in _SIZES if counts.total < most), "n>1M")],
        "configs": [*_data_configs(finished), *_table_configs(tables)],
    }
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n{readme(finished.options, counts, finished.files)}"


def readme(options: ExportOptions, counts: Counts, names: Sequence[str] = ()) -> str:
    """The numbers of an export, for people, and the command that reads or trains on its files `names`."""
    amount = counts.amount
    lines = [
        "# Training data made by Soundseam",
        "",
        f"Stage {options.stage}, format `{options.to}`: {counts.total:,} samples over {_hours(counts.clips_ms)} hours "
        f"of audio; counted once per sample, {_hours(amount.audio_ms)} hours, "
        f"{amount.audio_tokens:,} audio tokens and about {amount.text_tokens:,} text tokens.",
        "Audio is 16 kHz mono. All samples of a recording are in one split. They are in the order of their "
        "segments: shuffle them.",
        "",
        "| task | train | validation | hours | audio tokens | text tokens, approximately |",
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
    if options.recipe is not None:
        lines += pack_notes(options.recipe, counts)
    elif shares:
        lines += ["", "Meant to be sampled in these shares, the rest being text:", ""]
        lines += [f"- {task}: {share:g}" for task, share in shares.items()]
    if command := _command(options, names):
        lines += ["", "## Use", "", "```bash", command, "```"]
    return "\n".join(lines) + "\n"


def _command(options: ExportOptions, names: Sequence[str]) -> str:
    form = format_named(options.to)
    if options.recipe is None:
        return form.command_for(names).format(target=".")
    return (form.pack_command or form.command).format(target=".", context=options.recipe.context)


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


def _data_configs(finished: Finished) -> list[dict[str, object]]:
    """The default configuration of `load_dataset`, clips, and that of pairs of clips."""
    configs: list[dict[str, object]] = []
    for name, folder in (("default", DATA), (PAIRS, PAIRS), ("default", f"{DATA}/{PACK}")):
        data_files = [
            {"split": str(split), "path": f"{folder}/{split}-*.parquet"}
            for split in SPLITS
            if finished.under(f"{folder}/{split}-", ".parquet")
        ]
        if data_files:
            configs.append({"config_name": name, "data_files": data_files})
    return configs


def _table_configs(tables: Mapping[str, Sequence[str]]) -> list[dict[str, object]]:
    return [
        {
            "config_name": f"table_{name.replace('/', '_')}",
            "data_files": [{"split": "train", "path": f"tables/{name}/*.parquet"}],
        }
        for name, members in tables.items()
        if members
    ]


_SCRATCH = f"{EXPORT_FOLDER}/scratch"
SUMMARY_FILE = f"{EXPORT_FOLDER}/export.json"


class ExportSummary(Record):
    """`_export/export.json`."""

    plan_parts: int
    parts_written: int
    """Parts written by this call; the others existed."""
    counts: Counts
    shares: dict[str, float] = Field(default={})
    """task → its intended share in sampling; the rest, if any, is text."""
    indexes: tuple[str, ...]
    """The files besides the parts."""


def run_export(plan: ExportPlan, workers: int, on_progress: Callable[[int, int], None]) -> ExportSummary:
    """Writes missing parts, joined files and indexes, and only then removes parts of another plan.

    `on_progress` is called with the number of finished parts and the total. Raises SetupError if there is no sample to
    export, and leaves an earlier export unchanged. The caller must have called `check_export`.
    """
    wanted = {part.part: part for part in plan.parts}
    earlier = read_layout(plan.target)
    markers = whole_parts(plan.target)
    missing = [part for name, part in wanted.items() if name not in markers]
    made_folder = files.is_local(plan.target) and not files.local_path(plan.target).exists()
    if earlier is None:
        write_layout(plan, {})
    # A worker needs the plan without the other parts.
    alone = plan.model_copy(update={"parts": ()})
    for done, marker in enumerate(in_order(partial(write_part, alone), missing, workers), 1):
        markers[marker.part] = marker
        on_progress(len(wanted) - len(missing) + done, len(wanted))
    counts = Counts()
    for name in wanted:
        counts = counts.plus(markers[name].counts)
    if plan.surveyed:
        counts = counts.model_copy(update=dict(plan.surveyed))
    if not counts.total:
        _take_back(plan, [markers[part.part] for part in missing], earlier is None)
        if made_folder:
            files.local_path(plan.target).rmdir()
        raise SetupError(_no_samples(plan, counts))
    indexes = _finish(plan, [markers[name] for name in wanted], counts, earlier.indexes if earlier else {})
    summary = ExportSummary(
        plan_parts=len(wanted),
        parts_written=len(missing),
        counts=counts,
        shares=mix_of(plan.options).shares,
        indexes=indexes,
    )
    files.write_atomically(files.join(plan.target, SUMMARY_FILE), (summary.model_dump_json(indent=1) + "\n").encode())
    remove_parts(plan.target, [marker for marker in read_markers(plan.target) if marker.part not in wanted])
    write_layout(plan, hashes_of(plan.target, indexes))
    return summary


def _take_back(plan: ExportPlan, written: Sequence[PartMarker], was_new: bool) -> None:
    """Removes what this call wrote; for a new export, everything."""
    remove_parts(plan.target, written)
    if was_new:
        files.delete([files.join(plan.target, LAYOUT_FILE)])
        _remove_scratch(plan.target)
        files.remove_empty_folders(plan.target, [MARKERS])


def _no_samples(plan: ExportPlan, counts: Counts) -> str:
    reasons = [f"{count:,} {name}" for name, count in counts.skipped.items()]
    if counts.lost:
        reasons.append(f"{counts.lost:,} whose segments are gone: run soundseam sft {redact_uri(plan.output)} again")
    why = f": left out are {', '.join(reasons)}" if reasons else ""
    return f"no sample of {redact_uri(plan.output)} can be exported as {plan.options.to} with these options{why}"


def write_part(plan: ExportPlan, part: Part) -> PartMarker:
    """Writes one part: its files beside their final location, then moves them, then writes the marker."""
    recipe = plan.options.recipe
    reader, tally = part_reader(plan, part), Tally(text_counter(recipe.tokenizer if recipe else None))
    with tempfile.TemporaryDirectory(prefix="part-", dir=_scratch(plan.target)) as folder:
        writer = part_writer(Place(Path(folder), plan.target, part.part, plan.options, part.window or WHOLE))
        for item in reader.items():
            tally.add(item, writer.write(item))
        writer.close()
        names = sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())
        written = [part_file(Path(folder), name) for name in names]
        for name in names:
            _place(Path(folder) / name, plan.target, name)
    counts = tally.counts(0 if part.window else reader.lost)
    if isinstance(writer, PackWriter):
        counts = counts.plus(writer.counts())
    marker = PartMarker(part=part.part, files=tuple(written), counts=counts)
    uri = files.join(plan.target, MARKERS, f"{part.part}.json")
    files.write_atomically(uri, marker.model_dump_json().encode())
    return marker


def _scratch(target: str) -> str | None:
    if not files.is_local(target):
        return None
    folder = files.join(target, _SCRATCH)
    files.make_folder(folder)
    return str(files.local_path(folder))


def _place(source: Path, target: str, name: str) -> None:
    """Moves a file without syncing the disk: after a system crash an export is written again."""
    if files.is_local(target):
        final = files.local_path(files.join(target, name))
        final.parent.mkdir(parents=True, exist_ok=True)
        source.replace(final)
    else:
        files.publish(source, files.join(target, name))


def _finish(
    plan: ExportPlan, markers: Sequence[PartMarker], counts: Counts, earlier: Mapping[str, str]
) -> tuple[str, ...]:
    """Writes the files besides the parts, then removes those of an `earlier` export; returns their names."""
    form = format_named(plan.options.to)
    finished = Finished(plan.target, plan.options, tuple(file.name for marker in markers for file in marker.files))
    joined, texts = form.joined(finished), dict(form.finish(finished))
    tables = _copy_tables(plan) if plan.options.to == "hf" and plan.options.tables else {}
    texts[README] = (
        card(finished, counts, tables) if plan.options.to == "hf" else readme(plan.options, counts, finished.files)
    )
    names = (*joined, *texts)
    write_layout(plan, {**earlier, **dict.fromkeys(names, "")})
    for name, members in joined.items():
        _join(plan.target, name, members)
    for name, text in texts.items():
        files.write_atomically(files.join(plan.target, name), text.encode())
    files.delete(files.join(plan.target, name) for name in earlier if name not in names)
    _remove_tables(plan.target, tables)
    _remove_scratch(plan.target)
    return names


def _remove_scratch(target: str) -> None:
    if files.is_local(target):
        shutil.rmtree(files.local_path(files.join(target, _SCRATCH)), ignore_errors=True)


def _join(target: str, name: str, members: Sequence[str]) -> None:
    with tempfile.NamedTemporaryFile(dir=_scratch(target), delete=False) as whole:
        for member in members:
            with files.open_read(files.join(target, member)) as part:
                shutil.copyfileobj(part, whole, files.COPY_BYTES)
    files.publish(Path(whole.name), files.join(target, name))


def _copy_tables(plan: ExportPlan) -> Mapping[str, Sequence[str]]:
    """Copies missing committed files of the corpus; names contain a hash, so files with equal names are equal."""
    corpus = Corpus.load_present(plan.output, stages_in(plan.output))
    wanted: dict[str, list[str]] = {str(table): [] for table in Table if table is not Table.FILTERED}
    if (marker := read_marker(plan.output)) and (marker.found.duplicates or marker.found.contaminated):
        wanted[DUPLICATES_FOLDER] = [marker.name]
    for commits in corpus.commits.values():
        for entry in (entry for commit in commits for entry in commit.files if entry.table in wanted and entry.rows):
            wanted[str(entry.table)].append(entry.name)
    there = {files.relative_to(stat.uri, plan.target) for stat in files.list_files(files.join(plan.target, "tables"))}
    for table, names in wanted.items():
        for name in names:
            if f"tables/{table}/{name}" not in there:
                _copy_table_file(plan, table, name)
    return wanted


def _remove_tables(target: str, wanted: Mapping[str, Sequence[str]]) -> None:
    """Removes copies of files that the corpus no longer has, and nothing else."""
    wanted_files = {f"tables/{table}/{name}" for table, names in wanted.items() for name in names}
    there = {files.relative_to(stat.uri, target) for stat in files.list_files(files.join(target, "tables"))}
    stale = [name for name in there - wanted_files if is_table_file(files.name_of(name))]
    files.delete([files.join(target, name) for name in stale])
    files.remove_empty_folders(target, {name.rpartition("/")[0] for name in stale})


def _copy_table_file(plan: ExportPlan, table: str, name: str) -> None:
    uri = files.join(plan.output, table, name)
    with tempfile.NamedTemporaryFile(dir=_scratch(plan.target), delete=False) as copy, files.open_read(uri) as source:
        shutil.copyfileobj(source, copy, files.COPY_BYTES)
    _place(Path(copy.name), plan.target, f"tables/{table}/{name}")
