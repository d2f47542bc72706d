"""Samples about windows are exported with the audio of the stretch, and left out if a trainer would cut it off."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from soundseam.pipeline.export.lines import Moss
from soundseam.pipeline.sft.build import load_sft_config
from tests.pipeline.export.exports import audio_in, export, lines_of, tree
from tests.pipeline.export.test_pretrain import export as export_packs
from tests.pipeline.export.test_pretrain import packs_in
from tests.pipeline.sft.corpora import build_samples, commit_corpus
from tests.pipeline.sft.long_builders import a_long_recording, build_long_corpus, commit_long

CONFIG = load_sft_config().only(("asr", "long_caption", "long_qa")).model_copy(update={"validation_share": 0.0})


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its source does not exist: windows are put together from the segments."""
    folder = tmp_path_factory.mktemp("long")
    build_long_corpus(folder, CONFIG)
    return folder


def test_the_clip_is_the_whole_window(corpus: Path, tmp_path: Path) -> None:
    summary = export(corpus, tmp_path, "swift", tasks=["long_caption", "asr"])
    (window_id,) = pq.read_table(corpus / "windows").column("window_id").to_pylist()
    clips = {path.stem: path for path in (tmp_path / "audio").rglob("*.flac")}
    samples, rate = soundfile.read(clips[window_id], dtype="int16")
    assert rate == 16_000
    assert np.array_equal(samples, np.concatenate([audio for _, audio in sorted(audio_in(corpus).items())]))
    assert summary.counts.lost == 0
    lines = lines_of(tmp_path / "train.jsonl")
    used = [line for line in lines if window_id in json.dumps(line["audios"])]
    assert len(used) == summary.counts.samples["long_caption/train"]


@pytest.mark.parametrize("to", ["hf", "webdataset"])
def test_a_second_export_has_equal_files(corpus: Path, tmp_path: Path, to: str) -> None:
    export(corpus, tmp_path / "one", to, audio_root="", tables=False)
    export(corpus, tmp_path / "other", to, audio_root="", tables=False)
    assert tree(tmp_path / "one") == tree(tmp_path / "other")


def test_what_a_trainer_would_cut_off_is_left_out_and_counted(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Moss.max_tokens == 8192
    whole = export(corpus, tmp_path / "whole", "moss")
    assert whole.counts.skipped == {}
    monkeypatch.setattr(Moss, "max_tokens", 3_000)
    summary = export(corpus, tmp_path / "short", "moss")
    assert summary.counts.skipped == {"over_3000_tokens": whole.counts.total - whole.counts.samples["asr/train"]}
    assert "| over_3000_tokens |" in (tmp_path / "short" / "README.md").read_text()


def test_samples_of_windows_that_are_gone_are_counted_as_lost(tmp_path: Path) -> None:
    found = a_long_recording()
    commit_corpus(tmp_path / "corpus", [found])
    commit_long(tmp_path / "corpus", found)
    build_samples(tmp_path / "corpus", CONFIG)
    commit_long(tmp_path / "corpus", replace(found, windows=()), key="2")
    summary = export(tmp_path / "corpus", tmp_path / "out", "swift")
    rows = [pq.read_table(tmp_path / "corpus" / "sft" / task).num_rows for task in ("long_caption", "long_qa")]
    assert summary.counts.lost == sum(rows)
    assert set(summary.counts.samples) == {"asr/train"}


def test_long_captions_are_captions_of_a_pretraining_mix(corpus: Path, tmp_path: Path) -> None:
    summary = export_packs(corpus, tmp_path, "webdataset", "context=8192", "shares={caption: 1}")
    documents = [document for pack in packs_in(tmp_path) for document in pack["documents"]]
    assert len(documents) == summary.counts.total > 0
    assert {document["kind"] for document in documents} == {"caption"}
    assert all(len(document["segment_ids"]) == 12 for document in documents)
