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
from soundseam.pipeline.export.base import Clip, Item, Window, main_item
from soundseam.pipeline.export.formats import format_named
from soundseam.schemas.sample import Split
from tests.pipeline.export.items import (
    ANSWER,
    CHAIN,
    CLIPS,
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


def test_a_shard_that_holds_as_much_as_is_asked_for_is_followed_by_another(tmp_path: Path) -> None:
    long = Clip("long", flac_of(700_000), 43_750)
    items = [Item(f"s{number}", a_sample(f"s{number}"), (long,), None) for number in range(4)]
    written(tmp_path, "openai", *items, shard_mb=2)
    shards = sorted(tmp_path.glob("data/train-p-*.jsonl"))
    assert [path.name.rpartition("-")[2].split(".")[0] for path in shards] == ["00000", "00001"]
    whole = tmp_path / "whole"
    written(whole, "openai", *items, shard_mb=9)
    assert len(list(whole.glob("data/train-p-*.jsonl"))) == 1


def members_of(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def test_webdataset_has_audio_samples_and_a_text_of_each_clip_and_counts_them(tmp_path: Path) -> None:
    caption = an_item(a_sample("z", task="caption", kind="plain"))
    written(tmp_path, "webdataset", an_item(key="s-2"), caption, an_item(a_sample("o", ("a-2",))))
    members = members_of(tmp_path / "data/train-000000.tar")
    assert list(members) == ["a-1.flac", "a-1.json", "a-1.txt", "a-2.flac", "a-2.json", "a-2.txt"]
    assert members["a-2.flac"] == CLIPS["a-2"].flac
    first, second = json.loads(members["a-1.json"])["samples"]
    assert (first["sample_id"], first["answer_prior"], first["task"]) == ("s-2", 0.25, "counting")
    assert second["sample_id"] == "z"
    assert members["a-1.txt"] == ANSWER.encode()
    window = Window(split=Split.VALIDATION, pairs=True, number=3, total=4)
    written(tmp_path, "webdataset", PAIR, part="q", window=window)
    assert list(members_of(tmp_path / "pairs/validation-000003.tar")) == [
        "pair.flac",
        "pair.2.flac",
        "pair.json",
        "pair.txt",
    ]
    form = format_named("webdataset")
    indexes = form.finish(finished(tmp_path, "webdataset"))
    shards = {name: json.loads(text)["shardlist"] for name, text in indexes.items()}
    assert shards == {
        "train.json": [{"url": "data/train-000000.tar", "nsamples": 2}],
        "pairs-validation.json": [{"url": "pairs/validation-000003.tar", "nsamples": 1}],
    }
    assert "{target}/data/train-{{000000..000000}}.tar" in form.command_for(names_in(tmp_path))


def test_a_caption_stands_for_a_clip_or_else_a_transcript_or_else_the_first_answer() -> None:
    short, plain = (an_item(a_sample(kind, task="caption", kind=kind)) for kind in ("short", "plain"))
    counted = an_item(a_sample("a"))
    assert main_item([counted, TRANSCRIPT, short, plain]) is plain
    assert main_item([counted, TRANSCRIPT, short]) is short
    assert main_item([counted, TRANSCRIPT]) is TRANSCRIPT
    assert main_item([an_item(a_sample("b")), counted]) is counted


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


def test_hf_has_a_row_a_clip_with_all_its_samples(tmp_path: Path) -> None:
    reasoned = an_item(a_sample("why", task="asr", reasoning=CHAIN))
    written(tmp_path, "hf", an_item(), reasoned)
    assert names_in(tmp_path) == ["data/train-00000-of-00001.parquet"]
    (row,) = table_of(tmp_path, "data/*")
    assert row["audio"] == {"bytes": CLIPS["a-1"].flac, "path": "a-1.flac"}
    assert (row["question"], row["text"]) == (QUESTION, f"<think>\n{CHAIN}\n</think>\n\n{ANSWER}")
    assert (row["segment_ids"], row["recording_id"], row["license"]) == (["a-1"], "a", None)
    assert [(one["sample_id"], one["answer_prior"]) for one in row["samples"]] == [("s", 0.25), ("why", 0.25)]
    assert [one["text"] for one in row["samples"]] == [ANSWER, row["text"]]
    written(tmp_path, "hf", PAIR, window=Window(split=Split.TRAIN, pairs=True, number=0, total=1))
    (pair,) = table_of(tmp_path, "pairs/*")
    assert [one["path"] for one in pair["audios"]] == ["a-1.flac", "a-2.flac"]
    features = json.loads(pq.read_schema(tmp_path / "data/train-00000-of-00001.parquet").metadata[b"huggingface"])
    assert features["info"]["features"]["audio"] == {"_type": "Audio"}


def one_each(clips: int, clip_bytes: int) -> list[Item]:
    names = [f"a-{number:02d}" for number in range(clips)]
    return [Item(name, a_sample(name, (name,)), (Clip(name, bytes(clip_bytes), 1_000),), None) for name in names]


def test_hf_writes_what_it_holds_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hf, "ROW_GROUP_ROWS", 3)
    written(tmp_path, "hf", *one_each(7, 10))
    (path,) = tmp_path.glob("data/*")
    groups = pq.read_metadata(path)
    assert [groups.row_group(number).num_rows for number in range(groups.num_row_groups)] == [3, 3, 1]
    assert [row["segment_ids"] for row in table_of(tmp_path, "data/*")] == [[f"a-{number:02d}"] for number in range(7)]


@pytest.mark.parametrize(("clip_bytes", "rows"), [(2**20 - 4096, 32), (2**20 - 4097, 33)])
def test_hf_holds_32_megabytes_of_audio_and_texts_at_most(tmp_path: Path, clip_bytes: int, rows: int) -> None:
    written(tmp_path, "hf", *one_each(40, clip_bytes))
    (path,) = tmp_path.glob("data/*")
    groups = pq.read_metadata(path)
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [rows, 40 - rows]
