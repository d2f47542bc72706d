from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator

import pytest
import soundfile

from soundseam.annotators.base import AnnotationError, Annotator, BackendUnavailableError
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.speech.openai_audio import OpenaiAudio
from soundseam.schemas.speech import SpeechFacts, Transcript
from tests.annotators.speech.builders import a_clip, noise
from tests.support.chat_models import Scripted
from tests.support.chat_server import ChatServer, Fault, read_form


class Answers:
    """What the server answers, one after the other, the last one for ever."""

    def __init__(self) -> None:
        self.all: list[tuple[int, object]] = [(200, {"text": "hello"})]

    def __call__(self, number: int, asked: object) -> Fault:
        status, answer = self.all[min(number, len(self.all) - 1)]
        return Fault(status, answer if isinstance(answer, bytes) else json.dumps(answer).encode())


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def server(answers: Answers) -> Iterator[ChatServer]:
    with ChatServer(Scripted(), answers) as running:
        yield running


def asking(server: ChatServer, **options: object) -> Annotator[SpeechFacts]:
    """Options of the endpoint and of the backend together."""
    of_server = {"urls": [server.url], "model": "asr", "timeout_s": 10}
    of_server |= {name: options.pop(name) for name in list(options) if name in Endpoint.model_fields}
    return OpenaiAudio.model_validate({"kind": "openai_audio", "server": of_server, **options}).load()


def transcribe(annotator: Annotator[SpeechFacts], **segment: object) -> Transcript:
    (facts,) = annotator.annotate([a_clip(noise(500, -20), (0, 500), start_ms=3_000, **segment)])
    assert facts.transcript is not None
    return facts.transcript


def chat_answer(text: object, finish: str = "stop") -> dict[str, object]:
    return {"choices": [{"message": {"content": text}, "finish_reason": finish}]}


def test_a_transcription_is_asked_for_with_the_clip_as_a_file(server: ChatServer) -> None:
    heard = transcribe(asking(server), language="de-AT")
    (received,) = server.received
    assert received.path == "/v1/audio/transcriptions"
    assert received.headers["content-type"].startswith("multipart/form-data")
    assert read_form(received).language == "de"
    (flac,) = read_form(received).audio
    assert soundfile.info(io.BytesIO(flac)).duration == 0.5
    assert (heard.text, heard.flags, heard.usable_for_training) == ("hello", ("single_system",), False)


def test_timed_words_are_put_into_the_recordings_time(server: ChatServer, answers: Answers) -> None:
    words = [{"word": " so", "start": 0.1, "end": 0.2}, {"word": "it is", "start": 0.2, "end": 9.0}]
    answers.all = [(200, {"text": "so it is", "language": "en", "words": words})]
    heard = transcribe(asking(server))
    assert [(word.text, word.start_ms, word.end_ms) for word in heard.words] == [
        ("so", 3_100, 3_200),
        ("it is", 3_200, 3_500),
    ]
    assert heard.language == "en"


def test_chat_puts_the_audio_before_the_text(server: ChatServer, answers: Answers) -> None:
    answers.all = [(200, chat_answer("good morning"))]
    assert transcribe(asking(server, interface="chat")).text == "good morning"
    (received,) = server.received
    audio, text = received.json["messages"][0]["content"]
    assert received.path == "/v1/chat/completions"
    assert base64.b64decode(audio["input_audio"]["data"]).startswith(b"fLaC")
    assert text["type"] == "text"


def test_answers_are_in_the_order_of_the_clips(server: ChatServer, answers: Answers) -> None:
    annotator = asking(server, in_flight=1)
    answers.all = [(200, {"text": str(number)}) for number in range(5)]
    clips = [a_clip(noise(200, -20), (0, 200), recording=str(number)) for number in range(5)]
    heard = annotator.annotate(clips)
    assert [facts.transcript.text for facts in heard if facts.transcript] == list("01234")


def test_a_key_comes_from_the_environment_and_from_nowhere_else(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASR_KEY", raising=False)
    annotator = asking(server, api_key_variable="ASR_KEY")
    transcribe(annotator)
    monkeypatch.setenv("ASR_KEY", "secret")
    transcribe(annotator)
    assert ["authorization" in received.headers for received in server.received] == [False, True]


def test_an_empty_answer_is_an_empty_transcript(server: ChatServer, answers: Answers) -> None:
    answers.all = [(200, {"text": " \n"})]
    heard = transcribe(asking(server, trust_single_system=True))
    assert (heard.text, heard.usable_for_training) == ("", False)
    assert "no_words" in heard.flags


@pytest.mark.parametrize(
    ("interface", "status", "answer", "reason"),
    [
        ("transcriptions", 200, {"text": "la " * 3_000}, "endless_answer"),
        ("chat", 200, chat_answer("la la la", finish="length"), "endless_answer"),
        ("transcriptions", 200, {"text": "a", "words": [{"word": "a"}]}, "bad_answer"),
        ("chat", 200, chat_answer(None), "bad_answer"),
        ("transcriptions", 400, {"error": "audio too long"}, "refused_by_server"),
    ],
)
def test_what_is_no_transcript_rejects_the_clip_and_keeps_the_answer(
    server: ChatServer, answers: Answers, interface: str, status: int, answer: object, reason: str
) -> None:
    answers.all = [(status, answer)]
    with pytest.raises(AnnotationError) as rejection:
        transcribe(asking(server, interface=interface))
    assert rejection.value.reason == reason
    assert rejection.value.detail


@pytest.mark.parametrize(
    ("interface", "answer"),
    [
        ("transcriptions", b"<html>"),
        ("transcriptions", ["text"]),
        ("transcriptions", {"words": []}),
        ("chat", {"choices": []}),
    ],
)
def test_success_without_an_answer_is_an_outage_and_rejects_nothing(
    server: ChatServer, answers: Answers, interface: str, answer: object
) -> None:
    answers.all = [(200, answer)]
    with pytest.raises(ConnectionError):
        transcribe(asking(server, interface=interface))


def test_a_busy_server_is_asked_again(server: ChatServer, answers: Answers) -> None:
    answers.all = [(503, {}), (200, {"text": "at last"})]
    assert transcribe(asking(server)).text == "at last"


def test_a_server_that_stays_away_is_an_outage_and_no_rejection(server: ChatServer, answers: Answers) -> None:
    answers.all = [(503, {})]
    with pytest.raises(ConnectionError, match=r"stayed away for 0\.2 s: HTTP 503"):
        transcribe(asking(server, outage_s=0.2))


def test_a_model_name_is_needed() -> None:
    with pytest.raises(BackendUnavailableError, match=r"server\.model"):
        OpenaiAudio().load()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://user:key@host/v1", "http://host/v1?key=1"])
def test_an_address_with_a_secret_or_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="urls"):
        Endpoint(urls=(url,))
