"""The tiny MOSS-Audio behind the test server: answers and their probabilities are computed, none is written down.

Where an answer is constrained, only tokens that can lead to one that is allowed are left, and their probabilities are
taken relative to each other, as vLLM's structured outputs do it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import soundfile
from numpy.typing import NDArray

from soundseam.annotators.base import Samples
from tests.annotators.moss.tiny_moss import AUDIO, END_ID, TinyMoss
from tests.support.chat_server import Asked, Json, Token, Told

_TOP = 20
_MAX_STRING = 6
_PRINTABLE = frozenset("abcdefghijklmnopqrstuvwxyz ")

Allowed = Callable[[str], bool]
"""Whether a text may stand, or become one that may."""


class MossModel:
    """A `ServedModel` around the tiny checkpoint."""

    def __init__(self, tiny: TinyMoss) -> None:
        self._tiny = tiny
        self._tokens = {number: tiny.token(number) for number in range(256 + 10)}

    def answer(self, asked: Asked) -> Told:
        prompt = _Prompt(self._tiny, asked)
        if asked.json_schema is not None:
            tokens = [token for piece in self._json(prompt, asked.json_schema) for token in piece]
            return Told(tokens, prompt_tokens=len(prompt.ids))
        if asked.choices:
            return Told(self._choose(prompt, asked.choices), prompt_tokens=len(prompt.ids))
        said, finish = self._say(prompt, asked.max_tokens)
        return Told(said, finish_reason=finish, prompt_tokens=len(prompt.ids))

    def _say(self, prompt: _Prompt, max_tokens: int) -> tuple[list[Token], str]:
        tokens: list[Token] = []
        while len(tokens) < max_tokens:
            scores = prompt.next()
            best = int(scores.argmax())
            if best == END_ID:
                return tokens, "stop"
            prompt.say(best)
            tokens.append(self._token(best, scores, np.argsort(-scores)[:_TOP].tolist()))
        return tokens, "length"

    def _choose(self, prompt: _Prompt, choices: Sequence[str]) -> list[Token]:
        """The likeliest way to one of `choices`, token by token."""
        written = ""
        tokens: list[Token] = []
        while written not in choices:
            fits = [n for n, text in self._tokens.items() if text and _leads(written + text, choices)]
            scores = prompt.next()
            relative = scores - np.log(np.exp(scores[fits]).sum())
            best = max(fits, key=lambda number: relative[number])
            prompt.say(best)
            written += self._tokens[best]
            order = sorted(fits, key=lambda number: -relative[number])[:_TOP]
            tokens.append(self._token(best, relative, order))
        return tokens

    def _token(self, number: int, scores: NDArray[np.float32], top: Sequence[int]) -> Token:
        told = [(self._text(other), float(scores[other])) for other in top]
        return Token(self._text(number), float(scores[number]), told)

    def _text(self, number: int) -> str:
        return self._tokens[number] if number in self._tokens else self._tiny.token(number)

    def _json(self, prompt: _Prompt, schema: Json) -> Iterator[list[Token]]:
        """An instance of `schema`, each of its values chosen by the model."""
        yield from self._value(prompt, schema, schema.get("$defs", {}))

    def _value(self, prompt: _Prompt, schema: Json, definitions: Json) -> Iterator[list[Token]]:
        if "$ref" in schema:
            yield from self._value(prompt, definitions[schema["$ref"].rpartition("/")[2]], definitions)
        elif "enum" in schema or "const" in schema:
            options = schema.get("enum", [schema.get("const")])
            yield self._choose(prompt, [json.dumps(option) for option in options])
        elif schema.get("type") == "object":
            yield self._literal(prompt, "{")
            for index, (name, inner) in enumerate(schema["properties"].items()):
                yield self._literal(prompt, f"{', ' if index else ''}{json.dumps(name)}: ")
                yield from self._value(prompt, inner, definitions)
            yield self._literal(prompt, "}")
        elif schema.get("type") == "integer":
            low, high = int(schema.get("minimum", 0)), int(schema.get("maximum", 9))
            yield self._choose(prompt, [str(number) for number in range(low, min(high, low + 40) + 1)])
        elif schema.get("type") == "string":
            yield self._literal(prompt, '"')
            yield self._letters(prompt)
            yield self._literal(prompt, '"')
        else:
            raise ValueError(f"the tiny model writes no {schema}")

    def _letters(self, prompt: _Prompt) -> list[Token]:
        tokens: list[Token] = []
        letters = [number for number, text in self._tokens.items() if text and set(text) <= _PRINTABLE]
        for _ in range(_MAX_STRING):
            scores = prompt.next()
            best = max(letters, key=lambda number: scores[number])
            prompt.say(best)
            tokens.append(self._token(best, scores, [best]))
        return tokens

    def _literal(self, prompt: _Prompt, text: str) -> list[Token]:
        return self._choose(prompt, [text])


class _Prompt:
    """What the model has been told and has said."""

    def __init__(self, tiny: TinyMoss, asked: Asked) -> None:
        self._tiny = tiny
        self._clips = [samples_of(flac) for flac in asked.audio]
        self.ids = tiny.token_ids(prompt_text(asked.text, asked.system, len(self._clips)), self._clips)
        self._said: list[int] = []

    def next(self) -> NDArray[np.float32]:
        return self._tiny.next_log_probabilities([*self.ids, *self._said], self._clips)

    def say(self, token: int) -> None:
        self._said.append(token)


def prompt_text(text: str, system: str, clips: int) -> str:
    """As the checkpoint's chat template writes it: clips, then words."""
    before = f"<|im_start|>system\n{system}<|im_end|>\n" if system else ""
    content = f"{AUDIO}\n" * clips + text
    return f"{before}<|im_start|>user\n{content}<|im_end|>\n<|im_start|>assistant\n"


def samples_of(flac: bytes) -> Samples:
    samples: Samples
    samples, rate = soundfile.read(io.BytesIO(flac), dtype="float32")
    assert rate == 16_000
    return samples


def _leads(text: str, choices: Sequence[str]) -> bool:
    return any(choice.startswith(text) for choice in choices)
