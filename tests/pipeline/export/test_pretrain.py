"""`export --recipe`: packs of a pretraining mix in every format that can hold them."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.export.base import ExportOptions
from soundseam.pipeline.export.formats import FORMATS, holding_packs
from soundseam.pipeline.export.launch import ExportSummary, run_export
from soundseam.pipeline.export.plan import _options_key, export_options
from soundseam.pipeline.export.pretrain import planned
from soundseam.pipeline.export.recipe import PretrainRecipe, load_recipe
from soundseam.pipeline.export.target import check_export
from soundseam.schemas.record import content_key
from soundseam.schemas.sample import Message, MessageKind, Role, Sample
from tests.pipeline.export.by_hand import SEGMENTS, commit_by_hand, sample_of
from tests.pipeline.export.exports import decode, lines_of, tree

CONTEXT = 128
WORDS = "one two three four five six seven eight nine ten and some more words to read"


def transcript(recording: str, number: int) -> Sample:
    sample = sample_of(f"{recording}{number}-asr", recording, number, task="asr")
    return _answered(sample, f"{WORDS} in {recording} {number}")


def caption(recording: str, number: int) -> Sample:
    sample = sample_of(f"{recording}{number}-caption", recording, number, task="caption", kind="detailed")
    return _answered(sample, f"Somebody counts in {recording}, part {number}.")


def _answered(sample: Sample, text: str) -> Sample:
    answer = Message(role=Role.ASSISTANT, kind=MessageKind.TEXT, content=text)
    return sample.model_copy(update={"messages": (*sample.messages[:-1], answer)})


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    samples = [made(name, number) for name in SEGMENTS for number in range(3) for made in (transcript, caption)]
    short = sample_of("short", "a", 0, task="caption", kind="short")
    return commit_by_hand(tmp_path_factory.mktemp("by_hand"), [*samples, short], shards={"c": 1})


def export(corpus: Path, target: Path, to: str = "webdataset", *overrides: str, **options: object) -> ExportSummary:
    recipe = load_recipe("pretrain", [f"context={CONTEXT}", *overrides])
    fields = {"to": to, "recipe": recipe, "audio_root": "", "tables": False, **options}
    plan = planned(str(corpus), str(target), export_options(fields))
    check_export(plan, replace=False)
    return run_export(plan, 1, lambda done, parts: None)


def packs_in(target: Path) -> list[dict[str, Any]]:
    """The fields of every pack of a WebDataset, with the samples of its clips as `clips`."""
    packs: dict[str, dict[str, Any]] = {}
    clips: dict[str, dict[str, int]] = {}
    for path in sorted(target.rglob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, suffix = member.name.partition(".")
                file = tar.extractfile(member)
                assert file is not None
                data = file.read()
                if suffix == "json":
                    packs[key] = json.loads(data)
                elif suffix.endswith("flac"):
                    clips.setdefault(key, {})[suffix] = len(decode(data))
    return [{**pack, "clips": clips.get(key, {})} for key, pack in packs.items()]


def test_every_document_is_in_one_pack_and_no_pack_is_too_long(corpus: Path, tmp_path: Path) -> None:
    summary = export(corpus, tmp_path)
    packs = packs_in(tmp_path)
    documents = [document for pack in packs for document in pack["documents"]]
    assert len(packs) == summary.counts.packs
    assert len({document["sample_id"] for document in documents}) == len(documents) == summary.counts.total
    assert sum(document["tokens"] for document in documents) == summary.counts.packed_tokens
    for pack in packs:
        assert pack["tokens"] == sum(document["tokens"] for document in pack["documents"]) <= CONTEXT
        names = [name for document in pack["documents"] for name in document["segment_ids"]]
        assert len(set(names)) == len(names)
        audio = [message for message in pack["messages"] if message["kind"] == "audio"]
        assert list(pack["clips"].values()) == [16_000] * len(audio)
        assert sum(document["messages"] for document in pack["documents"]) == len(pack["messages"])


def test_all_kinds_are_there_and_only_whole_captions(corpus: Path, tmp_path: Path) -> None:
    summary = export(corpus, tmp_path, "webdataset", "tokens=100000")
    documents = [document for pack in packs_in(tmp_path) for document in pack["documents"]]
    assert {document["kind"] for document in documents} == {"asr", "interleaved", "caption", "text"}
    assert set(summary.counts.amounts) == set(summary.shares)
    assert not any(document["sample_id"].startswith("short") for document in documents)
    # Each up to four times, and each time in another pack.
    assert len(documents) == 4 * (9 + 9 + 3 + 3)
    keys = [document["sample_id"] for document in documents]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("to", holding_packs())
def test_equal_corpora_give_equal_files_and_nothing_is_written_twice(corpus: Path, tmp_path: Path, to: str) -> None:
    first = export(corpus, tmp_path / "one", to)
    export(corpus, tmp_path / "other", to)
    assert tree(tmp_path / "one") == tree(tmp_path / "other")
    again = export(corpus, tmp_path / "one", to)
    assert (first.parts_written, again.parts_written) == (first.plan_parts, 0)
    assert again.counts == first.counts
    assert tree(tmp_path / "one") == tree(tmp_path / "other")


def test_a_line_of_swift_is_one_turn_with_a_mark_for_each_clip(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path, "swift")
    for line in lines_of(tmp_path / "train.jsonl"):
        (message,) = line["messages"]  # type: ignore[misc, attr-defined]
        assert message["role"] == "assistant"
        assert message["content"].count("<audio>") == len(line["audios"])  # type: ignore[arg-type]
        assert message["content"].endswith("<|endoftext|>")
        assert all((tmp_path / name).is_file() for name in line["audios"])  # type: ignore[attr-defined]


def test_a_row_of_hf_has_a_list_of_clips_and_its_documents(corpus: Path, tmp_path: Path) -> None:
    summary = export(corpus, tmp_path, "hf")
    rows = pq.read_table(tmp_path / "data" / "pack").to_pylist()
    assert len(rows) == summary.counts.packs
    for row in rows:
        assert len(row["audios"]) == row["text"].count("<audio>")
        assert row["tokens"] == sum(document["tokens"] for document in row["documents"])


def test_documents_too_long_are_left_out_and_counted(corpus: Path, tmp_path: Path) -> None:
    summary = export(corpus, tmp_path, "webdataset", "context=64", "shares={interleaved: 1, caption: 1}")
    assert summary.counts.total > 0
    long = export(corpus, tmp_path / "long", "webdataset", "context=64", "max_repeats=1", "tokens=100000")
    assert set(long.counts.skipped) <= {"over_64_tokens"}


def test_text_of_others_is_packed_without_audio(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "more.jsonl").write_text("".join(json.dumps({"text": f"{WORDS} {n}"}) + "\n" for n in range(40)))
    arguments = (f"text=[{tmp_path / 'more.jsonl'}]", "shares={text: 1}")
    summary = export(corpus, tmp_path / "out", "webdataset", *arguments)
    packs = packs_in(tmp_path / "out")
    written = [pack for pack in packs if not pack["segment_ids"]]
    assert sum(len(pack["documents"]) for pack in written) == 40
    assert not any(pack["clips"] for pack in packs)
    assert summary.counts.samples == {"text/train": 43}


def test_the_readme_tells_shares_loss_and_how_to_train(corpus: Path, tmp_path: Path) -> None:
    summary = export(corpus, tmp_path, "swift")
    text = (tmp_path / "README.md").read_text()
    counts = summary.counts
    loss = 1 - counts.packed_tokens / (counts.packs * CONTEXT)
    assert f"{counts.packs:,} packs of 128 tokens hold {counts.packed_tokens:,}: {loss:.1%} is padding" in text
    assert "| caption | 40.0% |" in text
    assert "swift pt" in text
    assert "--max_length 128" in text


@pytest.mark.parametrize("to", sorted(set(FORMATS) - set(holding_packs())))
def test_a_format_that_cannot_hold_packs_says_so(to: str) -> None:
    with pytest.raises(
        SetupError, match=f"^{to} cannot hold packs .* swift, qwen, hf, webdataset, or .*--stage pretrain"
    ):
        export_options({"to": to, "recipe": load_recipe("pretrain")})


@pytest.mark.parametrize(
    "options", [{"tasks": ["asr"]}, {"conversations": True}, {"mix": {"samples": 3}}, {"mix": {"tasks": {"asr": 2.0}}}]
)
def test_options_that_choose_samples_do_not_go_with_a_recipe(options: dict[str, object]) -> None:
    with pytest.raises(SetupError, match="a recipe chooses documents itself"):
        export_options({"to": "hf", "recipe": load_recipe("pretrain"), **options})


def test_an_export_without_a_recipe_has_the_key_it_always_had() -> None:
    options = ExportOptions(to="hf")
    fields = options.model_dump(mode="json", exclude={"mix", "tasks", "tables", "recipe"})
    assert _options_key(options) == content_key([fields, 0])
    assert _options_key(options.model_copy(update={"recipe": PretrainRecipe()})) != content_key([fields, 0])


def test_an_export_in_several_parts_has_every_document_once(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = export(corpus, tmp_path / "one", "webdataset", "tokens=100000")
    monkeypatch.setattr("soundseam.pipeline.export.plan.PART_BYTES", 1)
    several = export(corpus, tmp_path / "several", "webdataset", "tokens=100000")
    assert several.plan_parts > one.plan_parts
    assert (several.counts.samples, several.counts.packed_tokens) == (one.counts.samples, one.counts.packed_tokens)
