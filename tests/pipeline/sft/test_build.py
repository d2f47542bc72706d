"""Which samples come out: the same every time, on one side of the split, with answers everywhere alike."""

from __future__ import annotations

from collections import Counter

import pytest
from pydantic import ValidationError

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.sft.balance import Balance
from soundseam.pipeline.sft.build import SftConfig, load_sft_config
from soundseam.schemas.sample import Scoring, Split
from tests.pipeline.sft.builders import CONFIG, SHORT, a_rich_recording, samples


def test_equal_rows_give_equal_samples() -> None:
    assert samples(a_rich_recording()) == samples(a_rich_recording())


def test_another_seed_gives_other_wordings_and_the_same_facts() -> None:
    everything = {"tasks": tuple(task.model_copy(update={"max_per_segment": 99}) for task in CONFIG.tasks)}
    one, other = (
        samples(a_rich_recording(), CONFIG.model_copy(update={**everything, "seed": seed})) for seed in (0, 1)
    )
    assert {sample.sample_id for sample in one} == {sample.sample_id for sample in other}
    assert [sample.question for sample in one] != [sample.question for sample in other]


def test_a_segment_gives_no_more_samples_of_a_task_than_is_allowed() -> None:
    for task in SHORT.tasks:
        made = samples(a_rich_recording(), CONFIG.only((task.task,)))
        most = max(Counter(sample.segment_ids[0] for sample in made).values())
        assert most <= task.max_per_segment


def test_ids_are_unique() -> None:
    made = [sample.sample_id for name in "abc" for sample in samples(a_rich_recording(name))]
    assert len(set(made)) == len(made)


def test_a_recording_lies_on_one_side_of_the_split() -> None:
    config = CONFIG.model_copy(update={"validation_share": 0.5})
    sides = [{sample.split for sample in samples(a_rich_recording(name), config)} for name in "abcdefghijkl"]
    assert all(len(side) == 1 for side in sides)
    assert {split for side in sides for split in side} == set(Split)


def test_near_duplicates_lie_on_the_same_side() -> None:
    config = CONFIG.model_copy(update={"validation_share": 0.5})
    sides = {
        sample.split for name in "abcdefgh" for sample in samples(a_rich_recording(name), config, group="duplicates")
    }
    assert len(sides) == 1


def test_about_as_many_recordings_are_held_out_as_asked() -> None:
    config = CONFIG.model_copy(update={"validation_share": 0.1})
    sides = Counter(Balance(config.seed, config.validation_share).split_of(f"{number:032x}") for number in range(4000))
    assert 0.08 < sides[Split.VALIDATION] / 4000 < 0.12


def test_every_position_is_right_equally_often() -> None:
    config = CONFIG.only(("choice",))
    config = config.model_copy(
        update={"tasks": tuple(task.model_copy(update={"max_per_segment": 99}) for task in config.tasks)}
    )
    names = [f"{number:05d}" for number in range(150)]
    made = [sample.answer_spec for name in names for sample in samples(a_rich_recording(name), config)]
    four = [spec.correct for spec in made if spec.scoring is Scoring.CHOICE and len(spec.choices) == 4]
    counts = Counter(four)
    assert len(four) > 400
    assert max(counts.values()) < 1.35 * min(counts[position] for position in range(4))


def test_a_choice_has_one_right_answer_and_no_answer_twice() -> None:
    for sample in samples(a_rich_recording(), CONFIG.only(("choice",))):
        choices = sample.answer_spec.choices
        assert len(set(choices)) == len(choices) >= 2
        assert all(choice in sample.question for choice in choices)


@pytest.mark.parametrize(
    "changes",
    [
        {"languages": {"fr": 1.0}},
        {"languages": {"en": 0.0}},
        {"tasks": [{"task": "asr"}, {"task": "asr"}]},
        {"tasks": [{"task": "dance"}]},
        {"validation_share": 2.0},
    ],
)
def test_a_configuration_that_cannot_be_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SftConfig.model_validate({"tasks": [{"task": "asr"}], **changes})


def test_a_task_that_is_none_is_named_with_those_that_are() -> None:
    with pytest.raises(SetupError, match=r"no task dance \(one of caption"):
        load_sft_config().only(("dance",))
