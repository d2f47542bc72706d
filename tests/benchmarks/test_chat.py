"""The benchmark of asking servers runs, and counts what it says it counts."""

from __future__ import annotations

import re

import pytest

from benchmarks.chat.__main__ import compare_ways, measure_cache
from soundseam.annotators.chat.endpoint import Endpoint
from tests.support.chat_models import Scripted
from tests.support.chat_server import ChatServer


def test_every_way_of_asking_is_measured_in_one_run(capsys: pytest.CaptureFixture[str]) -> None:
    compare_ways(requests=50, in_flight=16, latency_s=0.1, rounds=1)
    shown = capsys.readouterr().out
    rates = {name.strip(): float(rate) for name, rate in re.findall(r"^(\w.{23}) +([\d.]+)", shown, re.MULTILINE)}
    assert set(rates) == {"bare asyncio", "client", "client in RunInference", "client in the graph"}
    assert all(0 < rate <= 160 for rate in rates.values())


def test_a_real_server_is_asked_about_its_prefix_cache(capsys: pytest.CaptureFixture[str]) -> None:
    with ChatServer(Scripted()) as server:
        measure_cache(Endpoint(urls=(server.url,), model="tiny"), clips=3, in_flight=8)
    assert server.count == 48
    assert "together: 24 answers" in capsys.readouterr().out
