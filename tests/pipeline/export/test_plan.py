"""Which samples an export has, in which parts, and in which order they are read with their clips."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.export.base import Item
from soundseam.pipeline.export.plan import ExportPlan, export_options, mix_of
from soundseam.pipeline.export.reader import PartReader
from soundseam.pipeline.sft.summary import FEWEST_QUESTIONS, PRIORS_FILE
from tests.pipeline.export.by_hand import SAMPLES, SEGMENTS, commit_by_hand, plan_by_hand, sample_of
from tests.pipeline.export.items import ANSWER, CHAIN


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return commit_by_hand(tmp_path_factory.mktemp("by_hand"), shards={"c": 1})


def read(plan: ExportPlan) -> tuple[list[Item], int]:
    """The items of all parts, and how many samples are lost."""
    items, lost = [], 0
    for part in plan.parts:
        reader = PartReader(plan, part)
        items += list(reader.items())
        lost += reader.lost
        assert not reader._clips
    return items, lost


def names_of(plan: ExportPlan) -> list[str]:
    return [item.key for item in read(plan)[0]]


def test_samples_come_in_the_order_of_their_last_clip_and_each_has_its_audio(corpus: Path, tmp_path: Path) -> None:
    plan = plan_by_hand(corpus, tmp_path)
    items, lost = read(plan)
    assert lost == 0
    assert sorted(item.key for item in items) == [sample.sample_id for sample in SAMPLES]
    of_a = [item.key for item in items if item.key in "1234"]
    assert of_a == ["1", "2", "4", "3"]
    for item in items:
        assert tuple(clip.segment_id for clip in item.clips) == item.sample.segment_ids
        assert {clip.duration_ms for clip in item.clips} == {1_000}
        assert item.with_reasoning
        assert item.answer_prior is None
    assert {item.sample for item in items} == set(SAMPLES)
    without = read(plan_by_hand(corpus, tmp_path, reasoning=False))[0]
    assert not any(item.with_reasoning for item in without)


def test_tasks_and_stages_choose_what_is_read(corpus: Path, tmp_path: Path) -> None:
    assert plan_by_hand(corpus, tmp_path).tasks == ("asr", "caption", "comparison", "key")
    chosen = plan_by_hand(corpus, tmp_path, tasks=["key", "caption"])
    assert chosen.tasks == ("caption", "key")
    assert sorted(names_of(chosen)) == ["1", "4", "5", "6", "7", "9"]
    pretraining = plan_by_hand(corpus, tmp_path, stage="pretrain")
    assert pretraining.tasks == ("asr", "caption")
    assert sorted(names_of(pretraining)) == ["2", "7"]
    assert mix_of(pretraining.options).shares["caption"] == 0.4
    own = plan_by_hand(corpus, tmp_path, stage="pretrain", mix={"shares": {"asr": 1.0}})
    assert mix_of(own.options).shares == {"asr": 1.0}
    assert mix_of(chosen.options).shares == {}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"tasks": ["dance"]}, "no samples of dance in .*: there are asr, caption, comparison, key"),
        ({"mix": {"tasks": {"tmepo": 2.0}}}, "tmepo: no samples of that name"),
        ({"mix": {"shares": {"kye": 2.0}}}, "kye: no samples of that name"),
        ({"stage": "pretrain", "tasks": ["key"]}, "there is nothing to export: .* has no sample of pretrain"),
    ],
)
def test_what_is_not_there_cannot_be_exported(
    corpus: Path, tmp_path: Path, options: dict[str, object], why: str
) -> None:
    with pytest.raises(SetupError, match=why):
        plan_by_hand(corpus, tmp_path, **options)


def test_a_corpus_without_samples_is_refused(tmp_path: Path) -> None:
    bare = commit_by_hand(tmp_path / "bare", samples=())
    with pytest.raises(SetupError, match=r"there are no samples in .*: build them with soundseam sft"):
        plan_by_hand(bare, tmp_path)
    none_left = commit_by_hand(tmp_path / "none", [sample_of("1", "a", 0)], {"b": SEGMENTS["b"]})
    with pytest.raises(SetupError, match="has no sample of key"):
        plan_by_hand(none_left, tmp_path)


def test_an_option_that_is_none_is_named(tmp_path: Path) -> None:
    assert export_options({"to": "moss", "shard_mb": 3}).shard_mb == 3
    with pytest.raises(SetupError, match="no format csv"):
        export_options({"to": "csv"})
    with pytest.raises(SetupError, match=r"--shard-mb: Input should be greater"):
        export_options({"to": "moss", "shard_mb": 0})


def test_a_part_ends_when_it_has_enough_audio_and_holds_whole_recordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = commit_by_hand(tmp_path / "corpus", shards={"b": 1, "c": 2})
    bytes_of_one = max(path.stat().st_size for path in (corpus / "segments").iterdir())
    ids = [SEGMENTS[name][0].recording_id for name in "abc"]
    for size, parts in ((1, [[0], [1], [2]]), (2 * bytes_of_one, [[0, 1], [2]]), (3 * bytes_of_one, [[0, 1, 2]])):
        monkeypatch.setattr("soundseam.pipeline.export.plan.PART_BYTES", size)
        plan = plan_by_hand(corpus, tmp_path)
        assert [list(part.shards) for part in plan.parts] == parts
        assert [sorted(part.recording_ids) for part in plan.parts] == [sorted(ids[i] for i in part) for part in parts]
        assert sorted(names_of(plan)) == [sample.sample_id for sample in SAMPLES]


def test_the_key_of_a_part_changes_with_what_its_files_would_hold(tmp_path: Path) -> None:
    corpus = commit_by_hand(tmp_path / "corpus")

    def key(folder: Path = corpus, **options: object) -> str:
        (part,) = plan_by_hand(folder, tmp_path, **options).parts
        return part.part

    assert key() == key(tables=False) == key(tasks=["asr", "caption", "comparison", "key"])
    again = commit_by_hand(tmp_path / "again", key="2")
    changes = [{"shard_mb": 3}, {"reasoning": False}, {"tasks": ["key"]}, {"mix": {"seed": 1}}, {"mix": {"samples": 4}}]
    assert len({key(), key(again), *(key(**change) for change in changes)}) == 2 + len(changes)


def test_a_rate_is_of_the_samples_of_a_stage(corpus: Path, tmp_path: Path) -> None:
    plan = plan_by_hand(corpus, tmp_path, mix={"samples": 10**6, "max_repeats": 2.0})
    assert {(rate.task, rate.language, rate.event_class, rate.rate) for rate in plan.rates} == {
        ("asr", "zh", "None", 2.0),
        ("caption", "en", "None", 2.0),
        ("comparison", "en", "None", 2.0),
        ("key", "en", "None", 2.0),
    }
    assert [rate.task for rate in plan.rates] == sorted(rate.task for rate in plan.rates)
    assert sorted(names_of(plan)) == sorted(name for n in range(1, 10) for name in (f"{n}", f"{n}-2"))
    quota = plan_by_hand(corpus, tmp_path, mix={"quotas": {"key": 0}})
    assert sorted(names_of(quota)) == ["2", "3", "6", "7", "8"]
    of_stage = plan_by_hand(corpus, tmp_path, stage="pretrain", mix={"samples": 1, "shares": {"caption": 1.0}})
    assert {rate.task: rate.rate for rate in of_stage.rates} == {"asr": 0.0, "caption": 1.0}


def test_samples_whose_segments_are_gone_are_counted(tmp_path: Path) -> None:
    left = {"a": SEGMENTS["a"][:2], "b": SEGMENTS["b"], "c": SEGMENTS["c"][1:]}
    items, lost = read(plan_by_hand(commit_by_hand(tmp_path / "corpus", segments=left), tmp_path))
    assert sorted(item.key for item in items) == ["1", "2", "4", "5", "6", "7"]
    assert lost == 3
    middle = {**left, "a": (SEGMENTS["a"][0], SEGMENTS["a"][2]), "c": SEGMENTS["c"]}
    first = {**middle, "a": SEGMENTS["a"][1:]}
    for segments, gone in ((middle, ["4"]), (first, ["1", "2", "3"])):
        corpus = commit_by_hand(tmp_path / gone[0], segments=segments)
        items, lost = read(plan_by_hand(corpus, tmp_path))
        assert sorted(item.key for item in items) == [s.sample_id for s in SAMPLES if s.sample_id not in gone]
        assert lost == len(gone)


def test_a_conversation_is_of_one_clip_in_one_language(corpus: Path, tmp_path: Path) -> None:
    items = {item.key: item for item in read(plan_by_hand(corpus, tmp_path, conversations=True))[0]}
    clip = SEGMENTS["a"][0].segment_id
    talks = [name for name in items if "conversation" in name]
    assert f"{clip}-conversation-en" in talks
    assert f"{clip}-conversation-zh" in talks
    assert len(talks) == 6
    assert set(items) - set(talks) == {"3", "8"}
    asked = items[f"{SEGMENTS['b'][2].segment_id}-conversation-en"].sample.messages
    assert len(asked) == 1 + 2 * 2
    assert len(read(plan_by_hand(corpus, tmp_path, "lhotse", conversations=True))[0]) == len(SAMPLES)
    mixed = plan_by_hand(corpus, tmp_path, conversations=True, mix={"samples": 10**6, "max_repeats": 3.0})
    assert sum(len(item.sample.messages) - 1 for item in read(mixed)[0] if item.key in talks) == 2 * 7
    short = read(plan_by_hand(corpus, tmp_path, conversations=True, reasoning=False))[0]
    assert not any(CHAIN in message.content for item in short for message in item.sample.messages)


def test_a_segment_s_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    for number, name in enumerate(("../a", "a/b", "", ".a")):
        segment = SEGMENTS["a"][0].model_copy(update={"segment_id": name})
        sample = sample_of("1", "a", 0, segment_ids=(name,))
        corpus = commit_by_hand(tmp_path / f"{number}", [sample], {"a": (segment,)})
        with pytest.raises(SetupError, match="is no id of a segment"):
            read(plan_by_hand(corpus, tmp_path))


def test_an_answer_has_the_share_of_its_question_that_was_counted(tmp_path: Path) -> None:
    corpus = commit_by_hand(tmp_path / "corpus")
    question = {"kind": "k", "topic": "", "language": "en", "answer": ANSWER, "questions": FEWEST_QUESTIONS}
    rows = [
        {**question, "task": "key", "share": 0.5},
        {**question, "task": "comparison", "share": 0.25, "questions": FEWEST_QUESTIONS - 1},
        {**question, "task": "asr", "share": 0.75},
        {**question, "task": "caption", "share": 0.75, "answer": "another"},
    ]
    pq.write_table(pa.Table.from_pylist(rows), corpus / "_run" / PRIORS_FILE)
    priors = {item.key: item.answer_prior for item in read(plan_by_hand(corpus, tmp_path))[0]}
    assert priors == {**dict.fromkeys("23678", None), **dict.fromkeys("1459", 0.5)}
