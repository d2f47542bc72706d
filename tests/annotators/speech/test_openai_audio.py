from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from annotators.base import AnnotationError, Annotator, BackendUnavailableError
from annotators.speech.openai_audio import OpenaiAudio
from schemas.speech import SpeechFacts, Transcript
from tests.annotators.speech.builders import a_clip, noise


class Server(ThreadingHTTPServer):
    """A server on this machine that gives the answers it was told to, the last one for ever, and keeps the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, object]] = [(200, {"text": "hello"})]
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.requests.append((self.path, dict(self.headers), body))
            answers = self.server.answers
            status, answer = answers.pop(0) if len(answers) > 1 else answers[0]
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def asking(server: Server, **options: object) -> Annotator[SpeechFacts]:
    fields = {"base_url": server.url, "served_model": "asr", "timeout_s": 10, **options}
    return OpenaiAudio.model_validate({"kind": "openai_audio", **fields}).load()


def transcribe(annotator: Annotator[SpeechFacts], **segment: object) -> Transcript:
    (facts,) = annotator.annotate([a_clip(noise(500, -20), (0, 500), start_ms=3_000, **segment)])
    assert facts.transcript is not None
    return facts.transcript


def chat_answer(text: object, finish: str = "stop") -> dict[str, object]:
    return {"choices": [{"message": {"content": text}, "finish_reason": finish}]}


def test_a_transcription_is_asked_for_with_the_clip_as_a_file(server: Server) -> None:
    heard = transcribe(asking(server), language="de-AT")
    ((path, headers, body),) = server.requests
    assert path == "/v1/audio/transcriptions"
    assert headers["Content-Type"].startswith("multipart/form-data")
    assert b"RIFF" in body
    assert b'name="language"\r\n\r\nde\r\n' in body
    assert (heard.text, heard.flags, heard.usable_for_training) == ("hello", ("single_system",), False)


def test_timed_words_are_put_into_the_recordings_time(server: Server) -> None:
    words = [{"word": " so", "start": 0.1, "end": 0.2}, {"word": "it is", "start": 0.2, "end": 9.0}]
    server.answers = [(200, {"text": "so it is", "language": "en", "words": words})]
    heard = transcribe(asking(server))
    assert [(word.text, word.start_ms, word.end_ms) for word in heard.words] == [
        ("so", 3_100, 3_200),
        ("it is", 3_200, 3_500),
    ]
    assert heard.language == "en"


def test_chat_puts_the_audio_before_the_text(server: Server) -> None:
    server.answers = [(200, chat_answer("good morning"))]
    assert transcribe(asking(server, interface="chat")).text == "good morning"
    ((path, _, body),) = server.requests
    audio, text = json.loads(body)["messages"][0]["content"]
    assert path == "/v1/chat/completions"
    assert base64.b64decode(audio["input_audio"]["data"]).startswith(b"RIFF")
    assert text["type"] == "text"


def test_answers_are_in_the_order_of_the_clips(server: Server) -> None:
    annotator = asking(server, concurrency=1)
    server.answers = [(200, {"text": str(number)}) for number in range(5)]
    clips = [a_clip(noise(200, -20), (0, 200), recording=str(number)) for number in range(5)]
    answers = annotator.annotate(clips)
    assert [facts.transcript.text for facts in answers if facts.transcript] == list("01234")


def test_a_key_comes_from_the_environment_and_from_nowhere_else(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASR_KEY", raising=False)
    annotator = asking(server, api_key_variable="ASR_KEY")
    transcribe(annotator)
    monkeypatch.setenv("ASR_KEY", "secret")
    transcribe(annotator)
    assert ["Authorization" in headers for _, headers, _ in server.requests] == [False, True]


def test_an_empty_answer_is_an_empty_transcript(server: Server) -> None:
    server.answers = [(200, {"text": " \n"})]
    heard = transcribe(asking(server, trust_single_system=True))
    assert (heard.text, heard.usable_for_training) == ("", False)
    assert "no_words" in heard.flags


@pytest.mark.parametrize(
    ("interface", "status", "answer", "reason"),
    [
        ("transcriptions", 200, {"text": "la " * 3_000}, "endless_answer"),
        ("chat", 200, chat_answer("la la la", finish="length"), "endless_answer"),
        ("transcriptions", 200, b"<html>", "bad_answer"),
        ("transcriptions", 200, ["text"], "bad_answer"),
        ("transcriptions", 200, {"words": []}, "bad_answer"),
        ("transcriptions", 200, {"text": "a", "words": [{"word": "a"}]}, "bad_answer"),
        ("chat", 200, {"choices": []}, "bad_answer"),
        ("chat", 200, chat_answer(None), "bad_answer"),
        ("transcriptions", 400, {"error": "audio too long"}, "refused_by_server"),
    ],
)
def test_what_is_no_transcript_rejects_the_clip_and_keeps_the_answer(
    server: Server, interface: str, status: int, answer: object, reason: str
) -> None:
    server.answers = [(status, answer)]
    with pytest.raises(AnnotationError) as rejection:
        transcribe(asking(server, interface=interface))
    assert rejection.value.reason == reason
    assert rejection.value.detail


def test_a_busy_server_is_asked_again(server: Server) -> None:
    server.answers = [(503, {}), (200, {"text": "at last"})]
    assert transcribe(asking(server)).text == "at last"


def test_a_server_that_stays_away_is_an_outage_and_no_rejection(server: Server) -> None:
    server.answers = [(503, {})]
    with pytest.raises(ConnectionError, match="did not answer 2 times: HTTP 503"):
        transcribe(asking(server, attempts=2))


def test_a_model_name_is_needed() -> None:
    with pytest.raises(BackendUnavailableError, match="served_model"):
        OpenaiAudio().load()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://user:key@host/v1", "http://host/v1?key=1"])
def test_an_address_with_a_secret_or_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        OpenaiAudio(base_url=url)
