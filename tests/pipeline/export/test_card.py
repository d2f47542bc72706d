"""What the README of an export says, and what stays in its folder from one export to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.export import launch
from soundseam.pipeline.export.base import ExportOptions, Finished
from soundseam.pipeline.export.counts import Amount, Counts
from soundseam.pipeline.export.formats import FORMATS
from soundseam.pipeline.export.launch import ExportSummary, card, readme, run_export
from soundseam.pipeline.export.plan import ExportPlan
from soundseam.pipeline.export.target import read_layout, read_markers
from tests.pipeline.export.by_hand import SAMPLES, SEGMENTS, commit_by_hand, plan_by_hand, sample_of
from tests.pipeline.export.exports import tree

AMOUNT = Amount(audio_ms=5_400_000, audio_tokens=1_234, text_tokens=56)
COUNTS = Counts(
    samples={"asr/train": 1_200, "asr/validation": 30, "key/train": 4},
    languages={"zh": 1_000, "en": 234},
    licenses={"CC0-1.0": 1_234},
    clips_ms=3_600_000,
    amounts={"key": AMOUNT, "asr": AMOUNT},
)
DATA = (
    "data/train-00000-of-00001.parquet",
    "data/validation-00000-of-00001.parquet",
    "pairs/train-00000-of-00001.parquet",
    "audio/p/a.flac",
)


def head_of(names: tuple[str, ...] = DATA, tables: dict[str, list[str]] | None = None, **changes: object) -> Any:
    finished = Finished("out", ExportOptions(to="hf"), names)
    text = card(finished, COUNTS.model_copy(update=changes), tables or {})
    empty, front, rest = text.split("---\n", 2)
    assert empty == ""
    assert rest == readme(finished.options, COUNTS.model_copy(update=changes))
    return yaml.safe_load(front)


def test_a_card_says_languages_license_task_and_size() -> None:
    head = head_of()
    assert (head["language"], head["license"], head["size_categories"]) == (["en", "zh"], "cc0-1.0", ["1K<n<10K"])
    assert head["task_categories"] == ["automatic-speech-recognition", "audio-text-to-text"]
    assert head_of(amounts={"key": AMOUNT})["task_categories"] == ["audio-text-to-text"]
    for licenses in ({"unknown": 5}, {"CC0-1.0": 1, "CC-BY-4.0": 1}, {"CC0-1.0": 1, "unknown": 1}, {}):
        assert head_of(licenses=licenses)["license"] == "other"


@pytest.mark.parametrize(
    ("samples", "size"),
    [
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (9_999, "1K<n<10K"),
        (10_000, "10K<n<100K"),
        (99_999, "10K<n<100K"),
        (100_000, "100K<n<1M"),
        (999_999, "100K<n<1M"),
        (1_000_000, "n>1M"),
    ],
)
def test_a_size_is_the_one_that_its_samples_fall_into(samples: int, size: str) -> None:
    assert head_of(samples={"key/train": samples})["size_categories"] == [size]


def test_clips_pairs_and_tables_that_have_files_are_configurations() -> None:
    train = {"split": "train", "path": "data/train-*.parquet"}
    held_out = {"split": "validation", "path": "data/validation-*.parquet"}
    assert head_of(tables={"annotations/music": ["a.parquet"], "captions": []})["configs"] == [
        {"config_name": "default", "data_files": [train, held_out]},
        {"config_name": "pairs", "data_files": [{"split": "train", "path": "pairs/train-*.parquet"}]},
        {
            "config_name": "table_annotations_music",
            "data_files": [{"split": "train", "path": "tables/annotations/music/*.parquet"}],
        },
    ]
    assert head_of(("pairs/train-00000-of-00001.parquet",))["configs"][0]["config_name"] == "pairs"


def test_a_readme_counts_samples_hours_and_tokens() -> None:
    lines = readme(ExportOptions(to="swift"), COUNTS).splitlines()
    assert lines[2] == (
        "Stage sft, format `swift`: 1,234 samples over 1.00 hours of audio; counted once per sample, 3.00 hours, "
        "2,468 audio tokens and about 112 text tokens."
    )
    assert "| asr | 1,200 | 30 | 1.50 | 1,234 | 56 |" in lines
    assert "| key | 4 | 0 | 1.50 | 1,234 | 56 |" in lines
    assert "| CC0-1.0 | 1,234 |" in lines
    assert not any("not in this format" in line or "Meant to be sampled" in line for line in lines)
    assert lines[-4:-2] == ["", "```bash"]
    assert lines[-2].startswith("swift sft")
    assert "./train.jsonl" in lines[-2]
    for to in FORMATS:
        assert readme(ExportOptions(to=to), COUNTS, ("data/train-000000.tar",)).count("\n```bash\n") == 1


def test_a_readme_says_what_is_missing_and_how_to_sample() -> None:
    counts = COUNTS.model_copy(update={"skipped": {"several_audios": 1_000}})
    lines = readme(ExportOptions.model_validate({"to": "moss", "stage": "pretrain"}), counts).splitlines()
    assert lines[lines.index("| not in this format | samples |") + 2] == "| several_audios | 1,000 |"
    assert {"- caption: 0.4", "- asr: 0.1"} <= set(lines)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return commit_by_hand(tmp_path_factory.mktemp("by_hand"), shards={"c": 1})


@pytest.fixture(autouse=True)
def _a_part_for_each_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soundseam.pipeline.export.plan.PART_BYTES", 1)


def run(plan: ExportPlan) -> tuple[ExportSummary, list[tuple[int, int]]]:
    progress: list[tuple[int, int]] = []
    return run_export(plan, 1, lambda done, parts: progress.append((done, parts))), progress


def test_parts_are_written_once_and_a_lost_one_again(corpus: Path, tmp_path: Path) -> None:
    plan = plan_by_hand(corpus, tmp_path / "out", "moss")
    first, progress = run(plan)
    assert progress == [(1, 3), (2, 3), (3, 3)]
    assert (first.plan_parts, first.parts_written, first.counts.total) == (3, 3, len(SAMPLES) - 2)
    assert first.counts.skipped == {"several_audios": 2}
    assert first.indexes == ("train.jsonl", "validation.jsonl", "README.md")
    assert first.shares == {}
    before = tree(tmp_path / "out")
    assert not (tmp_path / "out/_export/scratch").exists()
    layout = read_layout(plan.target)
    assert layout is not None
    assert set(layout.indexes) == set(first.indexes)
    assert all(layout.indexes.values())
    again, progress = run(plan)
    assert (again.parts_written, progress) == (0, [])
    assert again.model_copy(update={"parts_written": 3}) == first
    next((tmp_path / "out/audio").rglob("*.wav")).unlink()
    mended, progress = run(plan)
    assert (mended.parts_written, progress, mended.counts) == (1, [(3, 3)], first.counts)
    assert tree(tmp_path / "out") == before
    stored = ExportSummary.model_validate_json((tmp_path / "out/_export/export.json").read_text())
    assert stored == mended


def test_parts_and_files_of_another_plan_are_removed_when_the_new_ones_are_there(corpus: Path, tmp_path: Path) -> None:
    run(plan_by_hand(corpus, tmp_path / "out", "llamafactory"))
    (tmp_path / "out/notes.md").write_text("mine")
    plan = plan_by_hand(corpus, tmp_path / "out", "webdataset", tasks=["key"])
    run(plan)
    run(plan_by_hand(corpus, tmp_path / "fresh", "webdataset", tasks=["key"]))
    (tmp_path / "out/notes.md").unlink()
    assert tree(tmp_path / "out") == tree(tmp_path / "fresh")
    assert {marker.part for marker in read_markers(plan.target)} == {part.part for part in plan.parts}


def test_the_tables_of_a_corpus_come_along_and_old_ones_go(corpus: Path, tmp_path: Path) -> None:
    def tables() -> dict[str, bytes]:
        return {name: data for name, data in tree(tmp_path / "out").items() if name.startswith("tables/")}

    run(plan_by_hand(corpus, tmp_path / "out", "hf"))
    own = (corpus / "segments").glob("[0-9]*.parquet")
    expected = {f"tables/segments/{path.name}": path.read_bytes() for path in own}
    assert tables() == expected
    stale = tmp_path / "out/tables/segments" / f"0009{next(iter(expected)).rpartition('/')[2][4:]}"
    kept, other = tmp_path / "out/tables/segments/mine.txt", tmp_path / "out/tables/captions"
    stale.write_text("old")
    kept.write_text("mine")
    other.mkdir()
    (other / stale.name).write_text("old")
    run(plan_by_hand(corpus, tmp_path / "out", "hf"))
    assert tables() == {**expected, "tables/segments/mine.txt": b"mine"}
    assert not other.exists()
    assert "table_segments" in (tmp_path / "out/README.md").read_text()
    run(plan_by_hand(corpus, tmp_path / "out", "hf", tables=False))
    assert tables() == {"tables/segments/mine.txt": b"mine"}
    run(plan_by_hand(corpus, tmp_path / "plain", "swift"))
    assert not (tmp_path / "plain/tables").exists()


def test_without_a_sample_that_can_be_written_nothing_is_left(tmp_path: Path) -> None:
    pair = sample_of("1", "a", 0, 1, task="comparison")
    corpus = commit_by_hand(tmp_path / "pairs", [pair], {"a": SEGMENTS["a"]})
    for made_before in (False, True):
        target = tmp_path / f"out-{made_before}"
        target.mkdir() if made_before else None
        with pytest.raises(SetupError, match=r"no sample of .*pairs .* as moss .*: left out are 1 several_audios"):
            run(plan_by_hand(corpus, target, "moss"))
        assert target.exists() == made_before
        assert not made_before or not list(target.iterdir())
    gone = commit_by_hand(tmp_path / "gone", [pair], {"a": SEGMENTS["a"][2:]})
    with pytest.raises(SetupError, match=r"1 whose segments are gone: run soundseam sft .*gone again"):
        run(plan_by_hand(gone, tmp_path / "none", "swift"))


def test_an_earlier_export_stays_if_there_is_nothing_new(corpus: Path, tmp_path: Path) -> None:
    pairs = commit_by_hand(tmp_path / "pairs", [sample_of("1", "a", 0, 1, task="comparison")], {"a": SEGMENTS["a"]})
    run(plan_by_hand(corpus, tmp_path / "out", "moss"))
    before = tree(tmp_path / "out")
    with pytest.raises(SetupError, match="no sample of"):
        run(plan_by_hand(pairs, tmp_path / "out", "moss"))
    assert tree(tmp_path / "out") == before


def test_a_part_that_was_cut_off_leaves_no_marker(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_by_hand(corpus, tmp_path / "out", "moss")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(launch, "_place", full)
        with pytest.raises(OSError, match="no space"):
            run(plan)
    assert not list(read_markers(plan.target))
    layout = read_layout(plan.target)
    assert layout is not None
    assert layout.indexes == {}
    run(plan)
    run(plan_by_hand(corpus, tmp_path / "whole", "moss"))
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
