"""Tool results of the speech branch."""

from __future__ import annotations

from collections.abc import Iterator

from soundseam.annotators.grammar.engine import Json, Pick, Values
from soundseam.annotators.grammar.speech_manner import (
    LISTED_PAUSE_MS,
    MANNER_READS,
    MIN_VOICED_SHARE,
    VOICES_READS,
    background,
    read_manner,
)
from soundseam.pipeline.captions.segment_results import Source, language_name, listed, percent, rounded, seconds
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.caption import ResultKind, ToolResult
from soundseam.schemas.speech import Dimensions, Paralinguistics, Speakers, Voice, is_unclear
from soundseam.schemas.timespan import TimeSpan

_DIMENSIONS = tuple(name for name in Dimensions.model_fields if name != "summary")


def speech_results(source: Source, row: SpeechAnnotation) -> Iterator[ToolResult]:
    """One result per field that is not null; timed items one by one."""
    yield from _words(source, row)
    yield from _languages(source, row)
    if row.speakers is not None:
        yield from _speakers(source, row.speakers)
    if row.voice is not None:
        paths = [f"voice.{name}" for name in Voice.model_fields]
        yield source.result(ResultKind.VOICE, _voice_words(row.voice), *paths)
    if row.quality is not None:
        share = row.quality.clipping_share
        content = "the speech is distorted by overload" if share > 0.001 else ""
        yield source.result(ResultKind.RECORDING, content, "quality.clipping_share", "quality.bandwidth_hz")
    if row.dnsmos is not None:
        content = f"listeners would rate the recording {rounded(row.dnsmos.overall, 1)} of 5"
        yield source.result(ResultKind.OPINION, content, "dnsmos.overall", "dnsmos.signal", "dnsmos.background")
    for index, one in enumerate(row.paralinguistics or ()):
        # The summary is used as the row's caption.
        paths = [f"paralinguistics.{index}.{name}" for name in (*_DIMENSIONS, "speaker")]
        yield source.result(ResultKind.STATEMENT, _how_it_sounds(one), *paths)


def _words(source: Source, row: SpeechAnnotation) -> Iterator[ToolResult]:
    if row.transcript is not None:
        said = row.transcript
        sure = said.agreement if said.agreement is not None else said.confidence
        paths = [f"transcript.{name}" for name in ("text", "usable_for_training", "agreement", "language")]
        yield source.result(ResultKind.TRANSCRIPT, said.text, *paths, confidence=sure)
    if row.agreement is not None:
        content = f"{len(row.agreement.systems)} transcripts were compared"
        yield source.result(ResultKind.AGREEMENT, content, "agreement.chosen", "agreement.systems")
    if row.alignment is not None:
        content = f"{len(row.alignment.words)} words have times"
        yield source.result(ResultKind.ALIGNMENT, content, "alignment.aligned")
    for index, one in enumerate(row.sentences or ()):
        span = TimeSpan(one.start_ms, one.end_ms)
        paths = [f"sentences.{index}.{name}" for name in ("text", "start_ms", "end_ms")]
        yield source.result(ResultKind.SENTENCE, one.text, *paths, span=span)


def _languages(source: Source, row: SpeechAnnotation) -> Iterator[ToolResult]:
    if row.language is None:
        return
    from_audio, from_text = row.language.from_audio, row.language.from_text
    content = listed(
        [
            f"it sounds like {language_name(from_audio)}" if from_audio else "",
            f"its words are {language_name(from_text)}" if from_text else "",
        ]
    )
    paths = [f"language.{name}" for name in ("from_audio", "from_text", "agrees", "text_confidence")]
    yield source.result(
        ResultKind.LANGUAGE, content or "no language can be told", *paths, confidence=row.language.text_confidence
    )


def _speakers(source: Source, speakers: Speakers) -> Iterator[ToolResult]:
    content = "one speaker" if speakers.count == 1 else f"{speakers.count} speakers"
    if speakers.overlap_ms:
        content += f", for {seconds(speakers.overlap_ms)} at once"
    yield source.result(ResultKind.SPEAKERS, content, "speakers.count", "speakers.overlap_ms")
    names = {label: index for index, label in enumerate(dict.fromkeys(turn.speaker for turn in speakers.turns), 1)}
    for index, turn in enumerate(speakers.turns):
        also = ", while somebody else speaks too" if turn.overlapped else ""
        paths = [f"speakers.turns.{index}.{name}" for name in ("speaker", "start_ms", "end_ms", "overlapped")]
        span = TimeSpan(turn.start_ms, turn.end_ms)
        yield source.result(ResultKind.TURN, f"speaker {names[turn.speaker]} speaks{also}", *paths, span=span)


def _how_it_sounds(one: Paralinguistics) -> str:
    """The dimensions that a model is sure of and no measure contradicts; empty if there are none."""
    values = [(name, value) for name, value in one.in_words().items() if name in _DIMENSIONS]
    known = listed([f"{name} {value}" for name, value in values if not is_unclear(value)])
    return f"a speaker: {known}" if known else ""


_BACKGROUNDS = {"noisy": "hardly louder than the background", "quiet": "over a quiet background"}


def _voice_words(voice: Voice) -> str:
    dumped = voice.model_dump(mode="json")
    # The grammar's words for the same values, so that pace and pitch are worded in one place.
    measures: dict[str, Json] = {name: dumped[name.partition(".")[2]] for name in MANNER_READS}
    manner = read_manner(Values({**measures, **dict.fromkeys(VOICES_READS)}), Pick("voice"))
    return listed(
        [
            f"speech for {seconds(voice.speech_ms)}",
            manner.adverb,
            manner.predicate,
            manner.pause_noun and f"with {manner.pause_noun}",
            f"the longest pause {seconds(voice.longest_pause_ms)}" if voice.longest_pause_ms >= LISTED_PAUSE_MS else "",
            _BACKGROUNDS.get(background(voice.snr_db), ""),
            f"voiced for {percent(voice.voiced_share)} of it" if voice.voiced_share < MIN_VOICED_SHARE else "",
        ]
    )
