"""Read back by datasets itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest

from soundseam.pipeline.dedup.launch import DedupRequest, find_duplicates
from tests.pipeline.dedup.sounds import BEAT, MELODY, commit_sounds, segment_of
from tests.pipeline.export.exports import audio_in, decode, export, samples_in
from tests.pipeline.sft.builders import CONFIG
from tests.pipeline.sft.corpora import build_samples


@pytest.fixture(scope="module")
def exported(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("hf")
    export(corpus, target, "hf")
    return target


def load(exported: Path, name: str, cache: Path) -> Any:
    return datasets.load_dataset(str(exported), name, cache_dir=str(cache))


def test_every_task_and_table_is_a_configuration(corpus: Path, exported: Path) -> None:
    names = set(datasets.get_dataset_config_names(str(exported)))
    tasks = {sample.task for sample in samples_in(corpus).values()}
    pairs = {f"{sample.task}_two_clips" for sample in samples_in(corpus).values() if len(sample.segment_ids) == 2}
    assert names == (tasks - {"comparison"}) | pairs | {
        "default",
        "table_recordings",
        "table_segments",
        "table_captions",
        "table_annotations_speech",
        "table_annotations_music",
        "table_annotations_general",
    }


@pytest.mark.parametrize(("task", "clips"), [("caption", 1), ("comparison", 2), ("chords", 1)])
def test_rows_come_back_with_typed_audio(corpus: Path, exported: Path, tmp_path: Path, task: str, clips: int) -> None:
    loaded = load(exported, task if clips == 1 else f"{task}_two_clips", tmp_path)
    wanted = {key: sample for key, sample in samples_in(corpus).items() if sample.task == task}
    audio, seen = audio_in(corpus), set()
    plain = datasets.Audio(decode=False)
    for split, rows in loaded.items():
        kind = rows.features["audio"] if clips == 1 else rows.features["audios"].feature
        assert isinstance(kind, datasets.Audio)
        raw = rows.cast_column("audio", plain) if clips == 1 else rows.cast_column("audios", datasets.List(plain))
        for row in raw:
            sample = wanted[row["sample_id"]]
            assert (sample.split, sample.question, sample.answer) == (split, row["question"], row["text"])
            assert [message["content"] for message in row["messages"]] == [one.content for one in sample.messages]
            for segment_id, clip in zip(sample.segment_ids, row.get("audios") or [row["audio"]], strict=True):
                assert np.array_equal(decode(clip["bytes"]), audio[segment_id])
            seen.add(row["sample_id"])
    assert seen == set(wanted)


def test_without_a_name_there_are_audio_and_text(corpus: Path, exported: Path, tmp_path: Path) -> None:
    loaded = datasets.load_dataset(str(exported), cache_dir=str(tmp_path))
    wanted = {key for key, sample in samples_in(corpus).items() if sample.task in {"caption", "asr"}}
    assert {name for rows in loaded.values() for name in rows["sample_id"]} == wanted
    assert all({"audio", "text"} <= set(rows.column_names) for rows in loaded.values())


def test_a_small_corpus_gives_one_file_a_task_and_split(exported: Path) -> None:
    for folder in (exported / "data").iterdir():
        assert len(list(folder.glob("train-*"))) <= 1


def test_features_are_written_as_datasets_3_knows_them(exported: Path) -> None:
    for path in (exported / "data").rglob("*.parquet"):
        features = pq.read_schema(path).metadata[b"huggingface"].decode()
        assert '"List"' not in features


def test_tables_come_back_whole(corpus: Path, exported: Path, tmp_path: Path) -> None:
    rows = load(exported, "table_segments", tmp_path)["train"]
    assert isinstance(rows.features["audio"], datasets.Audio)
    assert set(rows["segment_id"]) == set(audio_in(corpus))


def test_tables_can_be_left_out(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path, "hf", tables=False, tasks=["key"])
    assert set(datasets.get_dataset_config_names(str(tmp_path))) == {"default", "key"}
    assert not (tmp_path / "tables").exists()


def test_the_card_tells_counts_and_licenses(corpus: Path, exported: Path) -> None:
    card = (exported / "README.md").read_text()
    train = sum(sample.task == "key" and sample.split == "train" for sample in samples_in(corpus).values())
    held_out = sum(sample.task == "key" and sample.split == "validation" for sample in samples_in(corpus).values())
    assert f"| key | {train} | {held_out} | 0." in card
    assert f"| unknown | {len(samples_in(corpus))} |" in card
    assert "license: other" in card


def test_a_full_shard_is_followed_by_another(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path, "hf", shard_mb=1, tables=False, tasks=["presence"])
    files = list((tmp_path / "data" / "presence").iterdir())
    assert len(datasets.load_dataset("parquet", data_files=[str(file) for file in files])["train"]) == sum(
        sample.task == "presence" for sample in samples_in(corpus).values()
    )


def test_marked_duplicates_come_along(tmp_path: Path) -> None:
    commit_sounds(tmp_path / "corpus", {"a": [MELODY], "b": [MELODY], "c": [BEAT]})
    find_duplicates(DedupRequest(output=str(tmp_path / "corpus")), lambda done, parts: None)
    build_samples(tmp_path / "corpus", CONFIG.only(("refusal",)))
    export(tmp_path / "corpus", tmp_path / "hf", "hf")
    rows = load(tmp_path / "hf", "table_duplicates", tmp_path / "cache")["train"]
    assert set(rows["segment_id"]) == {segment_of("a"), segment_of("b")}
    assert {row["relation"] for row in rows["corpus"]} == {"exact"}
