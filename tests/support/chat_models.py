"""Models for the test server: scripted ones, of which everything is known."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from tests.support.chat_server import Asked, ChatServer, Token, Told
from tests.support.served_answers import record_for


def tokens_of(text: str) -> list[Token]:
    """Four characters a token, each certain."""
    return [Token(text[start : start + 4], 0.0) for start in range(0, len(text), 4)]


@dataclass
class Scripted:
    """Says what it is told to, and `yes` with a probability that the test knows.

    `say` gives the free or JSON answer to a request; `p_yes` the probability of the first choice, the rest is shared by
    the others. Its tokens for a choice are spelled in two ways, as real tokenizers have it: with and without a space.
    """

    say: Callable[[Asked], str] = lambda asked: "A dog barks twice."
    p_yes: Callable[[Asked], float] = lambda asked: 0.9
    reasoning: str | None = None
    asked: list[Asked] = field(default_factory=list)

    def answer(self, asked: Asked) -> Told:
        self.asked.append(asked)
        if asked.choices:
            return Told([self._choose(asked)], self.reasoning)
        tokens = tokens_of(self.say(asked))
        if len(tokens) > asked.max_tokens:
            return Told(tokens[: asked.max_tokens], self.reasoning, finish_reason="length")
        return Told(tokens, self.reasoning)

    def _choose(self, asked: Asked) -> Token:
        first, *others = asked.choices
        p_first = self.p_yes(asked)
        shares = {first: p_first} | {other: (1 - p_first) / len(others) for other in others}
        top = [
            (spelling, math.log(share * part))
            for choice, share in shares.items()
            if share > 0
            for spelling, part in ((choice, 0.75), (f" {choice}", 0.25))
        ]
        best = max(top, key=lambda item: item[1])
        return Token(best[0], best[1], sorted(top, key=lambda item: -item[1]))


@cache
def contract_server() -> ChatServer:
    """One for all backends that ask a server, up to the end of the tests: what it says depends on the sound alone."""
    server = ChatServer(Scripted(say=lambda asked: record_for(asked) or f"heard {_digest(asked)}"))
    server.start()
    return server


def _digest(asked: Asked) -> str:
    return hashlib.sha256(b"".join(asked.audio)).hexdigest()[:4]
