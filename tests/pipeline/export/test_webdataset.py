"""Read back by webdataset itself, by the names that its users write."""

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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("soundseam.pipeline.export.plan.MEGABYTE", 2**18)  # several shards of a small corpus
        export(corpus, target, "webdataset", shard_mb=1)
    return target


def shards(exported: Path, stem: str) -> list[dict[str, Any]]:
    index: dict[str, Any] = json.loads((exported / f"{stem}.json").read_text())
    assert index["__kind__"] == "wids-shard-index-v1"
    return list(index["shardlist"])


def rows_by_braces(exported: Path, folder: str, split: Split) -> list[dict[str, Any]]:
    last = max(path.stem[-6:] for path in (exported / folder).glob(f"{split}-*.tar"))
    names = f"{exported}/{folder}/{split}-{{000000..{last}}}.tar"
    return list(webdataset.WebDataset(names, shardshuffle=False, empty_check=False))


def test_every_sample_comes_back_with_its_audio_by_names_in_braces(corpus: Path, exported: Path) -> None:
    wanted, audio = samples_in(corpus), audio_in(corpus)
    seen = {}
    for folder, clips in (("data", 1), ("pairs", 2)):
        for split in Split:
            for row in rows_by_braces(exported, folder, split):
                samples = json.loads(row["json"])["samples"]
                assert row["txt"].decode() in {wanted[one["sample_id"]].answer for one in samples}
                for fields in samples:
                    sample = wanted[fields["sample_id"]]
                    assert len(sample.segment_ids) == clips
                    for name, segment_id in zip(("flac", "2.flac"), sample.segment_ids, strict=False):
                        assert np.array_equal(decode(row[name]), audio[segment_id])
                    seen[sample.sample_id] = split
    assert seen == {key: sample.split for key, sample in wanted.items()}


def test_a_clip_is_written_once_beside_its_pairs(corpus: Path, exported: Path) -> None:
    keys = [row["__key__"] for split in Split for row in rows_by_braces(exported, "data", split)]
    assert sorted(keys) == sorted(audio_in(corpus))


def test_shards_are_equal_and_the_index_counts_them(corpus: Path, exported: Path) -> None:
    for split in Split:
        listed = shards(exported, split)
        assert len(listed) > 1
        assert [shard["url"] for shard in listed] == [f"data/{split}-{n:06d}.tar" for n in range(len(listed))]
        sizes = [shard["nsamples"] for shard in listed]
        assert max(sizes) - min(sizes) <= 1
        clips = {one.segment_ids for one in samples_in(corpus).values() if one.split is split}
        assert sum(sizes) == sum(len(names) == 1 for names in clips)


def test_shards_are_about_as_large_as_asked_for(exported: Path) -> None:
    sizes = [path.stat().st_size for path in exported.glob("data/*.tar")]
    assert 0.5 * 2**18 < sum(sizes) / len(sizes) < 2 * 2**18
