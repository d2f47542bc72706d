"""Read back by webdataset itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset

from soundseam.schemas.sample import Split
from tests.pipeline.export.exports import audio_in, decode, export, samples_in


@pytest.fixture(scope="module")
def exported(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("webdataset")
    export(corpus, target, "webdataset", shard_mb=1)
    return target


def shards(exported: Path, split: Split) -> list[dict[str, Any]]:
    index: dict[str, Any] = json.loads((exported / f"{split}.json").read_text())
    assert index["__kind__"] == "wids-shard-index-v1"
    return list(index["shardlist"])


def test_samples_come_back_with_their_audio(corpus: Path, exported: Path) -> None:
    wanted, audio = samples_in(corpus), audio_in(corpus)
    seen = {}
    for split in Split:
        urls = [str(exported / shard["url"]) for shard in shards(exported, split)]
        for row in webdataset.WebDataset(urls, shardshuffle=False, empty_check=False):
            sample = wanted[row["__key__"]]
            fields = json.loads(row["json"])
            assert fields["sample_id"] == sample.sample_id
            assert row["txt"].decode().endswith(sample.answer)
            clips = [row["flac"], *([row["2.flac"]] if "2.flac" in row else [])]
            for segment_id, clip in zip(sample.segment_ids, clips, strict=True):
                assert np.array_equal(decode(clip), audio[segment_id])
            seen[sample.sample_id] = split
    assert seen == {key: sample.split for key, sample in wanted.items()}


def test_the_index_counts_every_shard(corpus: Path, exported: Path) -> None:
    for split in Split:
        listed = shards(exported, split)
        assert {shard["url"] for shard in listed} == {
            path.relative_to(exported).as_posix() for path in (exported / split).iterdir()
        }
        count = sum(shard["nsamples"] for shard in listed)
        assert count == sum(sample.split is split for sample in samples_in(corpus).values())


def test_a_shard_ends_when_it_is_full(exported: Path) -> None:
    sizes = [path.stat().st_size for path in exported.glob("*/*.tar")]
    assert len(sizes) > 5
    # At most one sample more than a megabyte holds.
    assert max(sizes) < 1.5 * 2**20
