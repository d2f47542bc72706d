"""A run over servers that fail in every way at once: each segment ends once, with a row or a reject."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import soundfile

from tests.support.chat_models import Scripted
from tests.support.chat_server import Asked, ChatServer, Fault
from tests.support.corpora import RECORDINGS, rows_of, run_cli, wait_until

STAGE = "annotations/general/audio_caption"
PROFILE = """
detectors: [{{kind: embedded}}]
branches:
  general:
    - kind: audio_caption
      prompt: unified
      server: &server {{urls: {urls}, model: moss, in_flight: 16, timeout_s: 1.5, outage_s: 60}}
captions:
  composer: captioner
  captioner: audio_caption
  verifier: {{server: *server, silence_share: 0}}
"""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four short recordings of sounds, each of other content."""
    folder = tmp_path_factory.mktemp("recordings")
    for name in ("sound-bell.flac", "sound-chime.flac"):
        samples, rate = soundfile.read(RECORDINGS / name, frames=44_100 * 5)
        for number in range(12):
            soundfile.write(folder / f"{number}-{name}", samples[: len(samples) - 441 * number], rate)
    return folder


def is_refused(asked: Asked) -> bool:
    """One sound in four is one that no server takes."""
    return hashlib.sha256(asked.audio[0]).digest()[0] % 4 == 0


def faults(number: int, asked: Asked) -> Fault | None:
    """A twentieth fails, some stall longer than anybody waits, some break off."""
    if is_refused(asked):
        return Fault(400)
    broken = {0: Fault(500), 7: Fault(503), 13: Fault(stall_s=3.0), 21: Fault(half=True), 29: Fault(drop=True)}
    return broken.get(number % 60) or (Fault(stall_s=0.5) if number % 17 == 0 else None)


@contextmanager
def killed_and_started_again(server: ChatServer, after: int, missed: threading.Event) -> Iterator[None]:
    """Kills `server` once it was asked so many questions, and starts it again two seconds later.

    `missed` is set from its end until it is asked again.
    """

    def watch() -> None:
        wait_until(lambda: server.count >= after or over.is_set(), timeout_s=200)
        missed.set()
        server.stop()
        before = server.count
        over.wait(2.0)
        server.start()
        wait_until(lambda: server.count > before or over.is_set(), timeout_s=200)
        missed.clear()

    over = threading.Event()
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def test_every_segment_ends_exactly_once_whatever_its_servers_do(recordings: Path, tmp_path: Path) -> None:
    output, profile, missed = tmp_path / "out", tmp_path / "served.yaml", threading.Event()

    def busy_while_missed(number: int, asked: Asked) -> Fault | None:
        return Fault(503) if missed.is_set() else faults(number, asked)

    sound, restarted, dead = (
        ChatServer(Scripted(lambda asked: "A bell rings. It fades away."), fault, latency_s=0.05)
        for fault in (busy_while_missed, faults, faults)
    )
    with sound, restarted, killed_and_started_again(restarted, after=12, missed=missed):
        with dead:
            pass
        profile.write_text(PROFILE.format(urls=json.dumps([sound.url, restarted.url, dead.url])))
        told = run_cli("run", recordings, "--output", output, "--profile", profile, "--workers", "1")
    segments = sorted(str(row["segment_id"]) for row in rows_of(output, "segments"))
    rejects = Counter((row["stage"], row["segment_id"]) for row in rows_of(output, "rejected"))
    heard = [str(row["segment_id"]) for row in rows_of(output, "annotations/general")]
    unheard = [str(segment) for stage, segment in rejects if stage == STAGE]
    assert sorted(heard + unheard) == segments
    captioned = [str(row["segment_id"]) for row in rows_of(output, "captions")]
    uncaptioned = [str(segment) for stage, segment in rejects if stage == "captions"]
    assert sorted(captioned + uncaptioned) == segments
    assert len(unheard) >= 1
    assert len(captioned) >= 0.5 * len(segments)
    assert sound.count > 40
    assert restarted.count > 12, "it was asked again after it had been away"
    assert "of them retries" in told
