"""Lhotse Shar: against its recorded layout, and read back by lhotse itself where it is installed (it needs torch)."""

from __future__ import annotations

import gzip
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soundseam.schemas.sample import Split
from tests.pipeline.export.exports import audio_in, decode, export, samples_in

# lhotse 1.33: what MonoCut.to_dict, SupervisionSegment.to_dict and to_shar_placeholder(recording).to_dict give.
CUT = {"id", "start", "duration", "channel", "supervisions", "recording", "type"}
SUPERVISION = {"id", "recording_id", "start", "duration", "channel", "text", "language", "custom"}
RECORDING = {"id", "sources", "sampling_rate", "num_samples", "duration", "channel_ids"}
SOURCE = {"type": "shar", "channels": [0], "source": ""}


@pytest.fixture(scope="module")
def exported(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("lhotse")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("soundseam.pipeline.export.plan.PART_BYTES", 1)  # several parts of a small corpus
        export(corpus, target, "lhotse", shard_mb=1)
    return target


def cuts_of(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted(folder.glob("cuts.*.jsonl.gz"))
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]


def test_cuts_and_supervisions_have_lhotse_s_fields(corpus: Path, exported: Path) -> None:
    supervisions = set()
    for split in Split:
        for cut in cuts_of(exported / split):
            assert set(cut) == CUT
            assert cut["type"] == "MonoCut"
            assert set(cut["recording"]) == RECORDING
            assert cut["recording"]["sources"] == [SOURCE]
            assert cut["recording"]["num_samples"] == len(audio_in(corpus)[cut["id"]])
            assert all(set(one) == SUPERVISION for one in cut["supervisions"])
            supervisions |= {one["id"] for one in cut["supervisions"]}
    assert supervisions == {key for key, sample in samples_in(corpus).items() if len(sample.segment_ids) == 1}


def test_a_shar_folder_holds_pairs_of_cuts_and_audio_in_the_same_order(corpus: Path, exported: Path) -> None:
    audio = audio_in(corpus)
    for split in Split:
        names = sorted(path.name for path in (exported / split).iterdir())
        cuts, tars = ([name for name in names if name.startswith(prefix)] for prefix in ("cuts.", "recording."))
        assert len(cuts) == len(tars) > 1
        assert [name.split(".")[1] for name in cuts] == [name.split(".")[1] for name in tars]
        order = []
        for name in tars:
            with tarfile.open(exported / split / name) as tar:
                members = tar.getmembers()
                for data, meta in zip(members[::2], members[1::2], strict=True):
                    stem = data.name.removesuffix(".flac")
                    assert meta.name == f"{stem}.json"
                    file = tar.extractfile(data)
                    assert file is not None
                    assert np.array_equal(decode(file.read()), audio[stem])
                    order.append(stem)
        assert order == [cut["id"] for cut in cuts_of(exported / split)]


def test_lhotse_reads_its_cuts_back(corpus: Path, exported: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    audio = audio_in(corpus)
    for split in Split:
        cuts = list(lhotse.CutSet.from_shar(in_dir=exported / split))
        assert cuts
        for cut in cuts:
            samples = np.rint(cut.load_audio()[0] * 32768).astype(np.int16)
            assert np.array_equal(samples, audio[cut.id])
            assert all(one.text and one.custom["question"] for one in cut.supervisions)
            lhotse.qa.validate(cut)
