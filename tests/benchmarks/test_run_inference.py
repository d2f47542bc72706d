"""The client inside Beam's RunInference, as in a graph of somebody's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

from benchmarks.chat.run_inference import chat_handler
from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.questions import Question, Reply
from tests.support.chat_models import Scripted
from tests.support.chat_server import ChatServer, Fault


def text_of(reply: Reply) -> str:
    return reply.reason if isinstance(reply, AnnotationError) else reply.text


@pytest.mark.filterwarnings("ignore")
def test_a_graph_of_ones_own_asks_by_runinference() -> None:
    from apache_beam.ml.inference.base import KeyedModelHandler, RunInference

    refuse = lambda number, asked: Fault(400) if asked.text == "7" else None  # noqa: E731
    with ChatServer(Scripted(lambda asked: f"heard {asked.text}"), refuse, latency_s=0.1) as server:
        handler = KeyedModelHandler(chat_handler(Endpoint(urls=(server.url,), model="tiny", in_flight=16)))
        with beam.Pipeline(runner=FnApiRunner()) as pipeline:
            told = (
                pipeline
                | beam.Create([(number, [Question(str(number), (b"fLaC",))] * 2) for number in range(40)])
                | RunInference(handler)
                | beam.MapTuple(lambda number, replies: (number, tuple(map(text_of, replies))))
            )
            wanted = [(n, ("refused_by_server" if n == 7 else f"heard {n}",) * 2) for n in range(40)]
            assert_that(told, equal_to(wanted))
        assert server.max_in_flight == 16


def test_making_no_handler_loads_no_torch() -> None:
    code = "import benchmarks.chat.run_inference, sys; sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
