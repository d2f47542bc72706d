"""Ways of asking a server about many clips: bare, by the client, by Beam's RunInference, and by our own graph."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from soundseam.annotators.chat.client import ServerClient
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.questions import Question
from soundseam.pipeline.config import RunConfig
from soundseam.pipeline.plan import annotation_stage
from soundseam.pipeline.storage.commits import DEFAULT_SHARDS, shard_of
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.work import SEGMENTS_STAGE, ShardTask, StageTask
from soundseam.schemas.recording import Source

PROMPT = "Describe what is heard in one sentence."


@dataclass(frozen=True)
class Load:
    """What is asked: `count` times about one of `clips` (FLAC), `in_flight` at once."""

    url: str
    clips: Sequence[bytes]
    count: int
    in_flight: int

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(urls=(self.url,), model="benchmark", in_flight=self.in_flight)

    def questions_of(self, number: int) -> list[Question]:
        return [Question(PROMPT, (self.clips[number % len(self.clips)],))]


def ask_bare(load: Load) -> None:
    """Sockets, HTTP written by hand, and no care for anything that could go wrong."""
    asyncio.run(_ask_bare(load))


async def _ask_bare(load: Load) -> None:
    where = urlsplit(load.url)
    left = iter(range(load.count))

    async def one_connection() -> None:
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        for number in left:
            audio = {"data": base64.b64encode(load.clips[number % len(load.clips)]).decode(), "format": "flac"}
            content = [{"type": "input_audio", "input_audio": audio}, {"type": "text", "text": PROMPT}]
            body = json.dumps({"model": "benchmark", "messages": [{"role": "user", "content": content}]}).encode()
            head = f"POST {where.path}/chat/completions HTTP/1.1\r\nHost: {where.netloc}\r\n"
            writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            json.loads(await reader.readexactly(length))
        writer.close()

    await asyncio.gather(*(one_connection() for _ in range(load.in_flight)))


def ask_by_client(load: Load) -> None:
    client = ServerClient(load.endpoint)
    for _, (reply,) in client.ask((number, load.questions_of(number)) for number in range(load.count)):
        if isinstance(reply, Exception):
            raise reply
    client.close()


def ask_by_runinference(load: Load) -> None:
    """Beam's own transform around the client, in a pipeline that holds the audio already."""
    import apache_beam as beam
    from apache_beam.ml.inference.base import RunInference
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    from benchmarks.chat.run_inference import chat_handler

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        questions = pipeline | beam.Create(range(load.count)) | beam.Map(load.questions_of)
        _ = questions | RunInference(chat_handler(load.endpoint))


def ask_by_graph(load: Load, corpus: Path) -> None:
    """The stage of a backend in the job as it is: clips read from OUT, answers kept there, rows committed."""
    import apache_beam as beam
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    from soundseam.pipeline.stages.context import RunContext
    from soundseam.pipeline.stages.transforms import AnnotateShards

    server = load.endpoint.model_dump(mode="json")
    speech = {"kind": "openai_audio", "interface": "chat", "prompt": PROMPT, "server": server}
    config = RunConfig.model_validate({"detectors": [{"kind": "embedded"}], "branches": {"speech": [speech]}})
    (backend,) = config.branches.speech
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        tasks = pipeline | beam.Create(_tasks(str(corpus), annotation_stage(backend)))
        _ = tasks | AnnotateShards(backend, RunContext(str(corpus), config=config))


def _tasks(output: str, stage: str) -> list[ShardTask]:
    """All recordings of a corpus, a work a shard, with nothing to do but `stage`."""
    by_shard: dict[int, list[str]] = {}
    for recording_id in sorted(Corpus.load(output, [SEGMENTS_STAGE]).keys(SEGMENTS_STAGE)):
        by_shard.setdefault(shard_of(recording_id, DEFAULT_SHARDS), []).append(recording_id)
    return [
        ShardTask(
            shard=shard,
            sources=tuple(Source(uri=name, source_uri=name, recording_id=name, size_bytes=1) for name in names),
            stages=(StageTask(stage=stage, keys=tuple((name, "1") for name in names)),),
        )
        for shard, names in sorted(by_shard.items())
    ]
