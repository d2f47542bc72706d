"""Requests a second, requests in flight and processor time of each way of asking a model server, in one run.

`python -m benchmarks.chat [--requests 1500] [--in-flight 128] [--latency 1.0]` asks a server of its own, which answers
every request after that many seconds, as one whose GPU works on all it has at once would. With `--url
http://host:8000/v1 --model NAME` a real server is asked instead, about four claims a clip as the verifier asks, and the
share of prompt tokens that it had in its prefix cache is shown as it reports it.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import soundfile

from benchmarks.chat.server import answering_server, read_in_flight
from benchmarks.chat.ways import Load, ask_bare, ask_by_client, ask_by_graph, ask_by_runinference
from benchmarks.training_corpus import CLIPS, SEGMENTS_A_RECORDING, clip_of, make_corpus
from soundseam.annotators.chat.client import ServerClient
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.questions import Question, Tally
from soundseam.annotators.flac import encode_flac
from soundseam.pipeline.captions.verify import questions_about

CLAIMS = (
    "A dog barks twice near a busy road.",
    "Somebody speaks quietly and without hurry.",
    "Music with a steady beat plays all the time.",
    "At the end, a door falls shut.",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chat", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=128)
    parser.add_argument("--latency", type=float, default=1.0, help="seconds that the server takes for an answer")
    parser.add_argument("--url", help="ask this server instead")
    parser.add_argument("--model", default="", help="the model's name there")
    parser.add_argument("--clips", type=int, default=64, help="asked about there")
    arguments = parser.parse_args()
    if arguments.url:
        measure_cache(Endpoint(urls=(arguments.url,), model=arguments.model), arguments.clips, arguments.in_flight)
    else:
        compare_ways(arguments.requests, arguments.in_flight, arguments.latency, arguments.rounds)


class Measured(NamedTuple):
    """What one way took."""

    rate: float
    in_flight: float
    cpu_ms: float


def compare_ways(requests: int, in_flight: int, latency_s: float, rounds: int) -> None:
    """About `requests` requests each way, to a server of our own."""
    count = requests // SEGMENTS_A_RECORDING * SEGMENTS_A_RECORDING
    with answering_server(latency_s) as url:
        measure_ways(Load(url, [clip_of(name) for name in CLIPS], count, in_flight), latency_s, rounds)


def measure_ways(load: Load, latency_s: float, rounds: int) -> None:
    """Every way in turn, `rounds` times, so that whatever else the machine does meets all of them."""
    with tempfile.TemporaryDirectory(prefix="soundseam-benchmark-") as folder:
        ways: dict[str, Callable[[Load], Callable[[], None]]] = {
            "bare asyncio": lambda load: partial(ask_bare, load),
            "client": lambda load: partial(ask_by_client, load),
            "client in RunInference": lambda load: partial(ask_by_runinference, load),
            "client in the graph": lambda load: partial(ask_by_graph, load, _fresh_corpus(Path(folder), load.count)),
        }
        kilobytes = sum(map(len, load.clips)) / len(load.clips) / 1000
        print(f"{load.count} requests with {kilobytes:.0f} kB of FLAC, {load.in_flight} at once, {latency_s:g} s each:")
        print(f"at most {load.in_flight / latency_s:.0f} requests per second; medians of {rounds} rounds\n")
        few = replace(load, count=SEGMENTS_A_RECORDING)
        for prepare in ways.values():
            prepare(few)()
        measured = [{name: _measure(prepare(load), load) for name, prepare in ways.items()} for _ in range(rounds)]
    print(f"{'':24}{'requests/s':>12}{'of bare':>9}{'in flight':>11}{'CPU ms each':>13}")
    for name in ways:
        found = [one[name] for one in measured]
        share = median(one[name].rate / one["bare asyncio"].rate for one in measured)
        rate, in_flight, cpu_ms = (median(values) for values in zip(*found, strict=True))
        print(f"{name:24}{rate:12.1f}{share:9.0%}{in_flight:11.1f}{cpu_ms:13.2f}")


def _measure(ask: Callable[[], None], load: Load) -> Measured:
    read_in_flight(load.url)
    began_s, processor_s = time.monotonic(), time.process_time()
    ask()
    took_s, spent_s = time.monotonic() - began_s, time.process_time() - processor_s
    seen = read_in_flight(load.url)
    if seen.requests != load.count:
        raise SystemExit(f"{seen.requests} requests instead of {load.count}")
    return Measured(load.count / took_s, seen.mean, 1000 * spent_s / load.count)


def _fresh_corpus(folder: Path, segments: int) -> Path:
    """A corpus of whose segments nobody was asked yet; made but once, and copied."""
    made = folder / f"corpus-{segments}"
    if not made.exists():
        make_corpus(made, segments // SEGMENTS_A_RECORDING)
    fresh = folder / uuid.uuid4().hex
    shutil.copytree(made, fresh)
    return fresh


def measure_cache(endpoint: Endpoint, clips: int, in_flight: int) -> None:
    """Two questions per claim, all at once and then one after the other: what the server has cached of each."""
    endpoint = endpoint.model_copy(update={"in_flight": in_flight})
    for name, one_by_one in (("together", False), ("one after the other", True)):
        sounds = [_noisy_clip(number, salt=one_by_one) for number in range(clips)]
        tally = Tally()
        began_s = time.monotonic()
        with closing(ServerClient(endpoint)) as client:
            for groups in _streams(sounds, one_by_one):
                for _, replies in client.ask(((None, group) for group in groups), tally):
                    for reply in replies:
                        if isinstance(reply, Exception):
                            raise reply
        usage, took_s = tally.take(), time.monotonic() - began_s
        share = usage.cached_tokens / max(1, usage.prompt_tokens)
        print(
            f"{name}: {usage.answers} answers, {usage.answers / took_s:.1f} a second, {usage.prompt_tokens} prompt "
            f"tokens, {share:.1%} of them cached, {usage.answer_tokens} answer tokens, {usage.retries} retries"
        )


def _streams(sounds: Sequence[bytes], one_by_one: bool) -> Iterator[list[list[Question]]]:
    asked = [[question for claim in CLAIMS for question in questions_about(claim, sound, "en")] for sound in sounds]
    if one_by_one:
        yield from ([[question] for question in questions] for questions in zip(*asked, strict=True))
    else:
        yield asked


def _noisy_clip(number: int, salt: bool) -> bytes:
    """A clip that no other is equal to, so that no cache holds it before it is first asked about."""
    samples, _ = soundfile.read(Path(__file__).parents[2] / "samples" / "recordings" / CLIPS[0], frames=160_000)
    noise = np.random.default_rng([number, salt]).normal(0.0, 1e-3, len(samples))
    return encode_flac(np.clip(samples + noise, -1, 1).astype(np.float32))


if __name__ == "__main__":
    main()
