"""Transcripts by any server with OpenAI's audio interfaces, as vLLM serves Qwen3-ASR or MOSS-Audio: `openai_audio`."""

from __future__ import annotations

import base64
import io
import json
import os
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, Literal

from pydantic import Field

from annotators.base import AnnotationError, Annotator, Backend, BackendUnavailableError, Clip
from annotators.speech.alignment import in_order
from annotators.speech.normalise import primary_language
from schemas.event import Branch
from schemas.speech import SpeechFacts, Transcript, Word

_AGAIN = (408, 409, 425, 429, 500, 502, 503, 504)
"""Statuses that may pass: the request is made again, then the server counts as down."""


class OpenaiAudio(Backend[SpeechFacts]):
    """Transcripts by a server's /audio/transcriptions, or by its /chat/completions with the audio in the message."""

    kind: Literal["openai_audio"] = "openai_audio"
    base_url: str = Field(default="http://localhost:8000/v1", pattern=r"^https?://[^\s@?#]+$")
    """Where the server answers, without key or query."""
    served_model: str = ""
    """The model's name on the server; needed."""
    served_revision: str = "unknown"
    """Which weights the server has, as you know it: rows are made again when you change it."""
    interface: Literal["transcriptions", "chat"] = "transcriptions"
    """chat is for models that talk about audio and serve no transcriptions of their own."""
    prompt: str = "Transcribe the speech in this audio word for word. Answer with the transcript alone."
    """Of the chat interface; it follows the audio, so that the server's prefix cache holds the audio."""
    api_key_variable: str = "OPENAI_API_KEY"
    """Environment variable with the key; none is sent where it is not set."""
    concurrency: int = Field(default=16, ge=1, le=512)
    """Requests under way at once from one worker."""
    timeout_s: float = Field(default=120.0, gt=0)
    """For one request."""
    attempts: int = Field(default=4, ge=1, le=10)
    """For one clip, with growing waits between, where the server is busy or away."""
    most_characters: int = Field(default=4_000, ge=100)
    """A longer answer to 30 s of audio is no transcript; the clip is rejected with the beginning of the answer."""
    trust_single_system: bool = False
    """True marks its transcripts usable for training although no second system agreed with them."""

    branch: ClassVar[Branch] = Branch.SPEECH
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return self.served_model or "unnamed"

    @property
    def revision(self) -> str:
        return f"{self.served_revision}-1"

    def check_available(self) -> None:
        super().check_available()
        if not self.served_model:
            raise BackendUnavailableError(
                f"{self.backend} needs served_model: set it to the model's name on the server at base_url"
            )

    def load(self) -> Annotator[SpeechFacts]:
        self.check_available()
        return OpenaiAudioAnnotator(self)


class OpenaiAudioAnnotator:
    """The annotator of `OpenaiAudio`."""

    def __init__(self, backend: OpenaiAudio) -> None:
        self._backend = backend

    def annotate(self, clips: Sequence[Clip]) -> Sequence[SpeechFacts]:
        """Raises AnnotationError where the server refuses a clip, ConnectionError where it does not answer at all."""
        if not clips:
            return []
        with ThreadPoolExecutor(min(self._backend.concurrency, len(clips))) as pool:
            return list(pool.map(self._transcribe, clips))

    def _transcribe(self, clip: Clip) -> SpeechFacts:
        chat = self._backend.interface == "chat"
        answer = self._chat(clip) if chat else self._transcription(clip)
        text = (_chat_text(answer) if chat else _text(answer.get("text"))).strip()
        if len(text) > self._backend.most_characters:
            raise AnnotationError("endless_answer", f"{len(text)} characters, beginning with {text[:200]!r}")
        flags = ("single_system",) if text else ("single_system", "no_words")
        words = _words(answer.get("words"), clip) if not chat else ()
        return SpeechFacts(
            transcript=Transcript(
                text=text,
                words=words,
                language=_language(answer, clip) if text else None,
                confidence=None,
                agreement=None,
                usable_for_training=self._backend.trust_single_system and bool(text),
                flags=flags,
            )
        )

    def _transcription(self, clip: Clip) -> Mapping[str, object]:
        fields = {"model": self._backend.served_model, "response_format": "json", "temperature": "0"}
        if language := primary_language(clip.segment.language):
            fields["language"] = language
        body, content_type = _form(fields, _wav(clip))
        return self._post("audio/transcriptions", body, content_type)

    def _chat(self, clip: Clip) -> Mapping[str, object]:
        audio = {"data": base64.b64encode(_wav(clip)).decode(), "format": "wav"}
        content = [{"type": "input_audio", "input_audio": audio}, {"type": "text", "text": self._backend.prompt}]
        request = {
            "model": self._backend.served_model,
            "messages": [{"role": "user", "content": content}],
            "temperature": 0,
            "max_tokens": 1_024,
        }
        return self._post("chat/completions", json.dumps(request).encode(), "application/json")

    def _post(self, path: str, body: bytes, content_type: str) -> Mapping[str, object]:
        headers = {"Content-Type": content_type}
        if key := os.environ.get(self._backend.api_key_variable):
            headers["Authorization"] = f"Bearer {key}"
        url = f"{self._backend.base_url.rstrip('/')}/{path}"
        for attempt in range(self._backend.attempts):
            request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - http(s) by the option's pattern
            try:
                with urllib.request.urlopen(request, timeout=self._backend.timeout_s) as response:  # noqa: S310
                    return _json_object(response.read())
            except urllib.error.HTTPError as error:
                if error.code not in _AGAIN:
                    detail = error.read(500).decode(errors="replace")
                    raise AnnotationError("refused_by_server", f"HTTP {error.code}: {detail}") from error
                problem = f"HTTP {error.code}"
            except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
                problem = str(error)
            if attempt + 1 < self._backend.attempts:
                time.sleep(min(30.0, 0.5 * 2**attempt))
        raise ConnectionError(f"{self._backend.base_url} did not answer {self._backend.attempts} times: {problem}")


def _wav(clip: Clip) -> bytes:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, clip.samples, clip.sample_rate_hz, format="WAV", subtype="PCM_16")
    return file.getvalue()


def _form(fields: Mapping[str, str], wav: bytes) -> tuple[bytes, str]:
    """A multipart form with the fields and the file, and its content type."""
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = 'Content-Disposition: form-data; name="file"; filename="clip.wav"\r\nContent-Type: audio/wav\r\n\r\n'
    parts.append(f"--{boundary}\r\n{head}".encode() + wav + f"\r\n--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


def _json_object(body: bytes) -> Mapping[str, object]:
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise AnnotationError("bad_answer", f"no JSON: {body[:200]!r}") from error
    if not isinstance(answer, dict):
        raise AnnotationError("bad_answer", f"no JSON object: {body[:200]!r}")
    return answer


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise AnnotationError("bad_answer", f"no text but {str(value)[:200]!r}")


def _chat_text(answer: Mapping[str, object]) -> str:
    choices = answer.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    if not isinstance(first, dict) or not isinstance(message, dict):
        raise AnnotationError("bad_answer", f"no choices but {str(answer)[:200]!r}")
    text = _text(message.get("content"))
    if first.get("finish_reason") == "length":
        raise AnnotationError("endless_answer", f"cut off by the server, beginning with {text[:200]!r}")
    return text


def _words(value: object, clip: Clip) -> tuple[Word, ...]:
    """The words of a server that times them; none from one that does not."""
    if not isinstance(value, list):
        return ()
    words = []
    for item in value:
        text, start, end = (
            (item.get(name) for name in ("word", "start", "end")) if isinstance(item, dict) else (0, 0, 0)
        )
        if not (isinstance(text, str) and isinstance(start, int | float) and isinstance(end, int | float)):
            raise AnnotationError("bad_answer", f"no timed word but {str(item)[:200]!r}")
        start_ms, end_ms = (clip.segment.start_ms + round(1000 * seconds) for seconds in (start, end))
        words.append(Word(text=text.strip(), start_ms=start_ms, end_ms=end_ms, confidence=None))
    return in_order(words, clip.segment)


def _language(answer: Mapping[str, object], clip: Clip) -> str | None:
    """A code that the server gives, else the one that came with the recording; servers that give a name are unheard."""
    told = answer.get("language")
    return told if isinstance(told, str) and 2 <= len(told) <= 3 else clip.segment.language
