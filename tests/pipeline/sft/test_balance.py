"""No answer can be guessed without the audio, whatever the order in which samples come."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.sft.answers import number
from soundseam.pipeline.sft.audit import contradictions, guess_rate
from soundseam.pipeline.sft.balance import (
    Asked,
    Balance,
    answer_class,
    held_out_below,
    max_of_each,
    thresholds_of,
)
from soundseam.schemas.sample import Split
from tests.pipeline.sft.builders import CONFIG, a_rich_recording, samples


def asked(
    answers: list[str], offered: tuple[str, ...] = (), task: str = "order", topic: str = "dog/music"
) -> list[Asked]:
    return [
        Asked(f"{task}-{topic}-{index}", f"r{index}", task, "first", topic, "en", answer, offered)
        for index, answer in enumerate(answers)
    ]


def left(members: list[Asked], max_guessed: float = 0.4, max_refusals: float = 0.03) -> list[Asked]:
    balance = Balance(0, 0.0, thresholds_of(members, 0, max_guessed, max_refusals))
    return [one for one in members if balance.keeps(one)]


def test_a_question_with_one_answer_is_not_asked() -> None:
    assert not left(asked(["music"] * 14, ("dog", "music")))


def test_few_questions_teach_nobody_what_to_guess() -> None:
    assert len(left(asked(["music"] * 3, ("dog", "music")))) == 3


@given(st.lists(st.sampled_from("abcde"), min_size=8, max_size=200))
def test_no_answer_is_right_more_often_than_the_limit(answers: list[str]) -> None:
    kept = Counter(one.answer for one in left(asked(answers)))
    limit = 0.55 if len(kept) <= 2 else 0.4
    assert all(count <= max(limit * kept.total(), 4) for count in kept.values())


@given(st.permutations(range(60)))
def test_the_order_of_samples_does_not_matter(order: list[int]) -> None:
    members = asked(["music"] * 45 + ["dog"] * 15, ("dog", "music"))
    assert {one.sample_id for one in left([members[index] for index in order])} == {
        one.sample_id for one in left(members)
    }


def test_an_option_that_always_wins_is_thinned_across_topics() -> None:
    pairs = [(f"sound {index}", "music") for index in range(20)]
    members = [one for index, pair in enumerate(pairs) for one in asked(["music"], pair, topic=f"music/{index}")]
    losing = [one for index, pair in enumerate(pairs[:5]) for one in asked([pair[0]], pair, topic=f"other/{index}")]
    kept = left([*members, *losing])
    wins = sum(one.answer == "music" for one in kept)
    assert 0 < wins <= 0.55 * len(kept)


def test_refusals_are_few_among_the_others() -> None:
    others = [one._replace(answer=None) for one in asked(["x"] * 400, task="caption")]
    refusals = [one._replace(answer=None) for one in asked(["x"] * 100, task="refusal")]
    kept = left([*others, *refusals])
    assert sum(one.task == "refusal" for one in kept) == 12


def test_numbers_that_are_near_are_one_answer() -> None:
    assert answer_class(number(5.0, 0.5, "s", 1)) == answer_class(number(5.1, 0.5, "s", 1))
    assert answer_class(number(5.0, 0.5, "s", 1)) != answer_class(number(8.0, 0.8, "s", 1))


@pytest.mark.parametrize(("sizes", "limit", "most"), [((10, 10, 10), 0.4, 10), ((10, 1), 0.55, 1), ((10,), 0.4, 0)])
def test_as_many_stay_as_the_limit_allows(sizes: tuple[int, ...], limit: float, most: int) -> None:
    assert max_of_each({str(index): size for index, size in enumerate(sizes)}, limit) == most


@pytest.mark.parametrize(("recordings", "at_least"), [(4, 1), (82, 16), (200, 20), (2_000, 50)])
def test_enough_recordings_are_held_out(recordings: int, at_least: int) -> None:
    names = {f"{index:032x}": 1 for index in range(recordings)}
    balance = Balance(0, held_out_below(names, {}, 0, 0.02, 20))
    held = sum(balance.split_of(name) is Split.VALIDATION for name in names)
    assert at_least <= held <= max(at_least + 1, 0.04 * recordings)


def test_nothing_is_held_out_where_nothing_is_wanted() -> None:
    assert held_out_below({"a": 1, "b": 1}, {}, 0, 0.0, 0) < 0


def test_a_guesser_gets_what_is_constant_and_little_else() -> None:
    assert guess_rate(asked(["music"] * 20)) == 1.0
    assert guess_rate(asked(["music", "dog"] * 20, ("dog", "music"))) <= 0.5


def test_an_audit_finds_a_sum_that_is_wrong() -> None:
    made = next(one for one in samples(a_rich_recording(), CONFIG.only(("reasoning",))) if one.reasoning)
    assert not list(contradictions(made))
    wrong = made.model_copy(update={"reasoning": "A dog lasts 2.8 + 2.4 + 2.0 = 7.1 s."})
    assert len(list(contradictions(wrong))) == 1
