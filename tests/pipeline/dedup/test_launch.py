"""Duplicates of a corpus are marked, never deleted: within it, and against evaluation sets."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from benchmarks.distortions import MP3, gain
from soundseam.annotators.base import Samples
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.dedup import fingerprint_files
from soundseam.pipeline.dedup.launch import Deduplicated, DedupRequest, find_duplicates
from soundseam.pipeline.dedup.store import read_duplicates, read_marker
from soundseam.pipeline.storage import files
from soundseam.schemas.duplicate import Duplicate, Relation
from tests.pipeline.dedup.sounds import (
    BEAT,
    MELODY,
    NOISE,
    OTHER_BEAT,
    OTHER_MELODY,
    OTHER_NOISE,
    RATE_HZ,
    SILENCE,
    commit_sounds,
    pcm_of,
    segment_of,
)
from tests.support.builders import recording_id_of
from tests.support.memory_files import MemoryFileSystem

RANDOM = np.random.default_rng(0)
SOFT_MELODY = gain(-10)(MELODY, RANDOM)
RECORDINGS = {
    "a": [MELODY, BEAT],
    "b": [OTHER_BEAT, SOFT_MELODY],
    "c": [NOISE],
    "d": [NOISE, OTHER_NOISE],
    "e": [OTHER_MELODY],
    "f": [SILENCE],
    "g": [SILENCE],
}


def dedup(output: Path | str, *against: Path, **options: object) -> Deduplicated:
    request = DedupRequest(output=str(output), against=tuple(map(str, against)), **options)  # type: ignore[arg-type]
    return find_duplicates(request, lambda done, parts: None)


def rows(output: Path | str) -> dict[str, Duplicate]:
    return {row.segment_id: row for row in read_duplicates(str(output))}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("corpus") / "out"
    commit_sounds(output, RECORDINGS)
    return output


@pytest.fixture
def corpus(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "out"))


def write_wav(path: Path, samples: Samples) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, pcm_of(samples), RATE_HZ, subtype="PCM_16")
    return path


def test_equal_samples_are_exact_and_altered_ones_near(corpus: Path) -> None:
    found = dedup(corpus).found
    assert (found.segments, found.duplicates, found.clusters, found.contaminated) == (10, 4, 2, 0)
    marked = rows(corpus)
    assert set(marked) == {segment_of("a"), segment_of("b", 1), segment_of("c"), segment_of("d")}
    noise, melody = marked[segment_of("c")], marked[segment_of("b", 1)]
    assert noise.corpus is not None
    assert (noise.corpus.relation, noise.corpus.name) == (Relation.EXACT, segment_of("d"))
    assert (noise.corpus.similarity, noise.corpus.offset_ms, noise.corpus.overlap_ms) == (1.0, 0, 8000)
    assert melody.corpus is not None
    assert (melody.corpus.relation, melody.corpus.name) == (Relation.NEAR, segment_of("a"))
    assert all(row.evaluation is None for row in marked.values())


def test_one_of_a_cluster_comes_first_and_recordings_that_share_one_are_a_group(corpus: Path) -> None:
    dedup(corpus)
    marked = rows(corpus)
    assert {name for name, row in marked.items() if row.first} == {segment_of("a"), segment_of("c")}
    assert marked[segment_of("b", 1)].cluster == segment_of("a")
    groups = {row.recording_id: row.group for row in marked.values()}
    ids = {name: recording_id_of(name) for name in "abcd"}
    assert groups == {ids["a"]: ids["a"], ids["b"]: ids["a"], ids["c"]: ids["c"], ids["d"]: ids["c"]}


def test_recordings_are_joined_by_way_of_others(tmp_path: Path) -> None:
    commit_sounds(tmp_path, {"z": [MELODY, BEAT], "y": [BEAT, NOISE], "x": [NOISE]})
    dedup(tmp_path)
    assert {row.group for row in rows(tmp_path).values()} == {recording_id_of("x")}
    assert len({row.cluster for row in rows(tmp_path).values()}) == 2


def test_silence_is_no_duplicate_of_silence(corpus: Path) -> None:
    dedup(corpus)
    assert not [
        row for row in rows(corpus).values() if row.recording_id in {recording_id_of("f"), recording_id_of("g")}
    ]


def test_nothing_is_deleted(corpus: Path) -> None:
    before = {path: path.read_bytes() for path in (corpus / "segments").iterdir()}
    dedup(corpus)
    assert {path: path.read_bytes() for path in (corpus / "segments").iterdir()} == before


def test_what_a_folder_of_audio_holds_is_marked(corpus: Path, tmp_path: Path) -> None:
    write_wav(tmp_path / "eval" / "deep" / "mp3 beat.wav", MP3(BEAT[4000:], RANDOM))
    write_wav(tmp_path / "eval" / "noise.wav", NOISE)
    write_wav(tmp_path / "eval" / "new.wav", OTHER_BEAT[::-1])
    (tmp_path / "eval" / "labels.csv").write_text("file,label\n")
    assert dedup(corpus, tmp_path / "eval").found.contaminated == 3
    marked = rows(corpus)
    beat, noise, copy = (marked[name].evaluation for name in (segment_of("a", 1), segment_of("c"), segment_of("d")))
    assert beat is not None
    assert noise is not None
    assert (beat.name, beat.source, beat.relation) == ("deep/mp3 beat.wav", str(tmp_path / "eval"), Relation.NEAR)
    assert abs(beat.offset_ms + 250) <= 60
    assert (noise.name, noise.relation) == ("noise.wav", Relation.EXACT)
    assert copy == noise
    # In an evaluation set alone: nothing to keep together, nothing to leave out but itself.
    assert (marked[segment_of("a", 1)].cluster, marked[segment_of("a", 1)].group) == (None, None)
    assert marked[segment_of("a", 1)].first


def test_all_of_a_long_file_is_compared(corpus: Path, tmp_path: Path) -> None:
    pause = np.zeros(57 * RATE_HZ, np.float32)
    write_wav(tmp_path / "eval" / "long.wav", np.concatenate([OTHER_MELODY, pause, BEAT]))
    dedup(corpus, tmp_path / "eval")
    at = {name: row.evaluation.offset_ms for name, row in rows(corpus).items() if row.evaluation is not None}
    assert at == {segment_of("e"): 0, segment_of("a", 1): 65_000}


def test_a_published_fingerprint_file_stands_for_its_corpus(corpus: Path, tmp_path: Path) -> None:
    commit_sounds(tmp_path / "eval", {"held": [SOFT_MELODY, NOISE], "out": [OTHER_NOISE[::-1]]})
    dedup(tmp_path / "eval", fingerprints=str(tmp_path / "eval.parquet"))
    assert b"fLaC" not in (tmp_path / "eval.parquet").read_bytes()
    assert pq.read_metadata(tmp_path / "eval.parquet").num_rows == 3
    assert dedup(corpus, tmp_path / "eval.parquet").found.contaminated == 4
    found = rows(corpus)[segment_of("b", 1)].evaluation
    assert found is not None
    assert (found.name, found.relation) == (segment_of("held"), Relation.EXACT)


def test_fingerprints_overwrite_fingerprints_alone(corpus: Path, tmp_path: Path) -> None:
    prints, table, text = (tmp_path / name for name in ("prints.parquet", "table.parquet", "notes.txt"))
    dedup(corpus, fingerprints=str(prints))
    dedup(corpus, fingerprints=str(prints))
    pq.write_table(pa.table({"mine": [1]}), table)
    text.write_text("mine")
    for path in (table, text):
        before = path.read_bytes()
        with pytest.raises(SetupError, match="is not a fingerprint file"):
            dedup(corpus, fingerprints=str(path))
        assert path.read_bytes() == before


def test_several_sets_are_told_apart(corpus: Path, tmp_path: Path) -> None:
    one, other = write_wav(tmp_path / "one" / "x.wav", BEAT), write_wav(tmp_path / "other" / "x.wav", OTHER_MELODY)
    dedup(corpus, one.parent, other)
    sources = {name: row.evaluation.source for name, row in rows(corpus).items() if row.evaluation}
    assert sources == {segment_of("a", 1): str(one.parent), segment_of("e"): str(other)}


def test_a_second_time_there_is_nothing_to_do(corpus: Path, tmp_path: Path) -> None:
    first = dedup(corpus)
    before = read_marker(str(corpus))
    again = dedup(corpus)
    assert first.seconds is not None
    assert again.seconds is None
    assert again.found == first.found
    assert read_marker(str(corpus)) == before
    eval_set = write_wav(tmp_path / "eval" / "x.wav", BEAT)
    assert dedup(corpus, eval_set.parent).seconds is not None
    write_wav(tmp_path / "eval" / "y.wav", NOISE)
    assert dedup(corpus, eval_set.parent).found.contaminated == 3


def test_a_table_is_replaced_whole(corpus: Path, tmp_path: Path) -> None:
    dedup(corpus)
    dedup(corpus, write_wav(tmp_path / "x.wav", BEAT))
    (file,) = (corpus / "duplicates").iterdir()
    assert pq.read_metadata(file).num_rows == 5


def test_only_new_files_need_fingerprints(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dedup(corpus)
    commit_sounds(corpus, {"h": [BEAT]})
    read = []
    original = fingerprint_files._make_file
    monkeypatch.setattr(fingerprint_files, "_make_file", lambda work: read.append(work) or original(work))
    assert dedup(corpus).found.duplicates == 6
    assert len(read) == 1


def test_what_was_cut_off_is_finished_with_the_same_result(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CutOffError(Exception):
        pass

    made = []
    original = fingerprint_files._make_file

    def cut_off(work: tuple[str, str]) -> None:
        if len(made) == 3:
            raise CutOffError
        made.append(work)
        original(work)

    monkeypatch.setattr(fingerprint_files, "_make_file", cut_off)
    with pytest.raises(CutOffError):
        dedup(corpus)
    assert rows(corpus) == {}
    monkeypatch.setattr(fingerprint_files, "_make_file", lambda work: made.append(work) or original(work))
    dedup(corpus)
    assert len(made) == len(set(made)) == len(RECORDINGS)
    commit_sounds(tmp_path / "whole", RECORDINGS)
    dedup(tmp_path / "whole")
    assert rows(corpus) == rows(tmp_path / "whole")


def test_fingerprints_of_what_is_gone_are_removed(corpus: Path) -> None:
    dedup(corpus)
    folder = corpus / "_run" / "fingerprints"
    assert len(list(folder.rglob("*.parquet"))) == len(RECORDINGS)
    marker = next((corpus / "_run" / "commits" / "segments").rglob("*.json"))
    marker.unlink()
    dedup(corpus)
    assert len(list(folder.rglob("*.parquet"))) == len(RECORDINGS) - 1


def test_workers_find_the_same(corpus: Path, made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fingerprint_files, "ALONE_BYTES", 0)
    write_wav(tmp_path / "eval" / "one.wav", BEAT)
    write_wav(tmp_path / "eval" / "two.wav", NOISE)
    dedup(corpus, tmp_path / "eval", workers=2)
    alone = Path(shutil.copytree(made, tmp_path / "alone"))
    dedup(alone, tmp_path / "eval", workers=1)
    assert rows(corpus) == rows(alone)
    assert any(row.evaluation for row in rows(corpus).values())


def test_a_remote_corpus_is_marked_alike(corpus: Path) -> None:
    MemoryFileSystem.clear()
    remote = "mem://bucket/out"
    commit_sounds(remote, RECORDINGS)
    assert dedup(remote).found == dedup(corpus).found
    assert rows(remote) == rows(corpus)
    assert len(files.list_files(f"{remote}/duplicates")) == 1


def test_a_fingerprint_file_that_is_damaged_names_itself_and_the_remedy(corpus: Path) -> None:
    dedup(corpus)
    kept = next((corpus / "_run" / "fingerprints").rglob("*.parquet"))
    kept.write_bytes(b"nothing")
    (corpus / "_run" / "duplicates.json").unlink()
    with pytest.raises(SetupError, match=f"Delete .*{kept.name}"):
        dedup(corpus)
    kept.unlink()
    assert dedup(corpus).found.duplicates == 4


@pytest.mark.parametrize("name", ["nowhere", "nowhere.parquet"])
def test_a_set_that_is_not_there_is_refused(corpus: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(SetupError, match=r"there is no .*nowhere.*--against names"):
        dedup(corpus, tmp_path / name)


def test_a_set_without_audio_is_refused(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "notes.txt").write_text("no sound")
    for folder in ("empty", "text"):
        with pytest.raises(SetupError, match="has no audio"):
            dedup(corpus, tmp_path / folder)


def test_files_of_a_set_that_are_no_audio_are_counted(
    corpus: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_wav(tmp_path / "eval" / "x.wav", BEAT)
    (tmp_path / "eval" / "y.wav").write_bytes(b"RIFF")
    (tmp_path / "eval" / ".hidden").write_bytes(b"RIFF")
    dedup(corpus, tmp_path / "eval")
    assert "1 of 2 files" in caplog.text


def test_a_folder_without_a_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="holds no corpus"):
        dedup(tmp_path)
    with pytest.raises(SetupError, match="there is no folder"):
        dedup(tmp_path / "missing")


def test_audio_that_cannot_be_decoded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.pipeline.dedup.sounds.flac", lambda samples: b"fLaC and nothing")
    commit_sounds(tmp_path, {"a": [MELODY]})
    with pytest.raises(SetupError, match=f"segment {segment_of('a')} cannot be decoded"):
        dedup(tmp_path)
