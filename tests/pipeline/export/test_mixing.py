"""An export of as many samples as asked, in the mix that is asked for."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.export.base import ExportOptions, Stage
from soundseam.pipeline.export.mixing import MixConfig, Stratum
from soundseam.pipeline.export.plan import is_taken, plan_export
from tests.pipeline.export.exports import export, lines_of, samples_in


def test_a_mixed_export_holds_about_as_many_as_asked(corpus: Path, tmp_path: Path) -> None:
    everything = len(samples_in(corpus))
    summary = export(corpus, tmp_path, "swift", mix={"samples": everything // 2})
    assert summary.counts.total == pytest.approx(everything / 2, rel=0.25)
    again = export(corpus, tmp_path / "again", "swift", mix={"samples": everything // 2})
    assert again.counts == summary.counts


def test_repeated_samples_have_keys_of_their_own(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path, "nemo", tasks=["key"], mix={"samples": 1000, "max_repeats": 3.0})
    ids = [line["id"] for split in ("train", "validation") for line in lines_of(tmp_path / f"salm-{split}.jsonl")]
    keys = [key for key, sample in samples_in(corpus).items() if sample.task == "key"]
    assert sorted(ids) == sorted([*keys, *(f"{key}-{copy}" for key in keys for copy in (2, 3))])  # type: ignore[type-var]


def test_pretraining_takes_unified_captions_and_transcripts(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path, "webdataset", stage="pretrain")
    summary = export(corpus, tmp_path / "nemo", "nemo", stage="pretrain")
    assert {name.split("/")[0] for name in summary.counts.samples} == {"caption", "asr", "asr_words", "asr_sentences"}
    splits = ("train", "validation")
    written_ids = {line["id"] for split in splits for line in lines_of(tmp_path / "nemo" / f"salm-{split}.jsonl")}
    captions = {key: sample.kind for key, sample in samples_in(corpus).items() if sample.task == "caption"}
    assert written_ids & captions.keys() == {key for key, kind in captions.items() if kind == "detailed"}
    assert "caption: 0.4" in (tmp_path / "nemo" / "README.md").read_text()
    written = json.loads((tmp_path / "nemo" / "_export" / "export.json").read_text())
    assert written["shares"] == {"caption": 0.4, "asr": 0.1, "asr_words": 0.1, "asr_sentences": 0.1}
    assert set(written["counts"]["amounts"]) == set(written["shares"])


def test_pretraining_mixes_captions_and_transcripts_4_to_3(corpus: Path, tmp_path: Path) -> None:
    options = ExportOptions(to="nemo", stage=Stage.PRETRAIN, mix=MixConfig(samples=7))
    plan = plan_export(str(corpus), str(tmp_path), options)
    sizes = Counter(
        Stratum(sample.task, sample.language, str(sample.event_class))
        for sample in samples_in(corpus).values()
        if is_taken(Stage.PRETRAIN, sample.kind, sample.task)
    )
    taken: Counter[str] = Counter()
    for rate in plan.rates:
        taken[rate.task] += rate.rate * sizes[Stratum(rate.task, rate.language, rate.event_class)]  # type: ignore[assignment]
    assert taken == pytest.approx({"caption": 4.0, "asr": 1.0, "asr_words": 1.0, "asr_sentences": 1.0})


def test_a_factor_of_a_name_that_is_none_is_refused(corpus: Path, tmp_path: Path) -> None:
    for mix in ({"tasks": {"tmepo": 4.0}}, {"quotas": {"tmepo": 4}}):
        with pytest.raises(SetupError, match=r"tmepo: no samples of that name .*tempo"):
            export(corpus, tmp_path, "nemo", mix=mix)
