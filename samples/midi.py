"""Writes notes as a Standard MIDI File, format 0."""

from __future__ import annotations

from samples.score import Score, notes_of

TICKS_PER_BEAT = 480

_NOTE_OFF, _NOTE_ON, _CONTROL, _PROGRAM = 0x80, 0x90, 0xB0, 0xC0
_PAN = 10


def midi_bytes(score: Score) -> bytes:
    """The whole piece in one track, which ends when the last notes have rung."""
    end = TICKS_PER_BEAT * (len(score.bar_chords) * score.beats_per_bar + score.ring_beats)
    events = [(0, order, message) for order, message in enumerate(_set_up(score))] + _note_messages(score)
    track = bytearray()
    before = 0
    for tick, _, message in [*sorted(events), (end, 0, bytes((0xFF, 0x2F, 0)))]:
        track += _variable_length(tick - before) + message
        before = tick
    header = b"MThd" + b"".join(number.to_bytes(size, "big") for number, size in ((6, 4), (0, 2), (1, 2)))
    return header + TICKS_PER_BEAT.to_bytes(2, "big") + b"MTrk" + len(track).to_bytes(4, "big") + bytes(track)


def _set_up(score: Score) -> list[bytes]:
    microseconds = round(60_000_000 / score.tempo_bpm)
    messages = [bytes((0xFF, 0x51, 3)) + microseconds.to_bytes(3, "big")]
    messages.append(bytes((0xFF, 0x58, 4, score.beats_per_bar, 2, 24, 8)))
    for channel, part in enumerate(score.parts):
        messages.append(bytes((_PROGRAM | channel, part.program - 1)))
        messages.append(bytes((_CONTROL | channel, _PAN, part.pan)))
    return messages


def _note_messages(score: Score) -> list[tuple[int, int, bytes]]:
    """(tick, order, message): after the set-up, and notes that end before notes that begin at the same tick."""
    messages = []
    for note in notes_of(score):
        on = round(note.onset * TICKS_PER_BEAT)
        off = round((note.onset + note.duration) * TICKS_PER_BEAT)
        messages.append((on, 101, bytes((_NOTE_ON | note.channel, note.pitch, note.velocity))))
        messages.append((off, 100, bytes((_NOTE_OFF | note.channel, note.pitch, 0))))
    return messages


def _variable_length(number: int) -> bytes:
    """MIDI's variable-length quantity: seven bits a byte, the highest first, the top bit on all but the last."""
    parts = [number & 0x7F]
    while number := number >> 7:
        parts.append(0x80 | (number & 0x7F))
    return bytes(reversed(parts))
