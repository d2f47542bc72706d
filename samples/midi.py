"""Standard MIDI files of format 0, by mido; and the notes of a score as one."""

from __future__ import annotations

import io
from collections.abc import Iterable

import mido

from samples.score import Score, notes_of

TICKS_PER_BEAT = 480

Event = tuple[int, int, mido.Message | mido.MetaMessage]
"""(tick, order among the messages of one tick, message)"""


def midi_file(events: Iterable[Event], ticks_per_beat: int, end_tick: int) -> bytes:
    """A file of one track, which ends at `end_tick`. Messages of equal tick and order are sorted by their bytes."""
    track, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(events, key=lambda event: (event[0], event[1], event[2].bytes())):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=end_tick - now))
    written = io.BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=ticks_per_beat, tracks=[track]).save(file=written)
    return written.getvalue()


def midi_bytes(score: Score) -> bytes:
    """The whole piece in one track, which ends when the last notes have rung."""
    end = TICKS_PER_BEAT * (len(score.bar_chords) * score.beats_per_bar + score.ring_beats)
    events = [(0, order, message) for order, message in enumerate(_set_up(score))] + _note_messages(score)
    return midi_file(events, TICKS_PER_BEAT, end)


def _set_up(score: Score) -> list[mido.Message | mido.MetaMessage]:
    messages = [
        mido.MetaMessage("set_tempo", tempo=round(60_000_000 / score.tempo_bpm)),
        mido.MetaMessage("time_signature", numerator=score.beats_per_bar, denominator=4),
    ]
    for channel, part in enumerate(score.parts):
        messages.append(mido.Message("program_change", channel=channel, program=part.program - 1))
        messages.append(mido.Message("control_change", channel=channel, control=10, value=part.pan))
    return messages


def _note_messages(score: Score) -> list[Event]:
    """After the set-up, and notes that end before notes that begin at the same tick."""
    messages = []
    for note in notes_of(score):
        on = round(note.onset * TICKS_PER_BEAT)
        off = round((note.onset + note.duration) * TICKS_PER_BEAT)
        sound = {"channel": note.channel, "note": note.pitch}
        messages.append((on, 101, mido.Message("note_on", velocity=note.velocity, **sound)))
        messages.append((off, 100, mido.Message("note_off", velocity=0, **sound)))
    return messages
