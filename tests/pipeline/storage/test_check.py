"""A committed file that is gone, cut off or altered is noticed, named, and done again; nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from soundseam.pipeline.local.watcher import remaining_work
from soundseam.pipeline.storage.check import DAMAGED_FOLDER, check_corpus, damage_of, set_aside, without_altered
from soundseam.pipeline.storage.commits import Commit, new_commit, prepare_output
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.storage.sweep import sweep
from soundseam.pipeline.work import ShardTask, StageTask
from soundseam.schemas.recording import Source
from soundseam.schemas.tables import Table
from tests.support.builders import a_caption, a_segment, recording_id_of

STAGE = "captions"


def commit(output: Path, *names: str) -> Path:
    covers = tuple((recording_id_of(name), "key") for name in names)
    empty_commit = Commit(stage=STAGE, shard=0, covers=covers, files=())
    with new_commit(str(output), empty_commit) as writer:
        for name in names:
            writer.append(Table.CAPTIONS, a_caption(a_segment(name, 0, 1000), text=f"{name} is heard"))
    (path,) = (output / "captions").glob(f"0000-{empty_commit.commit_id}-*.parquet")
    return path


@pytest.fixture
def output(tmp_path: Path) -> Path:
    prepare_output(str(tmp_path))
    return tmp_path


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def alter(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def check(output: Path) -> list[tuple[str, str]]:
    return [(Path(file.uri).name, file.damage) for file in check_corpus(str(output), lambda done, of: None)]


def done(output: Path) -> set[str]:
    return set(Corpus.load_present(str(output), [STAGE]).keys(STAGE))


def test_a_whole_corpus_is_whole(output: Path) -> None:
    commit(output, "a")
    commit(output, "b")
    assert check(output) == []
    assert without_altered(Corpus.load_present(str(output), [STAGE])).damaged == ()


@pytest.mark.parametrize(
    ("damage", "told"),
    [(Path.unlink, "missing"), (cut_off, "of another size"), (empty, "of another size"), (alter, "altered")],
)
def test_each_damage_is_named_with_its_file(output: Path, damage: Callable[[Path], None], told: str) -> None:
    path = commit(output, "a")
    commit(output, "b")
    damage(path)
    assert check(output) == [(path.name, told)]


@pytest.mark.parametrize("damage", [Path.unlink, cut_off, empty])
def test_what_is_gone_or_cut_off_has_to_be_done_again(output: Path, damage: Callable[[Path], None]) -> None:
    path = commit(output, "a")
    commit(output, "b")
    damage(path)
    corpus = Corpus.load_present(str(output), [STAGE])
    assert set(corpus.keys(STAGE)) == {recording_id_of("b")}
    assert [file.uri for file in corpus.damaged] == [str(path)]
    commit(output, "a")
    sweep(str(output), {})
    assert check(output) == []
    assert done(output) == {recording_id_of("a"), recording_id_of("b")}


def test_what_is_altered_has_to_be_done_again(output: Path) -> None:
    path = commit(output, "a")
    commit(output, "b")
    alter(path)
    corpus = without_altered(Corpus.load_present(str(output), [STAGE]))
    assert set(corpus.keys(STAGE)) == {recording_id_of("b")}
    assert [file.uri for file in corpus.damaged] == [str(path)]
    assert set_aside(str(output), [str(path)]) == 1
    assert done(output) == {recording_id_of("b")}
    assert [found.name for found in (output / DAMAGED_FOLDER).iterdir()] == [path.name]


@pytest.mark.parametrize("damage", [Path.unlink, cut_off])
def test_a_damaged_file_is_still_to_be_done_after_its_worker_was_lost(
    output: Path, damage: Callable[[Path], None]
) -> None:
    recording_id = recording_id_of("a")
    source = Source(uri="a", source_uri="a", recording_id=recording_id, size_bytes=1)
    work = ShardTask(shard=0, sources=(source,), stages=(StageTask(stage=STAGE, keys=((recording_id, "key"),)),))
    path = commit(output, "a")
    assert remaining_work(str(output), work) is None
    damage(path)
    assert remaining_work(str(output), work) == work


def test_a_run_reads_no_more_than_its_share_of_a_large_corpus(output: Path) -> None:
    alter(commit(output, "a"))
    corpus = Corpus.load_present(str(output), [STAGE])
    assert without_altered(corpus, budget_bytes=10).damaged == ()


def test_damaged_rows_that_nothing_makes_again_are_not_swept_away(output: Path) -> None:
    path = commit(output, "a")
    cut_off(path)
    commit(output, "b")
    sweep(str(output), {})
    assert path.exists()
    assert check(output) == [(path.name, "of another size")]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (pa.table({"other": ["x"]}), "with other columns"),
        (pa.table({"recording_id": pa.array([], pa.string())}), "with other rows"),
        (None, "not a Parquet file"),
    ],
)
def test_a_marker_that_names_what_is_no_table_is_noticed(output: Path, table: pa.Table | None, told: str) -> None:
    path = commit(output, "a")
    path.write_bytes(b"nothing") if table is None else pq.write_table(table, path)
    (entry,) = Corpus.load(str(output), [STAGE]).commits[STAGE][0].files
    data = path.read_bytes()
    entry = entry.model_copy(update={"sha256": sha256(data).hexdigest(), "bytes": len(data)})
    assert damage_of(str(path), entry) == told
