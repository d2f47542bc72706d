"""A recipe says which kinds of documents have which share; a kind that a corpus lacks leaves its share to others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.export.mixing import EvenTaker, MixConfig, Stratum
from soundseam.pipeline.export.pretrain import token_rates
from soundseam.pipeline.export.recipe import Kind, PretrainRecipe, load_recipe

KINDS = st.sets(st.sampled_from([str(kind) for kind in Kind]), min_size=1)
AVAILABLE = st.dictionaries(
    st.builds(Stratum, st.sampled_from([str(kind) for kind in Kind]), st.sampled_from(["en", "zh"]), st.just("speech")),
    st.integers(100, 1_000_000),
    min_size=1,
)


def test_the_built_in_recipe_is_the_default_one_and_has_the_reports_shares() -> None:
    assert load_recipe("pretrain") == PretrainRecipe()
    kinds = [str(kind) for kind in Kind]
    asr = PretrainRecipe().share_of("asr", kinds) + PretrainRecipe().share_of("interleaved", kinds)
    assert (asr, PretrainRecipe().share_of("caption", kinds)) == pytest.approx((0.3, 0.4))
    assert PretrainRecipe().share_of("text", kinds) == pytest.approx(0.3)


def test_asr_and_interleaved_stand_in_for_each_other() -> None:
    assert PretrainRecipe().share_of("asr", ["asr", "caption", "text"]) == pytest.approx(0.3)
    assert PretrainRecipe().share_of("caption", ["caption", "text"]) == pytest.approx(4 / 7)


@given(KINDS)
def test_shares_of_what_there_is_add_up(kinds: set[str]) -> None:
    assert sum(PretrainRecipe().share_of(kind, sorted(kinds)) for kind in kinds) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("override", "remedy"),
    [
        ("contxt=4096", "no key contxt; did you mean context"),
        ("context=3", "context: Input should be greater"),
        ("shares.captions=1", "no kind captions; did you mean caption?"),
        ("shares={asr: -1, text: 2}", "shares must be numbers of at least 0"),
        ("shares={asr: 0}", "some of them above 0"),
    ],
)
def test_a_wrong_value_is_one_line(override: str, remedy: str) -> None:
    with pytest.raises(SetupError, match="recipe pretrain: .*see docs/pretraining.md") as caught:  # noqa: RUF043
        load_recipe("pretrain", [override])
    assert remedy in str(caught.value)


def test_a_recipe_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("context: 4096\nshares: {asr: 1}\n")
    recipe = load_recipe(str(tmp_path / "mine.yaml"), ["max_open=2"])
    assert (recipe.context, recipe.max_open, recipe.shares) == (4096, 2, {"asr": 1.0})


def test_another_tokenizer_is_another_recipe(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text("one")
    one = load_recipe("pretrain", [f"tokenizer={path}"])
    path.write_text("other")
    assert load_recipe("pretrain", [f"tokenizer={path}"]) != one
    assert load_recipe("pretrain", [f"tokenizer={path}"]).tokenizer_sha256
    with pytest.raises(SetupError, match="there is no file"):
        load_recipe("pretrain", ["tokenizer=nowhere.json"])


@given(AVAILABLE)
def test_every_kind_gets_its_share_of_the_tokens(available: dict[Stratum, int]) -> None:
    recipe = PretrainRecipe()
    rates = token_rates(available, recipe, MixConfig())
    kinds = sorted({stratum.task for stratum in available})
    taken = dict.fromkeys(kinds, 0.0)
    for stratum, tokens in available.items():
        taken[stratum.task] += rates[stratum] * tokens
    total = sum(taken.values())
    for kind in kinds:
        assert taken[kind] / total == pytest.approx(recipe.share_of(kind, kinds), abs=0.01)


@given(st.integers(0, 10_000), st.tuples(*[st.integers(200, 600)] * 4))
def test_shares_are_met_within_three_points_with_a_few_hundred_documents(seed: int, counts: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    lengths = {str(kind): rng.integers(50, 700, count) for kind, count in zip(Kind, counts, strict=True)}
    available = {Stratum(kind, "en", "speech"): int(found.sum()) for kind, found in lengths.items()}
    taker = EvenTaker(token_rates(available, PretrainRecipe(), MixConfig()), seed, "part")
    taken = {
        stratum.task: sum(int(tokens) * taker.copies(stratum) for tokens in lengths[stratum.task])
        for stratum in available
    }
    for kind in Kind:
        wanted = PretrainRecipe().share_of(kind, list(taken))
        assert taken[kind] / sum(taken.values()) == pytest.approx(wanted, abs=0.03)


@given(st.floats(0.0, 5.0), st.integers(1, 200), st.integers(0, 99))
def test_documents_are_used_at_even_distances(rate: float, count: int, seed: int) -> None:
    stratum = Stratum("asr", "en", "speech")
    taker = EvenTaker({stratum: rate}, seed, "part")
    copies = [taker.copies(stratum) for _ in range(count)]
    assert abs(sum(copies) - rate * count) <= 1.001
    assert max(copies) - min(copies) <= 1


@given(AVAILABLE)
def test_the_most_plentiful_kind_is_used_once_unless_the_scarcest_would_be_used_too_often(
    available: dict[Stratum, int],
) -> None:
    rates = token_rates(available, PretrainRecipe(), MixConfig())
    assert max(rates.values()) <= PretrainRecipe().max_repeats * 1.01
    assert min(rates.values()) <= 1.01
    assert (
        max(rates.values()) == pytest.approx(4.0, rel=0.02)
        or min(rates.values()) == pytest.approx(1.0, rel=0.02)
        or (max(rates.values()) >= 0.98)
    )


def test_a_total_is_met_as_far_as_repeats_allow() -> None:
    available = {Stratum("asr", "en", "speech"): 1_000, Stratum("caption", "en", "speech"): 10_000}
    recipe = PretrainRecipe(tokens=14_000, shares={"asr": 1.0, "caption": 1.0})
    rates = token_rates(available, recipe, MixConfig())
    assert list(rates.values()) == [4.0, 0.7]


def test_languages_may_have_weights() -> None:
    available = {Stratum("asr", "en", "speech"): 1_000, Stratum("asr", "zh", "speech"): 1_000}
    rates = token_rates(available, PretrainRecipe(tokens=1_000), MixConfig(languages={"zh": 0.5}))
    assert list(rates.values()) == pytest.approx([2 / 3, 1 / 3])


def test_a_mix_of_nothing_is_refused() -> None:
    with pytest.raises(SetupError, match=r"no document of a kind with a share: docs/pretraining\.md"):
        token_rates({Stratum("asr", "en", "speech"): 9}, PretrainRecipe(shares={"text": 1.0}), MixConfig())
