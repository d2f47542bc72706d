"""`soundseam export` from its options to a finished folder: part by part, resumable, in flat memory."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

from pydantic import Field, ValidationError

from pipeline.dedup.store import DUPLICATES_FOLDER, read_marker
from pipeline.export.base import EXPORT_FOLDER, Finished, Place
from pipeline.export.card import card, readme
from pipeline.export.counts import Counts, Tally
from pipeline.export.formats import format_named
from pipeline.export.plan import ExportPlan, Part, mix_of
from pipeline.export.read import PartReader
from pipeline.storage import files
from pipeline.storage.commits import Corpus, stages_in
from schemas.record import Record
from schemas.tables import Table

_MARKERS = f"{EXPORT_FOLDER}/parts"
_SCRATCH = f"{EXPORT_FOLDER}/scratch"
SUMMARY_FILE = f"{EXPORT_FOLDER}/export.json"


class PartMarker(Record):
    """Written last: a part is there exactly if its marker is."""

    part: str
    files: tuple[str, ...]
    """Paths in the export."""
    counts: Counts


class ExportSummary(Record):
    """`_export/export.json`."""

    plan_parts: int
    parts_written: int
    """By this call; the others were there."""
    counts: Counts
    shares: dict[str, float] = Field(default={})
    """task → the share it is meant to be sampled with; the rest, if any, is text."""
    indexes: tuple[str, ...]
    """The files that stand beside the parts."""


def run_export(plan: ExportPlan, workers: int, tell: Callable[[int, int], None]) -> ExportSummary:
    """Writes the parts that are missing, removes those of another plan, and joins and indexes.

    `tell` hears how many parts are done, of how many.
    """
    wanted = {part.part: part for part in plan.parts}
    markers = {marker.part: marker for marker in _read_markers(plan.target)}
    _remove([marker for name, marker in markers.items() if name not in wanted], plan.target)
    missing = [part for name, part in wanted.items() if name not in markers]
    for done, marker in enumerate(_written(plan, missing, workers), 1):
        markers[marker.part] = marker
        tell(len(wanted) - len(missing) + done, len(wanted))
    ordered = [markers[name] for name in wanted]
    counts = Counts()
    for marker in ordered:
        counts = counts.plus(marker.counts)
    indexes = _finish(plan, ordered, counts)
    summary = ExportSummary(
        plan_parts=len(wanted),
        parts_written=len(missing),
        counts=counts,
        shares=mix_of(plan.options).shares,
        indexes=indexes,
    )
    files.delete(files.join(plan.target, name) for name in _last_indexes(plan.target) if name not in indexes)
    files.write_atomically(files.join(plan.target, SUMMARY_FILE), (summary.model_dump_json(indent=1) + "\n").encode())
    return summary


def write_part(plan: ExportPlan, part: Part) -> PartMarker:
    """Writes one part: its files beside their final place, then into it, then the marker."""
    reader, tally = PartReader(plan, part), Tally()
    with tempfile.TemporaryDirectory(prefix="part-", dir=_scratch(plan.target)) as folder:
        writer = format_named(plan.options.to).writer(Place(Path(folder), plan.target, part.part, plan.options))
        for item in reader.items():
            tally.add(item, writer.write(item))
        writer.close()
        names = sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())
        for name in names:
            _place(Path(folder) / name, plan.target, name)
    marker = PartMarker(part=part.part, files=tuple(names), counts=tally.counts(reader.lost))
    uri = files.join(plan.target, _MARKERS, f"{part.part}.json")
    files.write_atomically(uri, marker.model_dump_json().encode())
    return marker


def _written(plan: ExportPlan, parts: Sequence[Part], workers: int) -> Iterator[PartMarker]:
    # A worker is told all of the plan but the other parts.
    alone = plan.model_copy(update={"parts": ()})
    if workers == 1 or len(parts) < 2:
        yield from (write_part(alone, part) for part in parts)
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        left = list(reversed(parts))
        running = {pool.submit(write_part, alone, left.pop()) for _ in range(min(2 * workers, len(left)))}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
                if left:
                    running.add(pool.submit(write_part, alone, left.pop()))


def _scratch(target: str) -> str | None:
    if not files.is_local(target):
        return None
    folder = files.join(target, _SCRATCH)
    files.make_folder(folder)
    return str(files.local_path(folder))


def _place(source: Path, target: str, name: str) -> None:
    """Moves a file without waiting for the disk: an export that is cut off by more than a kill is made again."""
    if files.is_local(target):
        final = files.local_path(files.join(target, name))
        final.parent.mkdir(parents=True, exist_ok=True)
        source.replace(final)
    else:
        files.publish(source, files.join(target, name))


def _read_markers(target: str) -> Iterator[PartMarker]:
    for stat in files.list_files(files.join(target, _MARKERS)):
        if stat.uri.endswith(".json"):
            try:
                yield PartMarker.model_validate_json(files.read_bytes(stat.uri))
            except ValidationError:
                files.delete([stat.uri])


def _remove(markers: Sequence[PartMarker], target: str) -> None:
    """Removes parts, their markers first, so that a killed removal leaves no part that looks whole."""
    files.delete([files.join(target, _MARKERS, f"{marker.part}.json") for marker in markers])
    for marker in markers:
        files.delete([files.join(target, name) for name in marker.files])


def _finish(plan: ExportPlan, markers: Sequence[PartMarker], counts: Counts) -> tuple[str, ...]:
    form = format_named(plan.options.to)
    names = tuple(name for marker in markers for name in marker.files)
    finished = Finished(plan.target, plan.options, names)
    joined = form.joined(finished)
    for name, members in joined.items():
        _join(plan.target, name, members)
    texts = dict(form.finish(finished))
    if plan.options.to == "hf":
        texts["README.md"] = card(finished, counts, _copy_tables(plan) if plan.options.tables else {})
    else:
        texts["README.md"] = readme(plan.options, counts)
    for name, text in texts.items():
        files.write_atomically(files.join(plan.target, name), text.encode())
    if files.is_local(plan.target):
        shutil.rmtree(files.local_path(files.join(plan.target, _SCRATCH)), ignore_errors=True)
    return (*joined, *texts)


def _last_indexes(target: str) -> tuple[str, ...]:
    uri = files.join(target, SUMMARY_FILE)
    if not files.exists(uri):
        return ()
    try:
        return ExportSummary.model_validate_json(files.read_bytes(uri)).indexes
    except ValidationError:
        return ()


def _join(target: str, name: str, members: Sequence[str]) -> None:
    with tempfile.NamedTemporaryFile(dir=_scratch(target), delete=False) as whole:
        for member in members:
            with files.open_read(files.join(target, member)) as part:
                shutil.copyfileobj(part, whole, files.COPY_BYTES)
    files.publish(Path(whole.name), files.join(target, name))


def _copy_tables(plan: ExportPlan) -> Mapping[str, Sequence[str]]:
    """Copies the corpus's own committed files that are not there yet; names say content, so equal names are equal."""
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
    kept = {f"tables/{table}/{name}" for table, names in wanted.items() for name in names}
    files.delete([files.join(plan.target, name) for name in there - kept])
    return wanted


def _copy_table_file(plan: ExportPlan, table: str, name: str) -> None:
    uri = files.join(plan.output, table, name)
    with tempfile.NamedTemporaryFile(dir=_scratch(plan.target), delete=False) as copy, files.open_read(uri) as source:
        shutil.copyfileobj(source, copy, files.COPY_BYTES)
    _place(Path(copy.name), plan.target, f"tables/{table}/{name}")
