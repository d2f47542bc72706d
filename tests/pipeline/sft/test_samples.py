"""A sample is a fact in words: its identity, its language, its letters and its place are those of what was asked."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
from pydantic import ValidationError

from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.sft.answers import exact
from soundseam.pipeline.sft.ask import Phrasing, QuestionDraft, Wording, grade
from soundseam.pipeline.sft.build import SftConfig, conversation, load_sft_config, samples_from, samples_of
from soundseam.pipeline.sft.material import Material
from soundseam.pipeline.sft.words import UnsayableError, Words
from soundseam.schemas.claim import Verdict
from soundseam.schemas.sample import Difficulty, MessageKind, Role, Sample, SourceVerdict, Split
from tests.pipeline.sft.builders import BELL, CONFIG, DOG, ENGLISH, a_rich_recording, captioned, event, heard, material
from tests.support.builders import a_segment

YARD = a_segment("a", 0, 10_000, (event(DOG, 0, 500), event(BELL, 2_000, 2_400)), license="CC0-1.0")
LATER = a_segment("a", 10_000, 14_000, (event(DOG, 10_000, 10_500),))
TASK = ENGLISH.tasks[0].model_copy(update={"max_per_segment": 99})


def wording(question: str, answer: str, reference: str, reasoning: str | None, words: Words) -> Wording:
    return Wording(question, answer, exact(reference), reasoning)


def draft(
    *materials: Material, fact: str = "", answer: str = "the bell", reference: str = "bell", **changes: object
) -> QuestionDraft:
    owners = materials or (material(YARD, heard(YARD)),)
    values: dict[str, object] = {
        "kind": "k",
        "topic": "t",
        "fact": fact,
        "materials": owners,
        "evidence": owners[0].cite(None, "start_ms"),
        "difficulty": grade(),
        "turn": partial(wording, "which one?", answer, reference, "so it is."),
    }
    return QuestionDraft(**{**values, **changes})  # type: ignore[arg-type]


def made(*drafts: QuestionDraft, config: SftConfig = ENGLISH, limit: int = 99) -> list[Sample]:
    task = TASK.model_copy(update={"max_per_segment": limit})
    return list(samples_from(task, drafts, config, Split.TRAIN, "key"))


def test_sentences_begin_with_a_capital_and_what_is_taken_over_as_it_is_does_not() -> None:
    (sentence,) = made(draft())
    assert (sentence.question, sentence.answer, sentence.reasoning) == ("Which one?", "The bell", "So it is.")
    (name,) = made(draft(answer="bell"))
    assert (name.question, name.answer, name.reasoning) == ("which one?", "bell", "so it is.")
    bare = draft(turn=partial(wording, "", "x y", "y", None))
    assert (made(bare)[0].question, made(bare)[0].answer, made(bare)[0].reasoning) == ("", "X y", None)


def test_a_sample_says_of_what_it_is() -> None:
    verdicts = (SourceVerdict(claim="c", verdict=None, probability=0.5),)
    owner = material(YARD, heard(YARD))
    (sample,) = made(
        draft(
            owner,
            verdicts=verdicts,
            text_only=0.25,
            difficulty=Difficulty.HARD,
            evidence=owner.cite(None, "start_ms", "end_ms", "start_ms"),
        )
    )
    assert sample.sample_id.startswith(f"{YARD.segment_id}-")
    assert (sample.recording_id, sample.segment_ids) == (YARD.recording_id, (YARD.segment_id,))
    assert (sample.task, sample.kind, sample.topic, sample.language) == (TASK.task, "k", "t", "en")
    assert (sample.verdicts, sample.text_only, sample.difficulty) == (verdicts, 0.25, Difficulty.HARD)
    assert [one.field for one in sample.evidence] == ["start_ms", "end_ms"]
    assert (sample.audio_ms, sample.license, sample.split, sample.config_key) == (10_000, "CC0-1.0", Split.TRAIN, "key")
    assert sample.event_class == (YARD.profile[0].event_class if YARD.profile else None)


def test_two_segments_are_played_before_the_question_and_their_time_adds_up() -> None:
    (sample,) = made(draft(material(YARD), material(LATER)))
    assert sample.audio_ms == 14_000
    assert sample.segment_ids == (YARD.segment_id, LATER.segment_id)
    assert [(one.role, one.kind, one.content) for one in sample.messages] == [
        (Role.USER, MessageKind.AUDIO, YARD.segment_id),
        (Role.USER, MessageKind.AUDIO, LATER.segment_id),
        (Role.USER, MessageKind.TEXT, "Which one?"),
        (Role.ASSISTANT, MessageKind.TEXT, "The bell"),
    ]
    assert sample.messages == conversation(sample.segment_ids, "Which one?", "The bell")


def test_an_id_changes_with_the_fact_its_kind_its_task_and_its_segments_and_with_nothing_else() -> None:
    (base,) = made(draft(fact="f"))
    others = [
        made(draft())[0],
        made(draft(fact="another"))[0],
        made(draft(fact="f", kind="another"))[0],
        made(draft(material(YARD), material(LATER), fact="f"))[0],
        next(samples_from(ENGLISH.tasks[1], [draft(fact="f")], ENGLISH, Split.TRAIN, "key")),
    ]
    assert len({one.sample_id for one in (base, *others)}) == 6
    changes = ({"answer": "the other"}, {"topic": "u"}, {"difficulty": Difficulty.HARD})
    same = [made(draft(fact="f", **change))[0] for change in changes]
    assert {one.sample_id for one in same} == {base.sample_id}


def test_samples_are_in_order_of_segment_and_id_and_the_first_ids_of_a_segment_stay() -> None:
    late, early = ([draft(material(one), fact=f"{n}") for n in range(6)] for one in (LATER, YARD))
    every = made(*late, *early)
    assert [one.sample_id for one in every] == sorted(one.sample_id for one in every)
    assert len(every) == 12
    some = made(*late, *early, limit=2)
    assert Counter(one.segment_ids[0] for one in some) == {YARD.segment_id: 2, LATER.segment_id: 2}
    for segment in (YARD.segment_id, LATER.segment_id):
        names = [[one.sample_id for one in of if one.segment_ids[0] == segment] for of in (some, every)]
        assert names[0] == names[1][:2]


def unsayable(languages: set[str], words: Words) -> Wording:
    if words.language in languages:
        raise UnsayableError("no word for it")
    return Wording("q", "a", exact("b"))


def test_what_one_language_has_no_words_for_is_asked_in_another_or_not_at_all() -> None:
    both = CONFIG.model_copy(update={"languages": {"en": 0.5, "zh": 0.5}})
    for languages, expected in (({"zh"}, ["en"]), ({"en"}, ["zh"]), ({"en", "zh"}, [])):
        found = [
            one.language
            for number in range(12)
            for one in made(draft(fact=f"{number}", turn=partial(unsayable, languages)), config=both)
        ]
        assert sorted({*found}) == expected
        assert len(found) == 12 * len(expected)


def test_languages_are_drawn_by_their_shares_among_those_that_are_allowed() -> None:
    phrasing = Phrasing({"en": 0.75, "zh": 0.25}, 0, CONFIG.timestamps)
    firsts = Counter(phrasing.languages_for(f"{number}")[0] for number in range(2_000))
    assert 0.72 < firsts["en"] / 2_000 < 0.78
    assert {tuple(sorted(phrasing.languages_for(f"{number}"))) for number in range(50)} == {("en", "zh")}
    assert {tuple(phrasing.languages_for(f"{number}", ("zh",))) for number in range(50)} == {("zh",)}
    only = Phrasing({"en": 1.0, "zh": 0.0}, 0, CONFIG.timestamps)
    assert {tuple(only.languages_for(f"{number}")) for number in range(50)} == {("en",)}
    assert only.languages_for("1", ("zh",)) == []
    (chinese,) = {one.language for one in made(draft(languages=("zh",)), config=CONFIG)}
    assert chinese == "zh"


@pytest.mark.parametrize(
    ("steps", "difficulty"),
    [
        (grade(), Difficulty.EASY),
        (grade(2), Difficulty.MEDIUM),
        (grade(3), Difficulty.HARD),
        (grade(9), Difficulty.HARD),
        (grade(crowded=True), Difficulty.MEDIUM),
        (grade(faint=True), Difficulty.MEDIUM),
        (grade(timed=True), Difficulty.MEDIUM),
        (grade(crowded=True, faint=True), Difficulty.HARD),
        (grade(2, timed=True), Difficulty.HARD),
    ],
)
def test_each_thing_more_makes_a_question_a_step_harder(steps: Difficulty, difficulty: Difficulty) -> None:
    assert steps is difficulty


def test_a_task_has_another_key_for_each_option_that_changes_its_samples_and_for_no_other() -> None:
    task = CONFIG.tasks[0]
    other = task.model_copy(update={"max_per_segment": 7})
    changed = [
        CONFIG.model_copy(update={"seed": 1}),
        CONFIG.model_copy(update={"languages": {"en": 1.0}}),
        CONFIG.model_copy(update={"timestamps": CONFIG.timestamps.model_copy(update={"decimals": 1})}),
        CONFIG.model_copy(update={"answerer": Endpoint(model="m")}),
    ]
    keys = [CONFIG.task_key(task), CONFIG.task_key(other), *(config.task_key(task) for config in changed)]
    assert len(set(keys)) == len(keys)
    for update in (
        {"validation_share": 0.5},
        {"validation_recordings": 1},
        {"max_guessed": 0.5},
        {"max_refusals": 0.1},
    ):
        assert CONFIG.model_copy(update=update).task_key(task) == keys[0]
    assert CONFIG.only((task.task,)).task_key(task) == keys[0]


def test_only_some_tasks_are_those_that_are_named() -> None:
    assert [task.task for task in CONFIG.only(("key", "tempo")).tasks] == [
        task.task for task in CONFIG.tasks if task.task in {"key", "tempo"}
    ]
    with pytest.raises(SetupError, match=r"no task dance, jump \(one of"):
        CONFIG.only(("jump", "key", "dance"))


@pytest.mark.parametrize("languages", [{}, {"en": -0.5, "zh": 1.0}, {"en": 0.0, "zh": 0.0}, {"en": 1.0, "de": 1.0}])
def test_languages_are_known_and_their_shares_positive(languages: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="languages"):
        SftConfig.model_validate({"tasks": [{"task": "asr"}], "languages": languages})


def test_a_language_may_have_no_share_beside_one_that_has() -> None:
    assert SftConfig.model_validate({"tasks": [{"task": "asr"}], "languages": {"en": 0.0, "zh": 0.2}}).languages


def test_a_model_that_is_asked_is_named() -> None:
    load_sft_config().check_available()
    with pytest.raises(SetupError, match="answerer has no model"):
        CONFIG.model_copy(update={"answerer": Endpoint()}).check_available()
    pytest.importorskip("aiohttp")
    CONFIG.model_copy(update={"answerer": Endpoint(model="m")}).check_available()


def test_a_configuration_that_cannot_be_names_its_file_and_the_problem() -> None:
    with pytest.raises(SetupError, match=r"configuration default: .*validation_share"):
        load_sft_config(overrides=["validation_share=2"])


def test_the_split_is_the_one_that_is_given() -> None:
    task = next(one for one in ENGLISH.tasks if one.task == "counting")
    for split in Split:
        found = list(samples_of(task, a_rich_recording(), ENGLISH, split, "key"))
        assert {one.split for one in found} == {split}


def test_a_doubted_fact_gives_no_sample() -> None:
    doubted = captioned(YARD, "It begins.")
    claims = tuple(one.model_copy(update={"verdict": Verdict.DROPPED, "probability": 0.1}) for one in doubted.claims)
    owner = material(YARD, caption=doubted.model_copy(update={"claims": claims}))
    assert made(draft(owner, evidence=owner.cite(None, "end_ms")))
    assert not made(draft(owner, evidence=owner.cite(None, "start_ms")))
    assert not made(draft(material(LATER), owner, evidence=owner.cite(None, "end_ms", "start_ms")))
