"""Formats of one JSON object a line, held against the fields that their readers document."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from lhotse.kaldi import load_kaldi_data_dir

from soundseam.schemas.sample import Sample, Split
from tests.pipeline.export.exports import audio_in, decode, export, lines_of, samples_in


def test_a_user_turn_holds_the_audio_and_then_the_question(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path, "openai")
    lines: list[Any] = [line for path in sorted((tmp_path / "data").iterdir()) for line in lines_of(path)]
    wanted = {(sample.question, sample.segment_ids) for sample in samples_in(corpus).values()}
    audio = {samples.tobytes(): segment_id for segment_id, samples in audio_in(corpus).items()}
    found = set()
    for line in lines:
        user, assistant = line["messages"]
        *clips, question = user["content"]
        assert (user["role"], assistant["role"]) == ("user", "assistant")
        assert all(clip["type"] == "input_audio" and clip["input_audio"]["format"] == "wav" for clip in clips)
        heard = [decode(base64.b64decode(clip["input_audio"]["data"])) for clip in clips]
        assert all(samples.dtype == np.int16 for samples in heard)
        found.add((question["text"], tuple(audio[samples.tobytes()] for samples in heard)))
    assert found == wanted
    assert len(lines) == len(samples_in(corpus))


def exported(corpus: Path, target: Path, to: str) -> list[tuple[str, dict[str, Any]]]:
    """(split, line)."""
    export(corpus, target, to)
    return [(split, line) for split in Split for line in lines_of(target / f"{split}.jsonl")]


def same_audio(path: str, corpus: Path) -> bool:
    return np.array_equal(decode(Path(path).read_bytes()), audio_in(corpus)[Path(path).stem])


def by_content(samples: dict[str, Sample]) -> list[tuple[str, ...]]:
    """Of the samples that play one clip."""
    return sorted(
        (str(sample.split), sample.question, sample.answer, *sample.segment_ids)
        for sample in samples.values()
        if len(sample.segment_ids) == 1
    )


def test_moss_lines_are_conversations_with_wav_files(corpus: Path, tmp_path: Path) -> None:
    found = []
    for split, line in exported(corpus, tmp_path, "moss"):
        assert set(line) == {"conversation"}
        *audio, question, answer = line["conversation"]
        assert all(set(part) == {"role", "message_type", "content"} for part in line["conversation"])
        assert {(part["role"], part["message_type"]) for part in audio} == {("user", "audio")}
        assert (question["role"], question["message_type"]) == ("user", "text")
        assert (answer["role"], answer["message_type"]) == ("assistant", "text")
        assert all(part["content"].endswith(".wav") for part in audio)
        plain = answer["content"].rpartition("</think>\n\n")[2]
        found.append((str(split), question["content"], plain, *(Path(part["content"]).stem for part in audio)))
    assert sorted(found) == by_content(samples_in(corpus))


def test_every_audio_file_equals_its_segment_sample_for_sample(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path, "moss")
    files = list(tmp_path.rglob("*.wav"))
    assert {file.stem for file in files} == set(audio_in(corpus))
    assert all(same_audio(str(file), corpus) for file in files)


@pytest.mark.parametrize("to", ["swift", "llamafactory"])
def test_messages_have_as_many_marks_as_audios(corpus: Path, tmp_path: Path, to: str) -> None:
    lines = exported(corpus, tmp_path, to)
    assert len(lines) == len(samples_in(corpus))
    assert {len(line["audios"]) for _, line in lines} == {1, 2}
    for _, line in lines:
        assert set(line) == {"messages", "audios"}
        user, assistant = line["messages"]
        assert (user["role"], assistant["role"]) == ("user", "assistant")
        assert user["content"].count("<audio>") == len(line["audios"])
        assert "<audio>" not in assistant["content"]
        assert all(same_audio(path, corpus) for path in line["audios"])


def test_llamafactory_finds_its_datasets_by_their_entries(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path, "llamafactory")
    entries = json.loads((tmp_path / "dataset_info.json").read_text())
    assert set(entries) == {"soundseam_train", "soundseam_validation"}
    for entry in entries.values():
        line = lines_of(tmp_path / entry["file_name"])[0]
        assert entry["formatting"] == "sharegpt"
        assert set(entry["columns"].values()) == set(line)
        message = line["messages"][0]  # type: ignore[index]
        assert {entry["tags"]["role_tag"], entry["tags"]["content_tag"]} == set(message)
        roles = [message["role"] for message in line["messages"]]  # type: ignore[attr-defined]
        assert [entry["tags"]["user_tag"], entry["tags"]["assistant_tag"]] == roles


def test_salm_s_lines_are_conversations_and_recognisers_get_transcripts_alone(corpus: Path, tmp_path: Path) -> None:
    samples = samples_in(corpus)
    transcripts = [line for _, line in exported(corpus, tmp_path, "nemo")]
    assert {line["id"] for line in transcripts} == {key for key, one in samples.items() if one.task == "asr"}
    for line in transcripts:
        assert {"audio_filepath", "duration", "offset", "text"} <= set(line)
        assert line["duration"] * 16_000 == len(decode(Path(line["audio_filepath"]).read_bytes()))
    salm: list[Any] = [line for split in Split for line in lines_of(tmp_path / f"salm-{split}.jsonl")]
    assert {line["id"] for line in salm} == set(samples)
    for line in salm:
        *audio, question, answer = line["conversations"]
        assert {turn["from"] for turn in (*audio, question)} == {"User"}
        assert answer["from"] == "Assistant"
        assert [Path(turn["value"]).stem for turn in audio] == list(samples[line["id"]].segment_ids)
        assert all(turn["type"] == "audio" and turn["duration"] > 0 for turn in audio)


@pytest.mark.parametrize("to", ["moss", "lhotse"])
def test_samples_of_two_clips_are_counted_where_a_format_has_no_form_for_them(
    corpus: Path, tmp_path: Path, to: str
) -> None:
    pairs = [sample for sample in samples_in(corpus).values() if len(sample.segment_ids) == 2]
    assert export(corpus, tmp_path, to).counts.skipped == {"several_audios": len(pairs)}


def test_qwen_s_contents_are_lists_of_parts(corpus: Path, tmp_path: Path) -> None:
    lines = exported(corpus, tmp_path, "qwen")
    assert len(lines) == len(samples_in(corpus))
    for _, line in lines:
        user, assistant = line["messages"]
        *audio, question = user["content"]
        assert question["type"] == "text"
        assert all(part["type"] == "audio" and same_audio(part["audio"], corpus) for part in audio)
        assert [part["type"] for part in assistant["content"]] == ["text"]


def test_qwen_s_own_processor_reads_the_lists(corpus: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    from tests.trainers.tiny_qwen import tiny_tokenizer

    features = transformers.WhisperFeatureExtractor(feature_size=128, chunk_length=1)
    processor = transformers.Qwen2AudioProcessor(features, tiny_tokenizer())
    for _, line in exported(corpus, tmp_path, "qwen"):
        parts = [part for message in line["messages"] for part in message["content"]]
        prompt = processor.apply_chat_template(line["messages"], processor.default_chat_template, tokenize=False)
        assert prompt.count("<|AUDIO|>") == sum(part["type"] == "audio" for part in parts) > 0
        assert all(part["text"] in prompt for part in parts if part["type"] == "text")


def test_a_kaldi_folder_holds_sorted_transcripts(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path, "kaldi")
    wanted = {one.segment_ids[0]: one.answer for one in samples_in(corpus).values() if one.task == "asr"}
    found = {}
    for split in Split:
        tables = {
            name: [line.split(" ", 1) for line in (tmp_path / split / name).read_text().splitlines()]
            for name in ("text", "wav.scp", "utt2spk")
        }
        ids = [row[0] for row in tables["text"]]
        assert ids == sorted(ids) == [row[0] for row in tables["wav.scp"]] == [row[0] for row in tables["utt2spk"]]
        assert all(name.startswith(speaker) for name, speaker in tables["utt2spk"])
        assert all(same_audio(path, corpus) for _, path in tables["wav.scp"])
        if ids:
            recordings, _, _ = load_kaldi_data_dir(tmp_path / split, 16_000)
            assert sorted(recordings.ids) == ids
        found |= dict(tables["text"])
    assert found == wanted


def test_a_conversation_asks_everything_about_a_clip_and_plays_it_once(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path, "swift", conversations=True)
    alone = [one for one in samples_in(corpus).values() if len(one.segment_ids) == 1]
    lines: list[Any] = [line for split in Split for line in lines_of(tmp_path / f"{split}.jsonl")]
    talks = [line for line in lines if len(line["audios"]) == 1]
    assert len(talks) == len({(one.segment_ids, one.language) for one in alone})
    for line in talks:
        assert [message["role"] for message in line["messages"][:2]] == ["user", "assistant"]
        assert sum(message["content"].count("<audio>") for message in line["messages"]) == 1
    asked = [m["content"].removeprefix("<audio>") for line in talks for m in line["messages"] if m["role"] == "user"]
    assert sorted(asked) == sorted(one.question for one in alone)


def test_a_readme_ends_with_what_reads_the_export(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path, "swift", tasks=["key"])
    assert "swift sft" in (tmp_path / "README.md").read_text().split("## Use")[1]


def test_a_chain_of_reasoning_stands_before_the_answer(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path / "with", "swift", tasks=["reasoning"])
    export(corpus, tmp_path / "without", "swift", tasks=["reasoning"], reasoning=False)
    with_chain, without = (
        [line["messages"][1]["content"] for line in lines_of(tmp_path / name / "train.jsonl")]  # type: ignore[index]
        for name in ("with", "without")
    )
    assert all(text.startswith("<think>\n") for text in with_chain)
    assert [text.partition("</think>\n\n")[2] for text in with_chain] == without


def test_audio_paths_begin_with_the_root_that_is_asked_for(corpus: Path, tmp_path: Path) -> None:
    export(corpus, tmp_path, "swift", audio_root="/data/set", tasks=["key"])
    for line in lines_of(tmp_path / "train.jsonl"):
        (path,) = line["audios"]  # type: ignore[misc]
        assert (tmp_path / Path(path).relative_to("/data/set")).is_file()
    beside = tmp_path / "beside"
    export(corpus, beside, "swift", audio_root="", tasks=["key"])
    assert (beside / lines_of(beside / "train.jsonl")[0]["audios"][0]).is_file()  # type: ignore[index]


def test_llamafactory_s_own_reader_takes_every_line(corpus: Path, tmp_path: Path) -> None:
    parser = pytest.importorskip("llamafactory.data.parser", exc_type=ImportError)
    converter = pytest.importorskip("llamafactory.data.converter", exc_type=ImportError)
    export(corpus, tmp_path, "llamafactory")
    read = 0
    for entry in parser.get_dataset_list(["soundseam_train", "soundseam_validation"], str(tmp_path)):
        convert = converter.SharegptDatasetConverter(entry, SimpleNamespace(media_dir=str(tmp_path)))
        for line in lines_of(tmp_path / entry.dataset_name):
            found = convert(line)
            assert len(found["_prompt"]) == len(found["_response"]) == 1
            assert found["_audios"] == line["audios"]
            read += 1
    assert read == len(samples_in(corpus))


def test_ms_swift_s_own_reader_takes_every_line(corpus: Path, tmp_path: Path) -> None:
    reader = pytest.importorskip("swift.dataset", exc_type=ImportError)
    export(corpus, tmp_path, "swift")
    for split in Split:
        lines = lines_of(tmp_path / f"{split}.jsonl")
        loaded, _ = reader.load_dataset(str(tmp_path / f"{split}.jsonl"), num_proc=1)
        assert [row["messages"] for row in loaded] == [line["messages"] for line in lines]
        assert [row["audios"] for row in loaded] == [line["audios"] for line in lines]
