"""How often samples are taken: in proportion to weights, never over a cap, in all as many as asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.export.mixing import MixConfig, Stratum, copies_of, mix_from, take_rates

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


KEY, TEMPO, ASR = Stratum("key", "en", "music"), Stratum("tempo", "en", "music"), Stratum("asr", "zh", "speech")


def test_what_a_full_stratum_cannot_take_goes_to_the_others_by_their_weights() -> None:
    counts = {KEY: 1, TEMPO: 400, ASR: 10_000}
    rates = take_rates(counts, MixConfig(samples=604, max_repeats=4.0))
    assert rates[KEY] == 4.0
    assert (rates[TEMPO] * 400, rates[ASR] * 10_000) == pytest.approx((100, 500))
    halves = {KEY: 0.5, TEMPO: 0.25, ASR: 0.25}
    rates = take_rates(counts, MixConfig(samples=804, shares={one.task: share for one, share in halves.items()}))
    assert {one: rates[one] * counts[one] for one in counts} == pytest.approx({KEY: 4, TEMPO: 400, ASR: 400})


def test_a_quota_is_divided_among_the_strata_of_its_task_by_size() -> None:
    counts = {KEY: 300, KEY._replace(language="zh"): 100, ASR: 50, TEMPO: 0}
    rates = take_rates(counts, MixConfig(quotas={"key": 40}))
    assert rates == pytest.approx({KEY: 0.1, KEY._replace(language="zh"): 0.1, ASR: 1.0})
    # A quota above what there is takes each once, without a total.
    assert set(take_rates(counts, MixConfig(quotas={"key": 4_000})).values()) == {1.0}


def test_a_share_of_a_task_is_divided_by_size_and_factors_and_what_has_none_is_left_out() -> None:
    chinese = KEY._replace(language="zh")
    counts = {KEY: 10_000, chinese: 2_500, TEMPO: 10_000, ASR: 10_000}
    mix = MixConfig(samples=100, shares={"key": 0.6, "asr": 0.4}, languages={"zh": 2.0})
    rates = take_rates(counts, mix)
    assert {one: rates[one] * counts[one] for one in counts} == pytest.approx({KEY: 30, chinese: 30, ASR: 40, TEMPO: 0})
    nothing = MixConfig(samples=100, shares={"key": 1.0}, tasks={"key": 0.0})
    assert set(take_rates(counts, nothing).values()) == {0.0}


def test_every_sample_is_used_once_unless_a_number_or_a_quota_is_given() -> None:
    assert MixConfig().takes_all
    assert not MixConfig(samples=1).takes_all
    assert not MixConfig(quotas={"key": 1}).takes_all


def test_which_samples_are_drawn_depends_on_the_seed_and_on_nothing_else() -> None:
    drawn = [[copies_of(f"{number}", 0.5, seed) for number in range(200)] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert [copies_of("a", rate, 0) for rate in (0.0, 1.0, 3.0)] == [0, 1, 3]
    # A higher rate takes the same samples and more.
    assert all(copies_of(f"{n}", 0.3, 0) <= copies_of(f"{n}", 0.6, 0) for n in range(200))


def test_weights_and_quotas_are_read_from_names_with_numbers() -> None:
    mix = mix_from(9, ["tempo=500", " key = 0"], ["zh=2", "music=0.5", "asr=0"], 3)
    assert (mix.samples, mix.seed, mix.quotas) == (9, 3, {"tempo": 500, "key": 0})
    assert (mix.languages, mix.classes, mix.tasks) == ({"zh": 2.0}, {"music": 0.5}, {"asr": 0.0})
    assert mix_from(None, [], [], 0) == MixConfig()


@pytest.mark.parametrize(
    ("quota", "weight", "why"),
    [
        ("tempo=1.5", "zh=1", "--quota tempo=1.5: a quota must be an integer of at least 0"),
        ("tempo=-1", "zh=1", "--quota tempo=-1: a quota must be"),
        ("tempo", "zh=1", "tempo: write it as name=number"),
        ("tempo=1", "zh=-0.1", "--weight zh=-0.1: a factor must be a number of at least 0"),
        ("tempo=1", "zh=inf", "--weight zh=inf: a factor"),
        ("tempo=1", "zh=nan", "--weight zh=nan: a factor"),
        ("tempo=1", "zh=much", "zh=much: write it as name=number"),
    ],
)
def test_what_is_no_number_is_refused(quota: str, weight: str, why: str) -> None:
    with pytest.raises(SetupError, match=why):
        mix_from(None, [quota], [weight], 0)
