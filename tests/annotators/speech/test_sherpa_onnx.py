from __future__ import annotations

import random
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.base import BackendUnavailableError
from soundseam.annotators.speech.sherpa_models import files_to_load, languages_by_name, onnx_metadata, open_folder
from soundseam.annotators.speech.sherpa_onnx import SherpaAnnotator, SherpaOnnx, words_of
from soundseam.schemas.speech import Transcript
from tests.annotators.speech.builders import a_clip, a_sample, noise, silence
from tests.annotators.speech.tiny import sherpa_onnx
from tests.annotators.speech.tiny_ctc import CTC_TOKENS, save_ctc

MENU = "speech-phone-menu.flac"


@pytest.fixture(scope="module")
def annotator(tmp_path_factory: pytest.TempPathFactory) -> SherpaAnnotator:
    loaded = sherpa_onnx(tmp_path_factory.mktemp("models")).load()
    assert isinstance(loaded, SherpaAnnotator)
    return loaded


def transcribe(annotator: SherpaAnnotator, *clips: object) -> list[Transcript]:
    answers = annotator.annotate(clips)  # type: ignore[arg-type]
    return [facts.transcript for facts in answers if facts.transcript is not None]


def test_words_and_times_are_those_of_the_library(annotator: SherpaAnnotator, tmp_path: Path) -> None:
    from sherpa_onnx import OfflineRecognizer

    save_ctc(tmp_path / "own")
    own = OfflineRecognizer.from_nemo_ctc(
        model=str(tmp_path / "own" / "model.onnx"), tokens=str(tmp_path / "own" / "tokens.txt")
    )
    clip = a_sample(MENU, start_ms=60_000, last_ms=8_000)
    stream = own.create_stream()
    stream.accept_waveform(16_000, clip.samples)
    own.decode_stream(stream)
    (heard,) = transcribe(annotator, a_clip(clip.samples, (0, 8_000), start_ms=60_000))
    assert heard.text == stream.result.text.strip()
    assert [word.text for word in heard.words] == heard.text.split()
    assert len(heard.words) > 3
    first_ms = 60_000 + round(1000 * stream.result.timestamps[0])
    assert heard.words[0].start_ms == first_ms
    times = [time for word in heard.words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)


def test_clips_of_several_lengths_in_one_batch_are_as_each_alone(annotator: SherpaAnnotator) -> None:
    lengths = [1_000, 400, 2_600, 2_900, 7_000, 900]
    clips = [a_clip(noise(length, -20, length), (0, length), recording=str(length)) for length in lengths]
    assert transcribe(annotator, *clips) == [transcribe(annotator, clip)[0] for clip in clips]


def test_a_model_that_knows_some_languages_does_not_listen_to_others(tmp_path: Path) -> None:
    backend = sherpa_onnx(tmp_path).model_copy(update={"languages": ("en", "de")})
    english = backend.load()
    assert isinstance(english, SherpaAnnotator)
    samples = noise(2_000, -20)
    russian, german, unknown = transcribe(
        english, *(a_clip(samples, (0, 2_000), language=language) for language in ("ru", "de-AT", None))
    )
    assert (russian.text, russian.flags) == ("", ("single_system", "unsupported_language"))
    assert german.text == unknown.text != ""
    assert (german.language, unknown.language) == ("de-AT", None)


@pytest.mark.parametrize(
    ("name", "languages"),
    [
        ("moonshine-tiny-en", ("en",)),
        ("sherpa-onnx-moonshine-base-es-quantized-2026-02-27", ("es",)),
        ("sherpa-onnx-moonshine-tiny", ()),
        ("sherpa-onnx-nemo-parakeet-tdt-0.6b-v2-int8", ("en",)),
        ("my-model", ()),
    ],
)
def test_the_language_of_a_model_is_known_by_its_name(name: str, languages: tuple[str, ...]) -> None:
    assert languages_by_name(name) == languages


@dataclass(frozen=True)
class Said:
    """An answer as sherpa-onnx gives it."""

    text: str
    tokens: list[str]
    timestamps: list[float]
    durations: list[float]
    ys_log_probs: list[float]
    lang: str = ""


def said(text: str, *tokens: tuple[str, float]) -> Said:
    return Said(text, [token for token, _ in tokens], [start for _, start in tokens], [], [])


def words(answer: Said) -> list[tuple[str, int, int]]:
    segment = a_clip(silence(6_000), (0, 6_000)).segment
    return [(word.text, word.start_ms, word.end_ms) for word in words_of(answer, segment)]


def test_parts_of_words_are_put_together_whatever_marks_them() -> None:
    with_spaces = said(
        " To re-record, press", (" To", 0.2), (" re", 0.4), ("-", 0.5), ("record", 0.6), (",", 1.9), (" press", 2.0)
    )
    assert words(with_spaces) == [("To", 200, 400), ("re-record,", 400, 900), ("press", 2_000, 2_300)]
    with_signs = said("hello world 你好", ("hel@@", 0.2), ("lo", 0.4), ("world", 0.5), ("你", 1.0), ("好", 1.2))
    assert [word for word, _, _ in words(with_signs)] == ["hello", "world", "你", "好"]


def test_how_long_a_part_lasts_is_taken_from_a_model_that_says_it() -> None:
    answer = replace(said("go on", ("go", 0.2), (" on", 1.0)), durations=[0.16, 0.24], ys_log_probs=[-0.1, -0.7])
    assert words(answer) == [("go", 200, 360), ("on", 1_000, 1_240)]


def test_a_word_without_a_time_leaves_all_words_untimed() -> None:
    assert words(said("one two", ("one", 0.2))) == []
    assert words(said("one two")) == []


@given(st.lists(st.sampled_from(CTC_TOKENS[:-1]), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_words_are_those_of_the_text_whatever_the_tokens(tokens: list[str], draw: random.Random) -> None:
    text = "".join(tokens).replace("\u2581", " ").strip()
    times = sorted(draw.uniform(0, 5) for _ in tokens)
    found = words(said(text, *zip(tokens, times, strict=True)))
    assert [word for word, _, _ in found] == text.split()
    flat = [time for _, start, end in found for time in (start, end)]
    assert flat == sorted(flat)


def test_of_several_precisions_one_file_of_each_role_is_taken() -> None:
    names = [
        "tiny.en-encoder.int8.onnx",
        "tiny.en-encoder.onnx",
        "tiny.en-decoder.int8.onnx",
        "tiny.en-decoder.onnx",
        "tiny.en-tokens.txt",
        "README.md",
    ]
    assert files_to_load(names, quantised=True)["encoder"] == "tiny.en-encoder.int8.onnx"
    assert files_to_load(names, quantised=False) == {
        "encoder": "tiny.en-encoder.onnx",
        "decoder": "tiny.en-decoder.onnx",
        "tokens": "tiny.en-tokens.txt",
    }


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["encoder_adaptor.int8.onnx", "llm.int8.onnx", "embedding.int8.onnx", "Qwen3-0.6B/vocab.json"], "funasr_nano"),
        (["conv_frontend.onnx", "encoder.int8.onnx", "decoder.int8.onnx", "tokenizer/vocab.json"], "qwen3_asr"),
        (
            [
                "preprocess.onnx",
                "encode.int8.onnx",
                "uncached_decode.int8.onnx",
                "cached_decode.int8.onnx",
                "tokens.txt",
            ],
            "moonshine",
        ),
        (["encoder_model.ort", "decoder_model_merged.ort", "tokens.txt"], "moonshine_v2"),
        (
            ["encoder-epoch-99-avg-1.onnx", "decoder-epoch-99-avg-1.onnx", "joiner-epoch-99-avg-1.onnx", "tokens.txt"],
            "transducer",
        ),
    ],
)
def test_a_model_is_known_by_its_files(tmp_path: Path, names: list[str], kind: str) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a 0\n" if name == "tokens.txt" else "", encoding="utf-8")
    model = open_folder(tmp_path, quantised=True)
    assert model.kind == kind
    assert {Path(path).exists() for path in model.files.values()} == {True}


@pytest.mark.parametrize(
    ("model_type", "more", "kind"),
    [
        ("EncDecHybridRNNTCTCBPEModel", {}, "EncDecHybridRNNTCTCBPEModel"),
        ("zipformer2_ctc", {}, "zipformer2_ctc"),
        ("fire-red-asr-2-ctc", {}, "fire-red-asr-2-ctc"),
        ("sense_voice_ctc", {"lfr_window_size": "7", "lfr_window_shift": "6"}, "sense_voice"),
        ("paraformer", {"lfr_window_size": "7", "lfr_window_shift": "6", "neg_mean": "0"}, "paraformer"),
    ],
)
def test_a_single_file_is_known_by_what_its_author_wrote_into_it(
    tmp_path: Path, model_type: str, more: dict[str, str], kind: str
) -> None:
    pytest.importorskip("onnx")
    save_ctc(tmp_path / "model", model_type=model_type, **more)
    assert onnx_metadata(tmp_path / "model" / "model.onnx")["model_type"] == model_type
    assert open_folder(tmp_path / "model", quantised=True).kind == kind


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({"subsampling_factor": ""}, "lacks subsampling_factor"),
        ({"model_type": "vits"}, "its model_type is vits"),
    ],
)
def test_a_model_at_which_the_library_would_end_the_process_is_refused_before(
    tmp_path: Path, metadata: dict[str, str], problem: str
) -> None:
    pytest.importorskip("onnx")
    save_ctc(tmp_path / "model", **metadata)
    with pytest.raises(BackendUnavailableError, match=problem):
        open_folder(tmp_path / "model", quantised=True)


@pytest.mark.parametrize("tokens", ["", "only one column\n", "a 0\nb 1\n"])
def test_a_list_of_tokens_that_does_not_fit_is_refused(tmp_path: Path, tokens: str) -> None:
    pytest.importorskip("onnx")
    save_ctc(tmp_path / "model")
    (tmp_path / "model" / "tokens.txt").write_text(tokens, encoding="utf-8")
    with pytest.raises(BackendUnavailableError, match=r"tokens\.txt"):
        open_folder(tmp_path / "model", quantised=True)


def test_two_models_in_one_folder_and_a_half_one_are_refused(tmp_path: Path) -> None:
    for name in ("a-encoder.onnx", "b-encoder.onnx"):
        (tmp_path / name).touch()
    with pytest.raises(BackendUnavailableError, match=r"several files for its encoder: a-encoder\.onnx, b-encoder"):
        open_folder(tmp_path, quantised=True)
    (tmp_path / "b-encoder.onnx").unlink()
    (tmp_path / "joiner.onnx").touch()
    with pytest.raises(BackendUnavailableError, match="looks like transducer and lacks its decoder, tokens"):
        open_folder(tmp_path, quantised=True)


def test_a_damaged_file_is_refused_with_its_folder(tmp_path: Path) -> None:
    backend = sherpa_onnx(tmp_path)
    model = Path(backend.weights) / "model.onnx"
    content = model.read_bytes()
    model.write_bytes(content[:8] + bytes(64) + content[72:])
    with pytest.raises(BackendUnavailableError, match=str(tmp_path)):
        backend.load()


def test_a_hub_that_nobody_answers_for_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = import_module(next(name for name in ("httpx2", "httpx") if find_spec(name)))
    hub = pytest.importorskip("huggingface_hub")
    pytest.importorskip("sherpa_onnx")

    def no_network(*_: object, **__: object) -> list[str]:
        raise client.ConnectError("Name or service not known")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr(hub.HfApi, "list_repo_files", no_network)
    with pytest.raises(
        BackendUnavailableError, match=r"cannot open owner/model \(Name or service not known\): set weights"
    ):
        SherpaOnnx(weights="owner/model").load()


def test_weights_that_are_nowhere_are_refused_with_the_option_that_names_them() -> None:
    with pytest.raises(BackendUnavailableError, match="sherpa_onnx finds no folder no-such-model: set weights"):
        SherpaOnnx(weights="no-such-model").check_available()
