"""What the formats of lines write of a few samples, byte for byte where that matters."""

from __future__ import annotations

import base64
import gc
import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.export.base import Clip, ExportOptions, Place, Stage, audio_bytes, num_samples
from soundseam.pipeline.export.counts import Amount, Tally
from soundseam.pipeline.export.formats import FORMATS, format_named
from soundseam.pipeline.export.plan import export_options, is_taken
from soundseam.pipeline.export.reader import conversation_of
from soundseam.pipeline.export.tokens import text_tokens
from soundseam.schemas.sample import MessageKind, Role, Scoring
from tests.pipeline.export.items import (
    ANSWER,
    CHAIN,
    CLIPS,
    HELD_OUT,
    PAIR,
    QUESTION,
    TRANSCRIPT,
    a_sample,
    an_item,
    finished,
    flac_of,
    lines_in,
    names_in,
    written,
)


def test_a_chain_stands_before_its_answer_if_it_is_wanted() -> None:
    reasoned = a_sample(reasoning=CHAIN)
    whole = f"<think>\n{CHAIN}\n</think>\n\n{ANSWER}"
    assert an_item(reasoned).answer == whole
    assert an_item(reasoned, with_reasoning=False).answer == an_item().answer == ANSWER
    assert an_item(reasoned).turns() == [
        (Role.USER, MessageKind.AUDIO, "a-1"),
        (Role.USER, MessageKind.TEXT, QUESTION),
        (Role.ASSISTANT, MessageKind.TEXT, whole),
    ]
    assert an_item(reasoned, with_reasoning=False).turns()[-1][-1] == ANSWER


def test_audio_is_equal_sample_for_sample_and_counted_to_the_sample() -> None:
    clip = CLIPS["a-1"]
    assert audio_bytes(clip, "flac") == clip.flac
    wav, rate_hz = soundfile.read(io.BytesIO(audio_bytes(clip, "wav")), dtype="int16")
    flac, _ = soundfile.read(io.BytesIO(clip.flac), dtype="int16")
    assert rate_hz == 16_000
    assert np.array_equal(wav, flac)
    assert num_samples(clip) == 16_008
    with pytest.raises(ValueError, match="a-3 is not 16000 Hz mono"):
        audio_bytes(Clip("a-3", flac_of(100, rate_hz=8_000), 12), "wav")


def test_a_clip_is_written_once_a_part_and_named_in_the_folder_or_under_the_root_that_is_asked_for(
    tmp_path: Path,
) -> None:
    for root, begins in ((None, f"{tmp_path}/audio"), ("s3://b/x", "s3://b/x/audio"), ("", "audio")):
        assert written(tmp_path, "swift", an_item(), PAIR, audio_root=root) == [None, None]
        assert [name for name in names_in(tmp_path) if name.startswith("audio")] == [
            "audio/p/a-1.flac",
            "audio/p/a-2.flac",
        ]
        (first, second) = lines_in(tmp_path, "_export/lines/p.train.jsonl")
        assert first["audios"] == [f"{begins}/p/a-1.flac"]
        assert second["audios"] == [f"{begins}/p/a-1.flac", f"{begins}/p/a-2.flac"]
        assert second["messages"][0]["content"] == f"<audio><audio>{QUESTION}"


def test_each_split_has_its_lines_and_its_datasets(tmp_path: Path) -> None:
    written(tmp_path, "llamafactory", an_item(), HELD_OUT)
    form = format_named("llamafactory")
    assert form.joined(finished(tmp_path, "llamafactory")) == {
        "train.jsonl": ("_export/lines/p.train.jsonl",),
        "validation.jsonl": ("_export/lines/p.validation.jsonl",),
    }
    entries = json.loads(form.finish(finished(tmp_path, "llamafactory"))["dataset_info.json"])
    assert {name: entry["file_name"] for name, entry in entries.items()} == {
        "soundseam_train": "train.jsonl",
        "soundseam_validation": "validation.jsonl",
    }
    (tmp_path / "_export/lines/p.validation.jsonl").unlink()
    assert set(form.joined(finished(tmp_path, "llamafactory"))) == {"train.jsonl"}


def test_moss_takes_samples_of_one_clip_and_names_it_in_its_place(tmp_path: Path) -> None:
    assert written(tmp_path, "moss", an_item(), PAIR, audio_root="") == [None, "several_audios"]
    (line,) = lines_in(tmp_path, "_export/lines/p.train.jsonl")
    assert line == {
        "conversation": [
            {"role": "user", "message_type": "audio", "content": "audio/p/a-1.wav"},
            {"role": "user", "message_type": "text", "content": QUESTION},
            {"role": "assistant", "message_type": "text", "content": ANSWER},
        ]
    }
    assert "audio/p/a-2.wav" not in names_in(tmp_path)


def test_qwen_takes_lists_of_parts(tmp_path: Path) -> None:
    written(tmp_path, "qwen", PAIR, audio_root="")
    (line,) = lines_in(tmp_path, "_export/lines/p.train.jsonl")
    user, assistant = line["messages"]
    assert [part.get("audio") for part in user["content"]] == ["audio/p/a-1.wav", "audio/p/a-2.wav", None]
    assert user["content"][-1] == {"type": "text", "text": QUESTION}
    assert assistant == {"role": "assistant", "content": [{"type": "text", "text": ANSWER}]}


def test_openai_takes_audio_in_the_line(tmp_path: Path) -> None:
    written(tmp_path, "openai", PAIR, HELD_OUT)
    (line,) = lines_in(tmp_path, "data/train-p-00000.jsonl")
    user, assistant = line["messages"]
    data = [part["input_audio"]["data"] for part in user["content"][:-1]]
    assert [base64.b64decode(one) for one in data] == [audio_bytes(clip, "wav") for clip in PAIR.clips]
    assert assistant == {"role": "assistant", "content": ANSWER}
    assert len(lines_in(tmp_path, "data/validation-p-00000.jsonl")) == 1


@pytest.mark.parametrize("to", ["swift", "qwen", "openai"])
def test_every_turn_of_a_conversation_is_written(tmp_path: Path, to: str) -> None:
    talk = conversation_of([a_sample("1"), a_sample("2", task="tempo")], with_reasoning=True)
    written(tmp_path, to, an_item(talk), audio_root="")
    (line,) = [line for name in names_in(tmp_path) if name.endswith(".jsonl") for line in lines_in(tmp_path, name)]
    assert [message["role"] for message in line["messages"]] == ["user", "assistant"] * 2
    assert [str(message).count(QUESTION) for message in line["messages"]] == [1, 0, 1, 0]
    assert [str(message).count(ANSWER) for message in line["messages"]] == [0, 1, 0, 1]


def test_nemo_has_a_conversation_of_each_sample_and_a_line_of_each_transcript(tmp_path: Path) -> None:
    labelled = an_item(a_sample("labels", task="asr"))
    others = [an_item(a_sample(task, task=task, scoring=Scoring.WER)) for task in ("all_words", "asr_words")]
    written(tmp_path, "nemo", PAIR, TRANSCRIPT, labelled, *others, audio_root="")
    salm = lines_in(tmp_path, "_export/lines/p.salm-train.jsonl")
    assert [line["id"] for line in salm] == ["pair", "said", "labels", "all_words", "asr_words"]
    assert salm[0]["conversations"] == [
        {"from": "User", "value": "audio/p/a-1.flac", "type": "audio", "duration": 16_008 / 16_000},
        {"from": "User", "value": "audio/p/a-2.flac", "type": "audio", "duration": 2.0},
        {"from": "User", "value": QUESTION, "type": "text"},
        {"from": "Assistant", "value": ANSWER, "type": "text"},
    ]
    (plain,) = lines_in(tmp_path, "_export/lines/p.train.jsonl")
    assert plain == {
        "audio_filepath": "audio/p/a-1.flac",
        "duration": 16_008 / 16_000,
        "offset": 0.0,
        "text": ANSWER,
        "lang": "en",
        "id": "said",
    }
    assert set(format_named("nemo").joined(finished(tmp_path, "nemo"))) == {"train.jsonl", "salm-train.jsonl"}


def test_a_kaldi_folder_holds_plain_transcripts_sorted_by_bytes(tmp_path: Path) -> None:
    second = an_item(a_sample("b", ("a-2",), task="asr", recording_id="B"))
    assert written(tmp_path, "kaldi", second, TRANSCRIPT, an_item(), audio_root="") == [None, None, "no_transcript"]
    texts = format_named("kaldi").finish(finished(tmp_path, "kaldi"))
    assert texts == {
        "train/wav.scp": "a-1 audio/p/a-1.wav\na-2 audio/p/a-2.wav\n",
        "train/text": f"a-1 {ANSWER}\na-2 {ANSWER}\n",
        "train/utt2spk": "a-1 a\na-2 B\n",
        "train/spk2utt": "B a-2\na a-1\n",
    }


def test_what_is_counted_is_what_was_written() -> None:
    tally = Tally()
    tally.add(an_item(), None)
    tally.add(an_item(a_sample("t", license="CC0-1.0", language="zh")), None)
    tally.add(PAIR, None)
    tally.add(PAIR, "several_audios")
    tally.add(HELD_OUT, None)
    counts = tally.counts(lost=2)
    assert counts.samples == {"counting/train": 3, "counting/validation": 1}
    assert counts.languages == {"en": 3, "zh": 1}
    assert counts.licenses == {"unknown": 3, "CC0-1.0": 1}
    assert (counts.skipped, counts.lost, counts.total) == ({"several_audios": 1}, 2, 4)
    # Each clip once, and each time it is played.
    assert counts.clips_ms == 1_000 + 2_000
    texts = text_tokens(QUESTION) + text_tokens(ANSWER)
    assert counts.amount == Amount(audio_ms=6_000, audio_tokens=4 * 13 + 26, text_tokens=4 * texts)


def test_pretraining_takes_unified_captions_and_transcripts() -> None:
    for task, kind, taken in (
        ("caption", "plain", True),
        ("caption", "detailed", True),
        ("caption", "short", False),
        ("asr", "plain", True),
        ("asr_words", "words", True),
        ("counting", "count", False),
    ):
        assert is_taken(Stage.PRETRAIN, kind, task) is taken
        assert is_taken(Stage.SFT, kind, task)


def test_a_conversation_asks_what_gives_answers_away_last_and_plays_its_clip_once() -> None:
    late, why, plain = a_sample("1", task="asr"), a_sample("2", reasoning=CHAIN), a_sample("3", task="tempo")
    talk = conversation_of([plain, late, why], with_reasoning=True)
    whole = f"<think>\n{CHAIN}\n</think>\n\n{ANSWER}"
    assert [message.content for message in talk.messages] == [
        "a-1",
        QUESTION,
        whole,
        QUESTION,
        ANSWER,
        QUESTION,
        ANSWER,
    ]
    assert [message.role for message in talk.messages] == [Role.USER, *[Role.USER, Role.ASSISTANT] * 3]
    assert (talk.sample_id, talk.task, talk.kind, talk.topic) == ("a-1-conversation-en", "conversation", "turns", "")
    assert (talk.reasoning, talk.answer_spec.scoring) == (None, Scoring.OPEN)
    short = conversation_of([why, late], with_reasoning=False)
    assert [message.content for message in short.messages][2] == ANSWER


@pytest.mark.parametrize("to", list(FORMATS))
def test_the_files_of_a_part_are_complete_as_soon_as_it_is_closed(tmp_path: Path, to: str) -> None:
    writer = format_named(to).writer(Place(tmp_path, str(tmp_path), "p", ExportOptions(to=to)))
    for item in (TRANSCRIPT, HELD_OUT):
        writer.write(item)
    writer.close()
    closed = {name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)}
    assert any(name.endswith((".jsonl", ".parquet", ".tar")) and data for name, data in closed.items())
    del writer
    gc.collect()
    assert {name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)} == closed


def test_a_format_is_found_by_its_name_and_no_other_is() -> None:
    assert {name: format_named(name).name for name in FORMATS} == {name: name for name in FORMATS}
    assert len(FORMATS) == 10
    with pytest.raises(SetupError, match=r"no format csv \(one of moss, swift"):
        format_named("csv")


def test_formats_that_hold_one_answer_an_entry_hold_no_conversations() -> None:
    assert {name for name, form in FORMATS.items() if not form.holds_conversations} == {"moss", "lhotse", "kaldi"}
    for name in ("moss", "lhotse", "kaldi"):
        with pytest.raises(SetupError, match=f"{name} holds one question per entry"):
            export_options({"to": name, "conversations": True, "stage": "sft"})
