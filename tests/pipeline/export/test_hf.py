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


def test_clips_pairs_and_every_table_are_configurations(exported: Path) -> None:
    assert set(datasets.get_dataset_config_names(str(exported))) == {
        "default",
        "pairs",
        "table_recordings",
        "table_segments",
        "table_captions",
        "table_annotations_speech",
        "table_annotations_music",
        "table_annotations_general",
    }


@pytest.mark.parametrize(("name", "clips"), [("default", 1), ("pairs", 2)])
def test_rows_come_back_with_typed_audio(corpus: Path, exported: Path, tmp_path: Path, name: str, clips: int) -> None:
    loaded = load(exported, name, tmp_path)
    wanted = {key: sample for key, sample in samples_in(corpus).items() if len(sample.segment_ids) == clips}
    audio, seen = audio_in(corpus), set()
    plain = datasets.Audio(decode=False)
    for split, rows in loaded.items():
        kind = rows.features["audio"] if clips == 1 else rows.features["audios"].feature
        assert isinstance(kind, datasets.Audio)
        raw = rows.cast_column("audio", plain) if clips == 1 else rows.cast_column("audios", datasets.List(plain))
        for row in raw:
            for segment_id, clip in zip(row["segment_ids"], row.get("audios") or [row["audio"]], strict=True):
                assert np.array_equal(decode(clip["bytes"]), audio[segment_id])
            for found in row["samples"]:
                sample = wanted[found["sample_id"]]
                assert (sample.split, sample.question) == (split, found["question"])
                assert found["text"].endswith(sample.answer)
                assert list(sample.segment_ids) == row["segment_ids"]
                assert [one["content"] for one in found["messages"]] == [one.content for one in sample.messages]
                seen.add(found["sample_id"])
    assert seen == set(wanted)


def test_without_a_name_there_are_audio_and_text_of_every_clip(corpus: Path, exported: Path, tmp_path: Path) -> None:
    loaded = datasets.load_dataset(str(exported), cache_dir=str(tmp_path))
    names = [name for rows in loaded.values() for (name,) in rows["segment_ids"]]
    assert sorted(names) == sorted(audio_in(corpus))
    captions = {sample.segment_ids: sample.answer for sample in samples_in(corpus).values() if sample.task == "caption"}
    assert captions
    for rows in loaded.values():
        for row in rows.remove_columns("audio"):
            tasks = {one["text"]: one["task"] for one in row["samples"]}
            assert tasks[row["text"]] == "caption" or tuple(row["segment_ids"]) not in captions


def test_a_small_corpus_gives_one_file_a_split(exported: Path) -> None:
    assert sorted(path.name for path in (exported / "data").iterdir()) == [
        "train-00000-of-00001.parquet",
        "validation-00000-of-00001.parquet",
    ]


def test_features_are_written_as_datasets_3_knows_them(exported: Path) -> None:
    for path in (*exported.glob("data/*.parquet"), *exported.glob("pairs/*.parquet")):
        features = pq.read_schema(path).metadata[b"huggingface"].decode()
        assert '"List"' not in features


def test_tables_come_back_whole(corpus: Path, exported: Path, tmp_path: Path) -> None:
    rows = load(exported, "table_segments", tmp_path)["train"]
    assert isinstance(rows.features["audio"], datasets.Audio)
    assert set(rows["segment_id"]) == set(audio_in(corpus))


def test_tables_can_be_left_out(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path, "hf", tables=False, tasks=["key"])
    assert set(datasets.get_dataset_config_names(str(tmp_path))) == {"default"}
    assert not (tmp_path / "tables").exists()


def test_the_card_tells_counts_and_licenses(corpus: Path, exported: Path) -> None:
    card = (exported / "README.md").read_text()
    train = sum(sample.task == "key" and sample.split == "train" for sample in samples_in(corpus).values())
    held_out = sum(sample.task == "key" and sample.split == "validation" for sample in samples_in(corpus).values())
    assert f"| key | {train} | {held_out} | 0." in card
    assert f"| unknown | {len(samples_in(corpus))} |" in card
    assert "license: other" in card


def test_large_exports_have_shards_with_equal_numbers_of_rows(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundseam.pipeline.export.plan.MEGABYTE", 2**18)
    export(corpus, tmp_path, "hf", shard_mb=1, tables=False)
    files = sorted((tmp_path / "data").glob("train-*"))
    assert [path.name for path in files] == [f"train-{n:05d}-of-{len(files):05d}.parquet" for n in range(len(files))]
    rows = [pq.read_metadata(path).num_rows for path in files]
    assert len(rows) > 1
    assert max(rows) - min(rows) <= 1
    assert len(datasets.load_dataset(str(tmp_path), split="train", cache_dir=str(tmp_path / "cache"))) == sum(rows)


def test_marked_duplicates_come_along(tmp_path: Path) -> None:
    commit_sounds(tmp_path / "corpus", {"a": [MELODY], "b": [MELODY], "c": [BEAT]})
    find_duplicates(DedupRequest(output=str(tmp_path / "corpus")), lambda done, parts: None)
    build_samples(tmp_path / "corpus", CONFIG.only(("refusal",)))
    export(tmp_path / "corpus", tmp_path / "hf", "hf")
    rows = load(tmp_path / "hf", "table_duplicates", tmp_path / "cache")["train"]
    assert set(rows["segment_id"]) == {segment_of("a"), segment_of("b")}
    assert {row["relation"] for row in rows["corpus"]} == {"exact"}
