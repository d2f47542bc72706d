"""A standard MIDI file whose ticks are milliseconds."""

from __future__ import annotations

from collections.abc import Sequence

import mido

from benchmarks.rendered_music.arrangement import DRUMS, Note, Program
from benchmarks.rendered_music.score import Score
from samples.midi import Event, midi_file

_TICKS_PER_QUARTER = 500
"""At 500,000 microseconds a quarter, a tick is a millisecond."""
_BENDS = 8192
"""Steps in two semitones, the default range to either side."""


def midi_bytes(score: Score, notes: Sequence[Note], programs: Sequence[Program], jitter_ms: Sequence[float]) -> bytes:
    """`jitter_ms` moves each of `notes`, as a player does."""
    events: list[Event] = [(0, 0, mido.MetaMessage("set_tempo", tempo=500_000))]
    bend = round(_BENDS * score.tuning_cents / 200)
    channels = sorted({note.channel for note in notes} - {DRUMS})
    events += [(0, 1, mido.Message("pitchwheel", channel=channel, pitch=bend)) for channel in channels]
    for one in programs:
        program = mido.Message("program_change", channel=one.channel, program=one.number)
        events.append((_ms(score, one.beat), 2, program))
    for note, shift in zip(notes, jitter_ms, strict=True):
        start = max(0, _ms(score, note.start_beat) + round(shift))
        end = max(start + 20, _ms(score, note.end_beat))
        sound = {"channel": note.channel, "note": note.pitch}
        events.append((start, 4, mido.Message("note_on", velocity=note.velocity, **sound)))
        events.append((end, 3, mido.Message("note_off", velocity=0, **sound)))
    return midi_file(events, _TICKS_PER_QUARTER, max(tick for tick, _, _ in events) + 1500)


def _ms(score: Score, beat: float) -> int:
    return round(1000 * score.time_s(beat))
