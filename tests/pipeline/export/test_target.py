"""The folder of an export: what in it is ours, what is another export's, and which parts are complete."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pytest

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.export.base import ExportOptions
from soundseam.pipeline.export.counts import Counts
from soundseam.pipeline.export.plan import ExportPlan, Part
from soundseam.pipeline.export.target import (
    LAYOUT_FILE,
    MARKERS,
    PartMarker,
    check_export,
    hashes_of,
    part_file,
    read_layout,
    read_markers,
    remove_parts,
    whole_parts,
    write_layout,
)
from soundseam.pipeline.storage.commits import Commit, new_commit, prepare_output


def plan_of(folder: Path, corpus: str = "corpus", to: str = "llamafactory", parts: str = "p") -> ExportPlan:
    return ExportPlan(
        output=str(folder / corpus),
        target=str(folder / "out"),
        options=ExportOptions(to=to),
        tasks=("key",),
        rates=(),
        parts=tuple(Part(part=name, shards=(0,), recording_ids=(name,)) for name in parts),
    )


def put(folder: Path, name: str, text: str) -> None:
    (folder / "out" / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / "out" / name).write_text(text)


def put_part(folder: Path, part: str, *names: str) -> PartMarker:
    """A part with its marker and files, each of which holds its own name."""
    for name in names:
        put(folder, name, name)
    marker = PartMarker(
        part=part, files=tuple(part_file(folder / "out", name) for name in names), counts=Counts(lost=1)
    )
    put(folder, f"{MARKERS}/{part}.json", marker.model_dump_json())
    return marker


def refused(plan: ExportPlan, replace: bool = False) -> str:
    """Why an export is refused; empty if it is not."""
    try:
        check_export(plan, replace)
    except SetupError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", ["README.md", "train.jsonl", "validation.jsonl", "dataset_info.json"])
def test_a_file_that_no_export_wrote_is_never_replaced(tmp_path: Path, name: str) -> None:
    plan = plan_of(tmp_path)
    assert not refused(plan)
    put(tmp_path, name, "mine")
    for replace in (False, True):
        assert f"{name} in {plan.target} was not written by an export" in refused(plan, replace)
    write_layout(plan, {"another": "", name: ""})
    assert not refused(plan)
    assert not refused(plan_of(tmp_path, to="webdataset"), replace=True)


def test_a_file_that_somebody_edited_is_replaced_only_if_asked_and_damaged_lines_always(tmp_path: Path) -> None:
    plan, names = plan_of(tmp_path), ("README.md", "dataset_info.json", "train.jsonl")
    for name in names:
        put(tmp_path, name, name)
    write_layout(plan, hashes_of(plan.target, names))
    assert not refused(plan)
    put(tmp_path, "train.jsonl", "{")
    assert not refused(plan)
    for name, edit in itertools.product(names[:2], ("mine", "mine too", "mine as well", "also mine")):
        put(tmp_path, name, edit)
        assert f"{name} in {plan.target} was changed since it was exported" in refused(plan)
        assert not refused(plan, replace=True)
        put(tmp_path, name, name)


def test_other_options_make_another_export(tmp_path: Path) -> None:
    write_layout(plan_of(tmp_path), {})
    assert not refused(plan_of(tmp_path))
    assert "made with other options" in refused(plan_of(tmp_path, to="moss"))
    assert not refused(plan_of(tmp_path, to="moss"), replace=True)


def test_another_corpus_makes_another_export_unless_they_share_a_part(tmp_path: Path) -> None:
    write_layout(plan_of(tmp_path), {})
    assert not refused(plan_of(tmp_path, corpus="other"))
    put_part(tmp_path, "p", "a.wav")
    assert not refused(plan_of(tmp_path, corpus="other", parts="qp"))
    assert not refused(plan_of(tmp_path, parts="q"))
    assert "or of another corpus" in refused(plan_of(tmp_path, corpus="other", parts="qr"))
    assert not refused(plan_of(tmp_path, corpus="other", parts="qr"), replace=True)


def test_a_corpus_is_no_folder_for_an_export(tmp_path: Path) -> None:
    prepare_output(str(tmp_path / "out"))
    with new_commit(str(tmp_path / "out"), Commit(stage="segments", shard=0, covers=(("a", "1"),), files=())):
        pass
    assert "is a corpus: an export needs its own folder" in refused(plan_of(tmp_path), replace=True)


def test_a_layout_is_read_as_it_was_written_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert read_layout(plan.target) is None
    write_layout(plan, {"b": "2", "a": "1"})
    layout = read_layout(plan.target)
    assert layout is not None
    assert list(layout.indexes.items()) == [("a", "1"), ("b", "2")]
    assert (layout.options, layout.corpus) == (plan.options, str((tmp_path / "corpus").resolve()))
    put(tmp_path, LAYOUT_FILE, "{}")
    with pytest.raises(SetupError, match="is not of this version: choose another --output"):
        read_layout(plan.target)


def test_where_a_remote_corpus_lies_is_noted_without_its_secrets(tmp_path: Path) -> None:
    plan = plan_of(tmp_path).model_copy(update={"output": "s3://name:secret@bucket/corpus"})
    write_layout(plan, {})
    assert "secret" not in (tmp_path / "out" / LAYOUT_FILE).read_text()


def test_a_part_is_complete_if_all_its_files_have_their_sizes(tmp_path: Path) -> None:
    target = str(tmp_path / "out")
    whole = put_part(tmp_path, "whole", "audio/a.wav", "audio/b.wav")
    put_part(tmp_path, "short", "audio/c.wav", "audio/d.wav")
    put_part(tmp_path, "gone", "audio/e.wav", "audio/f.wav")
    put(tmp_path, "audio/d.wav", "audio/d.wa")
    (tmp_path / "out/audio/e.wav").unlink()
    put(tmp_path, f"{MARKERS}/damaged.json", "{")
    put(tmp_path, f"{MARKERS}/notes.txt", whole.model_dump_json())
    assert sorted(marker.part for marker in read_markers(target)) == ["gone", "short", "whole"]
    assert whole_parts(target) == {"whole": whole}
    assert whole_parts(str(tmp_path / "none")) == {}


def test_what_is_removed_of_a_part_is_its_own(tmp_path: Path) -> None:
    one, other = put_part(tmp_path, "one", "audio/one/a.wav", "b.wav"), put_part(tmp_path, "other", "audio/c.wav")
    put(tmp_path, "audio/mine.wav", "mine")
    remove_parts(str(tmp_path / "out"), [one])
    left = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert left == {"audio/c.wav", "audio/mine.wav", f"{MARKERS}/other.json"}
    assert not (tmp_path / "out/audio/one").exists()
    assert list(read_markers(str(tmp_path / "out"))) == [other]


def test_a_file_is_noted_with_its_size_and_hash(tmp_path: Path) -> None:
    put(tmp_path, "audio/a.wav", "sound")
    found = part_file(tmp_path / "out", "audio/a.wav")
    sha256 = hashlib.sha256(b"sound").hexdigest()
    assert (found.name, found.bytes, found.sha256) == ("audio/a.wav", 5, sha256)
    assert hashes_of(str(tmp_path / "out"), ["audio/a.wav"]) == {"audio/a.wav": sha256}
