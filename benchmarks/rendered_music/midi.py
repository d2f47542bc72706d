"""A standard MIDI file whose ticks are milliseconds."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from benchmarks.rendered_music.arrangement import DRUMS, Note, Program
from benchmarks.rendered_music.score import Score

_TICKS_PER_QUARTER = 500
_TEMPO = b"\xff\x51\x03\x07\xa1\x20"
"""500,000 microseconds a quarter: with 500 ticks each, a tick is a millisecond."""


def midi_bytes(score: Score, notes: Sequence[Note], programs: Sequence[Program], jitter_ms: Sequence[float]) -> bytes:
    """`jitter_ms` moves each of `notes`, as a player does."""
    events: list[tuple[int, int, bytes]] = []
    bend = _bend(score.tuning_cents)
    channels = sorted({note.channel for note in notes} - {DRUMS})
    events += [(0, 0, bytes([0xE0 | channel, bend & 0x7F, bend >> 7])) for channel in channels]
    events += [(_ms(score, one.beat), 1, bytes([0xC0 | one.channel, one.number])) for one in programs]
    for note, shift in zip(notes, jitter_ms, strict=True):
        start = max(0, _ms(score, note.start_beat) + round(shift))
        end = max(start + 20, _ms(score, note.end_beat))
        events.append((start, 3, bytes([0x90 | note.channel, note.pitch, note.velocity])))
        events.append((end, 2, bytes([0x80 | note.channel, note.pitch, 0])))
    return _file(events)


def _ms(score: Score, beat: float) -> int:
    return round(1000 * score.time_s(beat))


def _bend(cents: float) -> int:
    # The default range is two semitones to either side.
    return round(8192 + 8192 * cents / 200)


def _file(events: list[tuple[int, int, bytes]]) -> bytes:
    track = b"\x00" + _TEMPO
    now = 0
    for time, _, message in sorted(events):
        track += _variable_length(time - now) + message
        now = time
    track += _variable_length(1500) + b"\xff\x2f\x00"
    header = b"MThd" + struct.pack(">IHHH", 6, 0, 1, _TICKS_PER_QUARTER)
    return header + b"MTrk" + struct.pack(">I", len(track)) + track


def _variable_length(value: int) -> bytes:
    parts = [value & 0x7F]
    while value := value >> 7:
        parts.append(0x80 | (value & 0x7F))
    return bytes(reversed(parts))
