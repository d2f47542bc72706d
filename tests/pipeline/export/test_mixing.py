"""How often samples are taken: in proportion to weights, never over a cap, in all as many as asked."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.export.base import ExportOptions, Stage
from soundseam.pipeline.export.mixing import MixConfig, Stratum, copies_of, take_rates
from soundseam.pipeline.export.plan import is_taken, plan_export
from tests.pipeline.export.exports import export, lines_of, samples_in

STRATA = st.builds(
    Stratum,
    st.sampled_from(["asr", "caption", "key"]),
    st.sampled_from(["en", "zh"]),
    st.sampled_from(["speech", "music"]),
)
COUNTS = st.dictionaries(STRATA, st.integers(1, 100_000), min_size=1)


def taken(counts: dict[Stratum, int], rates: dict[Stratum, float]) -> float:
    return sum(rates[stratum] * count for stratum, count in counts.items())


@given(COUNTS)
def test_without_a_total_everything_is_taken_once(counts: dict[Stratum, int]) -> None:
    assert set(take_rates(counts, MixConfig()).values()) == {1.0}


@given(COUNTS, st.integers(1, 1_000_000), st.floats(1, 5), st.floats(0, 1))
def test_as_many_are_taken_as_asked_or_as_repeats_allow(
    counts: dict[Stratum, int], samples: int, repeats: float, power: float
) -> None:
    rates = take_rates(counts, MixConfig(samples=samples, max_repeats=repeats, size_power=power))
    assert all(rate <= repeats + 1e-9 for rate in rates.values())
    assert taken(counts, rates) == pytest.approx(min(samples, repeats * sum(counts.values())), rel=1e-6)


@given(COUNTS, st.integers(0, 500), st.one_of(st.none(), st.integers(1, 10_000)))
def test_no_task_is_over_its_quota(counts: dict[Stratum, int], quota: int, samples: int | None) -> None:
    rates = take_rates(counts, MixConfig(samples=samples, quotas={"asr": quota}))
    of_asr = sum(rates[stratum] * count for stratum, count in counts.items() if stratum.task == "asr")
    assert of_asr <= quota + 1e-6


def test_weights_go_with_the_square_root_of_size() -> None:
    small, large = Stratum("key", "en", "music"), Stratum("asr", "en", "speech")
    counts = {small: 100, large: 10_000}
    rates = take_rates(counts, MixConfig(samples=110))
    assert rates[large] * 10_000 / (rates[small] * 100) == pytest.approx(10)


def test_factors_and_shares_move_the_mix() -> None:
    one, other = Stratum("key", "en", "music"), Stratum("asr", "zh", "speech")
    counts = {one: 1000, other: 1000}
    assert take_rates(counts, MixConfig(samples=400, tasks={"asr": 3.0}))[other] == pytest.approx(0.3)
    assert take_rates(counts, MixConfig(samples=400, languages={"zh": 3.0}))[other] == pytest.approx(0.3)
    assert take_rates(counts, MixConfig(samples=400, classes={"music": 0.0}))[one] == 0
    assert take_rates({**counts, one: 9000}, MixConfig(samples=400, shares={"asr": 0.75, "key": 0.25}))[
        other
    ] == pytest.approx(0.3)


@given(st.floats(0, 4))
def test_copies_are_about_as_many_as_the_rate(rate: float) -> None:
    copies = [copies_of(f"{number}", rate, 0) for number in range(2000)]
    assert set(copies) <= {int(rate), int(rate) + 1}
    assert sum(copies) / 2000 == pytest.approx(rate, abs=0.06)


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
