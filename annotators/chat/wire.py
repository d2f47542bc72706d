"""Questions in the format of OpenAI's interfaces, and their answers, parsed and validated."""

from __future__ import annotations

import base64
import json
import math
import uuid
from collections.abc import Mapping, Sequence
from functools import lru_cache

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.endpoint import Dialect
from soundseam.annotators.chat.http import Body
from soundseam.annotators.chat.questions import Answer, Question, Step, TimedWord, choice_probabilities, read_choice
from soundseam.annotators.flac import wav_of

_AS_WAV: frozenset[Dialect] = frozenset({"openai", "plain"})
MAX_CACHED_WAVS = 32
_cached_wav_of = lru_cache(maxsize=MAX_CACHED_WAVS)(wav_of)
"""Cached for the other questions about the same audio."""


def sound_part(data: str, dialect: Dialect) -> dict[str, object]:
    """The part of a message with audio; `data` is base64."""
    if dialect == "sglang":
        return {"type": "audio_url", "audio_url": {"url": f"data:audio/flac;base64,{data}"}}
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav" if dialect in _AS_WAV else "flac"}}


def sound_file(flac: bytes, dialect: Dialect) -> bytes:
    """The file to send: the FLAC file, or the same samples as WAV."""
    return _cached_wav_of(flac) if dialect in _AS_WAV else flac


TOP_LOGPROBS = 20
"""vLLM's default maximum (--max-logprobs)."""
JSON_TOKENS = 24
"""Length of the JSON around a choice, at most; some servers write blanks into it."""
MAX_CHARACTERS = 200_000
SHOWN_CHARACTERS = 200
MAX_TOKENS = 2**31

_PLACE = uuid.uuid4().hex
"""Placeholder for audio in a request, without its number; no question contains it."""

JsonObject = Mapping[str, object]


def body_of(question: Question, model: str, dialect: Dialect) -> Body:
    """The request for `question`: audio before text, in the order of the question's parts."""
    if question.interface == "transcriptions":
        return _form(question, model)
    places = [f"{_PLACE}.{index}." for index, _ in enumerate(question.audio)]
    parts = [*(sound_part(place, dialect) for place in places), {"type": "text", "text": question.text}]
    # Servers that only support text, such as llama-cpp-python's, do not accept a list of parts.
    messages: list[dict[str, object]] = [{"role": "user", "content": parts if places else question.text}]
    if question.system:
        messages.insert(0, {"role": "system", "content": question.system})
    sampling = question.sampling.model_dump()
    if question.choices and dialect == "openai":
        sampling["max_tokens"] += JSON_TOKENS
    request = {"model": model, "messages": messages, **sampling, **_shape(question, dialect)}
    sounds = [sound_file(flac, dialect) for flac in question.audio]
    return _with_sound(json.dumps(request).encode(), places, sounds), "application/json"


def _with_sound(body: bytes, places: Sequence[str], sounds: Sequence[bytes]) -> bytes:
    """`body` with the audio in place of its placeholders. Base64 in the JSON encoder would take longer than all the
    rest.
    """
    parts = []
    for place, sound in zip(places, sounds, strict=True):
        before, _, body = body.partition(place.encode())
        parts += [before, base64.b64encode(sound)]
    return b"".join([*parts, body])


def choice_forms(question: Question, dialect: Dialect) -> dict[str, bytes]:
    """choice → the complete answer that selects it."""
    whole = (lambda choice: json.dumps({"answer": choice}, ensure_ascii=False)) if dialect == "openai" else str
    return {choice: whole(choice).encode() for choice in question.choices}


def _shape(question: Question, dialect: Dialect) -> dict[str, object]:
    """The server's options that restrict the answer to its choices or its schema."""
    if question.json_schema:
        if dialect == "plain":
            return {}
        return {"response_format": _response_format(json.loads(question.json_schema))}
    if not question.choices:
        return {}
    choices = list(question.choices)
    answer_schema = {
        "type": "object",
        "properties": {"answer": {"type": "string", "enum": choices}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    constraint: dict[Dialect, dict[str, object]] = {
        "vllm": {"structured_outputs": {"choice": choices}},
        "guided": {"guided_choice": choices},
        "sglang": {"regex": "|".join(f"({_escaped(choice)})" for choice in choices)},
        "openai": {"response_format": _response_format(answer_schema)},
        "plain": {},
    }
    return {"logprobs": True, "top_logprobs": TOP_LOGPROBS, **constraint[dialect]}


def _response_format(schema: object) -> dict[str, object]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def _escaped(text: str) -> str:
    """`text` as a regular expression of any flavour: everything except letters, digits and spaces is escaped."""
    return "".join(character if character.isalnum() or character == " " else f"\\{character}" for character in text)


def _form(question: Question, model: str) -> Body:
    """A multipart form with one sound, for /audio/transcriptions."""
    fields = {"model": model, "response_format": "json", "temperature": f"{question.sampling.temperature:g}"}
    fields |= {"language": question.language} if question.language else {}
    fields |= {"prompt": question.text} if question.text else {}
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = 'Content-Disposition: form-data; name="file"; filename="clip.flac"\r\nContent-Type: audio/flac\r\n\r\n'
    parts.append(f"--{boundary}\r\n{head}".encode() + b"".join(question.audio) + f"\r\n--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


def read_answer(body: bytes, question: Question, dialect: Dialect) -> Answer:
    """The answer in a server's response. Raises AnnotationError if it is invalid."""
    answer = _json_object(body)
    if question.interface == "transcriptions":
        text = _text(answer.get("text"))
        return Answer(text=text, words=_words(answer.get("words")), language=_language(answer.get("language")))
    first = _first_choice(answer)
    if first.get("finish_reason") == "length":
        raise AnnotationError("endless_answer", f"cut off by the server: {_shown(first.get('message'))}")
    text, thinking = _split_thinking(_object(first.get("message")))
    probabilities: Mapping[str, float] = {}
    if question.choices:
        text, probabilities = _chosen(text, _object(first.get("logprobs")), choice_forms(question, dialect))
    usage = _object(answer.get("usage"))
    return Answer(
        text=text,
        thinking=thinking,
        probabilities=probabilities,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        cached_tokens=_count(_object(usage.get("prompt_tokens_details")).get("cached_tokens")),
        answer_tokens=_count(usage.get("completion_tokens")),
    )


def _chosen(text: str, logprobs: JsonObject, forms: Mapping[str, bytes]) -> tuple[str, Mapping[str, float]]:
    choice = read_choice(text, forms)
    if choice is None:
        raise AnnotationError("bad_answer", f"expected one of {', '.join(forms)}, not {_shown(text)}")
    probabilities = choice_probabilities(_of_answer(_steps(logprobs.get("content")), text), forms)
    if not probabilities:
        raise AnnotationError("no_probabilities", f"the server gave no log-probabilities of {', '.join(forms)}")
    return choice, probabilities


def _steps(content: object) -> list[Step]:
    steps = []
    for item in content if isinstance(content, list) else []:
        taken = _token(item)
        if taken is None:
            raise AnnotationError("bad_answer", f"expected a token, not {_shown(item)}")
        considered = _object(item).get("top_logprobs")
        tokens = [_token(other) for other in considered] if isinstance(considered, list) else []
        steps.append(Step(taken[0], [taken, *(token for token in tokens if token is not None)]))
    return steps


def _of_answer(steps: Sequence[Step], text: str) -> Sequence[Step]:
    """`steps` without those before the answer: llama.cpp removes a code fence around JSON, but not its tokens."""
    answer = b"".join(text.encode(errors="replace").split())
    for first in range(len(steps)):
        if b"".join(b"".join(step.taken.split()) for step in steps[first:]).startswith(answer):
            return steps[first:]
    return steps


def _token(value: object) -> tuple[bytes, float] | None:
    """A token's bytes and log-probability; None if it is invalid or has no finite log-probability."""
    item = _object(value)
    text, raw, logprob = item.get("token"), item.get("bytes"), item.get("logprob")
    if not isinstance(text, str) or not isinstance(logprob, int | float) or not -math.inf < logprob < math.inf:
        return None
    if isinstance(raw, list) and raw and all(isinstance(byte, int) and 0 <= byte < 256 for byte in raw):
        return bytes(raw), min(0.0, logprob)
    return text.encode(errors="replace"), min(0.0, logprob)


def _split_thinking(message: JsonObject) -> tuple[str, str | None]:
    """(answer, thinking) of a message, however the server or the model separates them.

    The field is `reasoning` in vLLM and `reasoning_content` in SGLang; without a reasoning parser the thinking comes
    before the answer, and if the prompt already opens it, only its end is marked.
    """
    thinking = next((value for name in ("reasoning", "reasoning_content") if (value := message.get(name))), None)
    text = _text(message.get("content"))
    before, mark, after = text.partition("</think>")
    if mark:
        return after.strip(), before.strip().removeprefix("<think>").strip() or None
    if text.lstrip().startswith("<think>"):
        raise AnnotationError("endless_answer", f"thinking without an end, beginning with {_shown(text)}")
    return text, _text(thinking).strip() if thinking is not None else None


def _json_object(body: bytes) -> JsonObject:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise AnnotationError("bad_answer", f"not JSON: {body[:SHOWN_CHARACTERS]!r}") from error
    if not isinstance(answer, dict):
        raise AnnotationError("bad_answer", f"not a JSON object: {body[:SHOWN_CHARACTERS]!r}")
    return answer


def _first_choice(answer: JsonObject) -> JsonObject:
    choices = answer.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, dict) or not isinstance(first.get("message"), dict):
        raise AnnotationError("bad_answer", f"expected choices, not {_shown(answer)}")
    return first


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    """`value` as valid text: half of a surrogate pair becomes a replacement character."""
    if not isinstance(value, str):
        raise AnnotationError("bad_answer", f"expected text, not {_shown(value)}")
    if len(value) > MAX_CHARACTERS:
        raise AnnotationError("endless_answer", f"{len(value)} characters, beginning with {_shown(value)}")
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")


def _words(value: object) -> tuple[TimedWord, ...]:
    """The timed words; empty if the server does not give any."""
    words = []
    for item in value if isinstance(value, list) else []:
        start, end = (_object(item).get(name) for name in ("start", "end"))
        if not (_is_time(start) and _is_time(end)):
            raise AnnotationError("bad_answer", f"expected a timed word, not {_shown(item)}")
        words.append(TimedWord(_text(_object(item).get("word")).strip(), float(str(start)), float(str(end))))
    return tuple(words)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and 0.0 <= value < 1e9


def _language(value: object) -> str | None:
    """A language code; a full name is ignored."""
    return value if isinstance(value, str) and 2 <= len(value) <= 3 and value.isascii() and value.isalpha() else None


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < MAX_TOKENS else 0


def _shown(value: object) -> str:
    return repr(value)[:SHOWN_CHARACTERS]
