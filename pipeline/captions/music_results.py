"""Tool results of the music branch."""

from __future__ import annotations

from collections.abc import Iterator

from soundseam.annotators.grammar.music_character import SURE_MODE, colours, loudness_course, tempo_words
from soundseam.annotators.grammar.words import with_article
from soundseam.pipeline.captions.segment_results import Source, listed, percent, rounded
from soundseam.schemas.annotation import MusicAnnotation
from soundseam.schemas.caption import ResultKind, ToolResult
from soundseam.schemas.event import TagKind
from soundseam.schemas.music import PITCH_CLASSES, Dynamics, Rhythm, Timbre, Tonality, key_name
from soundseam.schemas.timespan import TimeSpan


def music_results(source: Source, row: MusicAnnotation) -> Iterator[ToolResult]:
    """One result per field that is not null; timed items one by one, notes as one."""
    if row.rhythm is not None:
        yield from _rhythm(source, row.rhythm)
    if row.tonality is not None:
        paths = [f"tonality.{name}" for name in ("tonic", "mode", "confidence", "runner_up")]
        yield source.result(
            ResultKind.TONALITY, _tonality_words(row.tonality), *paths, confidence=row.tonality.confidence
        )
    if row.dynamics is not None:
        paths = [f"dynamics.{name}" for name in ("trend_db", "loudness_range_db")]
        yield source.result(ResultKind.DYNAMICS, _dynamics_words(row.dynamics), *paths)
    if row.timbre is not None:
        paths = [f"timbre.{name}" for name in ("brightness_hz", "percussive_share")]
        yield source.result(ResultKind.TIMBRE, _timbre_words(row.timbre), *paths)
    if row.voice_share is not None:
        content = f"singing over {percent(row.voice_share)} of the time" if row.voice_share else "no singing"
        yield source.result(ResultKind.SINGING, content, "voice_share")
    yield from _timed(source, row)


def _timed(source: Source, row: MusicAnnotation) -> Iterator[ToolResult]:
    for index, chord in enumerate(row.chords or ()):
        paths = [f"chords.{index}.{name}" for name in ("label", "start_ms", "end_ms", "confidence")]
        span = TimeSpan(chord.start_ms, chord.end_ms)
        yield source.result(ResultKind.CHORD, chord_words(chord.label), *paths, span=span, confidence=chord.confidence)
    for index, section in enumerate(row.sections or ()):
        paths = [f"sections.{index}.{name}" for name in ("label", "function", "start_ms", "end_ms")]
        content = f"part {section.label}" + (f", the {section.function}" if section.function else "")
        yield source.result(ResultKind.SECTION, content, *paths, span=TimeSpan(section.start_ms, section.end_ms))
    for index, tag in enumerate(row.tags or ()):
        paths = [f"tags.{index}.{name}" for name in ("label", "kind", "score", "source")]
        content = tag.label if tag.kind is TagKind.OTHER else f"{tag.kind}: {tag.label}"
        yield source.result(ResultKind.TAG, content, *paths, confidence=tag.score)
    if row.lyrics is not None:
        paths = [f"lyrics.{name}" for name in ("text", "usable_for_training", "recogniser")]
        yield source.result(ResultKind.LYRICS, row.lyrics.text, *paths, confidence=row.lyrics.confidence)
    if row.description is not None:
        # The rest of it is used as its row's caption.
        yield source.result(ResultKind.STATEMENT, "", "description.answer")
    if row.notes is not None:
        yield source.result(ResultKind.NOTES, f"{len(row.notes)} notes", "notes")


def _rhythm(source: Source, rhythm: Rhythm) -> Iterator[ToolResult]:
    bpm, paths = rhythm.tempo_bpm, [f"rhythm.{name}" for name in ("tempo_bpm", "tempo_confidence", "onset_rate_hz")]
    content = f"{tempo_words(bpm)} tempo, {rounded(bpm)} beats a minute" if bpm is not None else "no steady pulse"
    yield source.result(ResultKind.RHYTHM, content, *paths, confidence=rhythm.tempo_confidence)
    if rhythm.beats_per_bar is not None:
        yield source.result(
            ResultKind.METER,
            f"{rhythm.beats_per_bar} beats to the bar",
            "rhythm.beats_per_bar",
            "rhythm.meter_confidence",
            confidence=rhythm.meter_confidence,
        )


def _tonality_words(tonality: Tonality) -> str:
    if tonality.tonic is None or tonality.mode is None:
        return "no key stands out"
    if tonality.confidence < SURE_MODE:
        return with_article(f"key that is hard to tell, perhaps {key_words(tonality)}")
    return f"in {key_words(tonality)}"


def key_words(tonality: Tonality) -> str:
    if tonality.tonic not in PITCH_CLASSES or tonality.mode is None:
        return f"{tonality.tonic or ''} {tonality.mode or ''}".strip()
    return key_name(tonality.tonic or "", tonality.mode)


_COURSES = {
    "louder": "louder towards the end",
    "softer": "softer towards the end",
    "even": "even in loudness",
    "varied": "moving between soft and loud",
}
_COLOURS = {
    "percussive": "largely percussive",
    "sustained": "of sustained tones",
    "dark": "dark in colour",
    "bright": "bright in colour",
}


def _dynamics_words(dynamics: Dynamics) -> str:
    return _COURSES.get(loudness_course(dynamics.trend_db, dynamics.loudness_range_db), "")


def _timbre_words(timbre: Timbre) -> str:
    return listed([_COLOURS[word] for word in colours(timbre.percussive_share, timbre.brightness_hz)])


_QUALITIES = {"maj": "major", "min": "minor", "7": "seventh", "maj7": "major seventh", "min7": "minor seventh"}


def chord_words(label: str) -> str:
    """Harte's notation in a player's words."""
    root, _, quality = label.partition(":")
    if root == "N":
        return "no chord"
    return f"a chord of {root.replace('#', ' sharp')} {_QUALITIES.get(quality, quality)}".strip()
