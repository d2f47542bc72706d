"""Clients of scripted servers, and questions for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import numpy as np

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.client import ServerClient
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.questions import Question, Reply, Tally
from soundseam.annotators.flac import encode_flac
from tests.support.chat_server import Asked, ChatServer

SOUND = b"fLaC and more"

TONE = encode_flac(np.sin(np.arange(16_000, dtype=np.float32) * 0.2) / 10)


@contextmanager
def client_of(*servers: ChatServer, **options: object) -> Iterator[ServerClient]:
    fields = {"model": "tiny", "timeout_s": 10, **options}
    with closing(
        ServerClient(Endpoint.model_validate({"urls": [server.url for server in servers], **fields}))
    ) as client:
        yield client


def a_question(text: str = "What is heard?", **fields: object) -> Question:
    return Question(**{"text": text, "audio": (SOUND,), **fields})


def echo(asked: Asked) -> str:
    return f"You said {asked.text}"


def ask_all(client: ServerClient, questions: Sequence[Question], tally: Tally | None = None) -> list[Reply]:
    """Each question as a group of its own."""
    return [reply for _, replies in client.ask(((None, [one]) for one in questions), tally) for reply in replies]


def reasons_of(replies: Sequence[Reply]) -> list[str]:
    return [reply.reason if isinstance(reply, AnnotationError) else "" for reply in replies]
