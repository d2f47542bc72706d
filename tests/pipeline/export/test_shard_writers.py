"""What the formats of shards write of a few samples, byte for byte where that matters."""

from __future__ import annotations

import gzip
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from soundseam.pipeline.export import hf
from soundseam.pipeline.export.base import Clip, Item
from soundseam.pipeline.export.formats import format_named
from tests.pipeline.export.items import (
    ANSWER,
    CHAIN,
    CLIPS,
    HELD_OUT,
    PAIR,
    QUESTION,
    TRANSCRIPT,
    a_sample,
    an_item,
    finished,
    flac_of,
    names_in,
    written,
)


@pytest.mark.parametrize(("to", "pattern"), [("openai", "data/train-p-*.jsonl"), ("webdataset", "train/train-p-*.tar")])
def test_a_shard_that_holds_as_much_as_is_asked_for_is_followed_by_another(
    tmp_path: Path, to: str, pattern: str
) -> None:
    long = Clip("long", flac_of(700_000), 43_750)
    items = [Item(f"s{number}", a_sample(f"s{number}"), (long,), None) for number in range(4)]
    written(tmp_path, to, *items, shard_mb=2)
    shards = sorted(tmp_path.glob(pattern))
    assert [path.name.rpartition("-")[2].split(".")[0] for path in shards] == ["00000", "00001"]
    whole = tmp_path / "whole"
    written(whole, to, *items, shard_mb=9)
    assert len(list(whole.glob(pattern))) == 1


def members_of(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def test_webdataset_has_audio_fields_and_answer_of_each_sample_and_counts_them(tmp_path: Path) -> None:
    written(tmp_path, "webdataset", an_item(key="s-2"), PAIR, HELD_OUT)
    members = members_of(tmp_path / "train/train-p-00000.tar")
    assert list(members) == ["s-2.flac", "s-2.json", "s-2.txt", "pair.flac", "pair.2.flac", "pair.json", "pair.txt"]
    assert members["pair.2.flac"] == CLIPS["a-2"].flac
    fields = json.loads(members["s-2.json"])
    assert (fields["sample_id"], fields["answer_prior"], fields["task"]) == ("s-2", 0.25, "counting")
    assert members["s-2.txt"] == ANSWER.encode()
    indexes = format_named("webdataset").finish(finished(tmp_path, "webdataset"))
    shards = {name: json.loads(text)["shardlist"] for name, text in indexes.items()}
    assert shards == {
        "train.json": [{"url": "train/train-p-00000.tar", "nsamples": 2}],
        "validation.json": [{"url": "validation/validation-p-00000.tar", "nsamples": 1}],
    }


def test_a_lhotse_cut_is_a_segment_and_a_supervision_a_sample(tmp_path: Path) -> None:
    other = an_item(a_sample("other", ("a-2",)))
    assert written(tmp_path, "lhotse", an_item(), TRANSCRIPT, PAIR, other) == [None, None, "several_audios", None]
    lines = gzip.decompress((tmp_path / "train/cuts.0-p-00000.jsonl.gz").read_bytes()).splitlines()
    cuts = [json.loads(line) for line in lines]
    assert [(cut["id"], [one["id"] for one in cut["supervisions"]]) for cut in cuts] == [
        ("a-1", ["s", "said"]),
        ("a-2", ["other"]),
    ]
    first = cuts[0]
    assert (first["start"], first["duration"], first["channel"], first["type"]) == (0.0, 16_008 / 16_000, 0, "MonoCut")
    recording = first["recording"]
    assert (recording["num_samples"], recording["sampling_rate"], recording["channel_ids"]) == (16_008, 16_000, [0])
    assert recording["duration"] == 16_008 / 16_000
    supervision = first["supervisions"][1]
    assert (supervision["start"], supervision["duration"], supervision["channel"]) == (0.0, 16_008 / 16_000, 0)
    assert (supervision["text"], supervision["language"], supervision["recording_id"]) == (ANSWER, "en", "a-1")
    assert supervision["custom"] == {
        "task": "asr",
        "kind": "k",
        "question": QUESTION,
        "difficulty": "easy",
        "answer_prior": 0.25,
    }
    members = members_of(tmp_path / "train/recording.0-p-00000.tar")
    assert list(members) == ["a-1.flac", "a-1.json", "a-2.flac", "a-2.json"]
    assert members["a-2.flac"] == CLIPS["a-2"].flac
    assert json.loads(members["a-1.json"]) == recording


def test_lhotse_shards_come_in_pairs(tmp_path: Path) -> None:
    items = []
    for number in range(3):
        clip = Clip(f"a-{number}", flac_of(600_000, number), 37_500)
        items.append(Item(f"s{number}", a_sample(f"s{number}", (clip.segment_id,)), (clip,), None))
    written(tmp_path, "lhotse", *items, shard_mb=1)
    assert names_in(tmp_path) == [
        *(f"train/cuts.0-p-{number:05d}.jsonl.gz" for number in range(3)),
        *(f"train/recording.0-p-{number:05d}.tar" for number in range(3)),
    ]


def table_of(folder: Path, pattern: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for path in sorted(folder.glob(pattern)):
        rows += pq.read_table(path).to_pylist()
    return rows


def test_hf_has_a_configuration_a_task_and_one_of_two_clips(tmp_path: Path) -> None:
    reasoned = an_item(a_sample("why", reasoning=CHAIN))
    written(tmp_path, "hf", an_item(), reasoned, PAIR, HELD_OUT, TRANSCRIPT)
    assert names_in(tmp_path) == [
        "data/asr/train-p-00000.parquet",
        "data/counting/train-p-00000.parquet",
        "data/counting/validation-p-00000.parquet",
        "data/counting_two_clips/train-p-00000.parquet",
    ]
    first, why = table_of(tmp_path, "data/counting/train-*")
    assert first["audio"] == {"bytes": CLIPS["a-1"].flac, "path": "a-1.flac"}
    assert (first["question"], first["text"], first["answer_prior"], first["sample_id"]) == (
        QUESTION,
        ANSWER,
        0.25,
        "s",
    )
    assert why["text"] == f"<think>\n{CHAIN}\n</think>\n\n{ANSWER}"
    (pair,) = table_of(tmp_path, "data/counting_two_clips/*")
    assert [one["path"] for one in pair["audios"]] == ["a-1.flac", "a-2.flac"]
    features = json.loads(pq.read_schema(tmp_path / "data/counting/train-p-00000.parquet").metadata[b"huggingface"])
    assert features["info"]["features"]["audio"] == {"_type": "Audio"}


def test_hf_writes_what_it_holds_in_groups_and_starts_another_file_when_one_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hf, "ROW_GROUP_ROWS", 3)
    items = [an_item(a_sample(f"s{number}")) for number in range(7)]
    written(tmp_path, "hf", *items)
    (path,) = tmp_path.glob("data/counting/*")
    groups = pq.read_metadata(path)
    assert [groups.row_group(number).num_rows for number in range(groups.num_row_groups)] == [3, 3, 1]
    assert [row["sample_id"] for row in table_of(tmp_path, "data/counting/*")] == [f"s{number}" for number in range(7)]
    long = Clip("a-1", flac_of(600_000), 37_500)
    full = tmp_path / "full"
    monkeypatch.setattr(hf, "ROW_GROUP_BYTES", 1)
    written(full, "hf", *(Item(f"s{n}", a_sample(f"s{n}"), (long,), None) for n in range(3)), shard_mb=1)
    assert [path.name for path in sorted(full.glob("data/counting/*"))] == [
        f"train-p-0000{n}.parquet" for n in range(3)
    ]


@pytest.mark.parametrize(("clip_bytes", "rows"), [(2**20 - 4096, 32), (2**20 - 4097, 33)])
def test_hf_holds_32_megabytes_of_audio_and_texts_at_most(tmp_path: Path, clip_bytes: int, rows: int) -> None:
    clip = Clip("a-1", bytes(clip_bytes), 1_000)
    written(tmp_path, "hf", *(Item(f"s{n}", a_sample(f"s{n}"), (clip,), None) for n in range(40)))
    (path,) = tmp_path.glob("data/counting/*")
    groups = pq.read_metadata(path)
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [rows, 40 - rows]
