"""A server that tells the log-probabilities of its prompts as vLLM does, around the tiny checkpoint; or a wrong one."""

from __future__ import annotations

import base64
import io
import json
import threading
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import Samples
from tests.annotators.moss.tiny_moss import AUDIO, TinyMoss
from tests.support.chat_models import Scripted
from tests.support.chat_server import chat_answer, read_chat

Json = dict[str, Any]
Score = Callable[[list[int], Samples], NDArray[np.float32]]
"""(tokens of the prompt, its clip) → how likely each token but the first is."""


class MossServer:
    """Computes what `score` says of what `tiny` makes of a request."""

    def __init__(self, tiny: TinyMoss, score: Score | None = None, time_markers: bool = True) -> None:
        self._tiny = tiny
        self._score = score or (lambda ids, clip: tiny.prompt_log_probabilities(ids, [clip]))
        self._time_markers = time_markers
        self.edit: Callable[[Json], Json] = lambda answer: answer
        """Changes an answer before it is sent."""
        self.status = 200
        self.location = ""
        """Where answers redirect to, if anywhere."""
        self.requests = 0
        self.key = ""
        """What requests must carry, if anything."""

    def answer(self, path: str, body: bytes) -> Json:
        if path == "/v1/models":
            return self.edit({"object": "list", "data": [{"id": "tiny", "object": "model"}]})
        request = json.loads(body)
        if "prompt_logprobs" not in request:
            return chat_answer(Scripted(lambda asked: '{"yes": true}').answer(read_chat(request)))
        assert request["prompt_logprobs"] == 0
        assert request["return_token_ids"] is True
        text, clip = _read(request["messages"])
        ids = self._tiny.token_ids(text, [clip], self._time_markers)
        scores = self._score(ids, clip)
        told = [{str(token): {"logprob": float(score)}} for token, score in zip(ids[1:], scores, strict=True)]
        return self.edit({"choices": [], "prompt_token_ids": ids, "prompt_logprobs": [None, *told]})


def _read(messages: list[Json]) -> tuple[str, Samples]:
    """The prompt as the checkpoint's chat template writes it, and the clip in it."""
    text = ""
    clip = np.zeros(0, np.float32)
    for message in messages:
        parts = message["content"] if isinstance(message["content"], list) else [{"text": message["content"]}]
        content = []
        for part in parts:
            if "input_audio" in part:
                with wave.open(io.BytesIO(base64.b64decode(part["input_audio"]["data"]))) as file:
                    assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
                    clip = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32_768
                content.append(AUDIO)
            else:
                content.append(part["text"])
        joined = "\n".join(content)
        text += f"<|im_start|>{message['role']}\n{joined}<|im_end|>\n"
    return f"{text}<|im_start|>assistant\n", clip


@contextmanager
def served(server: MossServer) -> Iterator[str]:
    """The address of `server`, which answers while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            server.requests += 1
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            refused = server.key and self.headers.get("Authorization") != f"Bearer {server.key}"
            known = self.path.endswith(("/models", "/chat/completions"))
            status = 401 if refused else server.status if known else 404
            content = {"error": "as asked"} if status != 200 else server.answer(self.path, body)
            answer = json.dumps(content).encode()
            self.send_response(status)
            if server.location:
                self.send_header("Location", server.location)
            self.send_header("Content-Length", str(len(answer)))
            with suppress(ConnectionError):  # whoever asked has waited long enough
                self.end_headers()
                self.wfile.write(answer)

        do_GET = do_POST = _reply  # noqa: N815 - the names that the base class looks for

        def log_message(self, *_: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.server_port}"
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()
