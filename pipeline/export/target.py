"""The folder of an export: its owner, our files in it, and complete parts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.export.base import EXPORT_FOLDER, ExportOptions
from soundseam.pipeline.export.counts import Counts
from soundseam.pipeline.export.formats import format_named
from soundseam.pipeline.export.plan import ExportPlan
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import stages_in
from soundseam.pipeline.storage.ownership import check_target
from soundseam.pipeline.storage.redact import redact_uri
from soundseam.schemas.record import Record

MARKERS = f"{EXPORT_FOLDER}/parts"
README = "README.md"
LAYOUT_FILE = f"{EXPORT_FOLDER}/layout.json"


class PartFile(Record):
    """A file of a part; `name` is its path in the export."""

    name: str
    bytes: int
    sha256: str


class PartMarker(Record):
    """Written last: a part exists if its marker exists, and all its files with their sizes."""

    part: str
    files: tuple[PartFile, ...]
    counts: Counts


class ExportLayout(Record):
    """`_export/layout.json`: the options, and the export's own files besides the parts."""

    options: ExportOptions
    corpus: str
    indexes: dict[str, str]
    """name → SHA-256 of the written file; empty if it was about to be written."""


def check_export(plan: ExportPlan, replace: bool) -> None:
    """Raises SetupError if the export would overwrite somebody's files, or an export made with other options.

    With `replace` the new export replaces another one. Files not written by an export are never replaced.
    """
    name = redact_uri(plan.target)
    check_target(plan.target)
    if stages_in(plan.target):
        raise SetupError(f"{name} is a corpus: an export needs its own folder, such as --output {name}-export")
    layout = read_layout(plan.target)
    if not replace and _is_another(plan, layout):
        raise SetupError(
            f"{name} is an export made with other options or of another corpus: choose another --output, or give "
            "--replace to replace it"
        )
    own = layout.indexes if layout else {}
    for index in (README, *format_named(plan.options.to).indexes):
        uri = files.join(plan.target, index)
        if not files.exists(uri):
            continue
        if index not in own:
            raise SetupError(
                f"{index} in {name} was not written by an export: choose another --output, or move it away"
            )
        if own[index] and not replace and _is_text(index) and own[index] != files.sha256_of(uri):
            raise SetupError(
                f"{index} in {name} was changed since it was exported: move it away, or give --replace to overwrite it"
            )


def _is_text(name: str) -> bool:
    """Whether people edit such a file; damaged files of lines are written again."""
    return not name.endswith(".jsonl")


def _is_another(plan: ExportPlan, layout: ExportLayout | None) -> bool:
    if layout is None:
        return False
    markers = {marker.part for marker in read_markers(plan.target)}
    shared = any(part.part in markers for part in plan.parts)
    return layout.options != plan.options or (bool(markers) and not shared and layout.corpus != _corpus(plan))


def read_layout(target: str) -> ExportLayout | None:
    uri = files.join(target, LAYOUT_FILE)
    if not files.exists(uri):
        return None
    try:
        return ExportLayout.model_validate_json(files.read_bytes(uri))
    except ValidationError as error:
        raise SetupError(f"{redact_uri(uri)} is not of this version: choose another --output") from error


def write_layout(plan: ExportPlan, indexes: Mapping[str, str]) -> None:
    layout = ExportLayout(options=plan.options, corpus=_corpus(plan), indexes=dict(sorted(indexes.items())))
    data = (layout.model_dump_json(indent=1) + "\n").encode()
    files.write_atomically(files.join(plan.target, LAYOUT_FILE), data)


def _corpus(plan: ExportPlan) -> str:
    local = files.is_local(plan.output)
    return str(files.local_path(plan.output).resolve()) if local else redact_uri(plan.output)


def hashes_of(target: str, names: Collection[str]) -> dict[str, str]:
    return {name: files.sha256_of(files.join(target, name)) for name in names}


def read_markers(target: str) -> Iterator[PartMarker]:
    """The written parts; a marker that is damaged or of another version does not count."""
    for stat in files.list_files(files.join(target, MARKERS)):
        if stat.uri.endswith(".json"):
            try:
                yield PartMarker.model_validate_json(files.read_bytes(stat.uri))
            except ValidationError:
                continue


def whole_parts(target: str) -> dict[str, PartMarker]:
    """The parts of which every file exists with its original size."""
    sizes = {files.relative_to(stat.uri, target): stat.size_bytes for stat in files.list_files(target)}
    return {
        marker.part: marker
        for marker in read_markers(target)
        if all(sizes.get(file.name) == file.bytes for file in marker.files)
    }


def remove_parts(target: str, markers: Collection[PartMarker]) -> None:
    """Removes parts, their markers first, so that an interrupted removal leaves no part that looks complete."""
    files.delete([files.join(target, MARKERS, f"{marker.part}.json") for marker in markers])
    names = [file.name for marker in markers for file in marker.files]
    files.delete([files.join(target, name) for name in names])
    files.remove_empty_folders(target, {name.rpartition("/")[0] for name in names})


def part_file(folder: Path, name: str) -> PartFile:
    """The entry of a finished file of a part."""
    path = folder / name
    return PartFile(name=name, bytes=path.stat().st_size, sha256=files.sha256_of(str(path)))
