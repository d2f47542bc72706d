"""Checks of caption sentences against labels, whoever wrote them: each check covers one kind of statement.

A check returns None for a sentence without such a statement, or about which the labels know nothing; otherwise the
contradictions, which are empty if the sentence holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from soundseam.annotators.grammar.music_character import stated_tempo
from soundseam.annotators.grammar.sound_names import SoundName, broader_labels, sound_names
from soundseam.annotators.wording.language_names import UnknownLanguageError, language_tag
from soundseam.annotators.wording.names import keys_in, names_in
from soundseam.annotators.wording.normalise import primary_language, quotations_in, was_said
from soundseam.pipeline.evaluation.claim_statement import (
    MUSIC,
    SPEECH,
    Check,
    Statement,
    stated_place,
    stated_seconds,
)
from soundseam.pipeline.evaluation.named_clips import is_right
from soundseam.pipeline.evaluation.turn_checks import (
    change_of_speaker,
    count_of_speakers,
    longest_turns,
    one_voice,
    pause,
)
from soundseam.schemas.claim import Claim
from soundseam.schemas.event import Branch
from soundseam.schemas.timespan import TimeSpan, covered_ms, union_spans

_FIRST_ROOM_MS, _ROOM_SHARE = 1_500, 0.2
"""Allowed difference from the labelled time, in ms or as a share of the segment."""
_SINGING = re.compile(r"\bsing(?:s|ing)?\b")
_BRIDGED_MS = 2_000
"""Shorter gaps do not interrupt a sound that goes on throughout."""
_THROUGHOUT = 0.7
_TEMPO_ROOM = 1.08


def _speech(statement: Statement) -> list[str] | None:
    if not statement.mentions(Branch.SPEECH):
        return None
    return [] if statement.truth.has(Branch.SPEECH) else ["nobody speaks"]


def _music(statement: Statement) -> list[str] | None:
    if not statement.mentions(Branch.MUSIC):
        return None
    return [] if statement.truth.has(Branch.MUSIC) else ["there is no music"]


def _singing(statement: Statement) -> list[str] | None:
    if not _SINGING.search(statement.text):
        return None
    return [] if statement.truth.has(Branch.MUSIC) else ["nobody sings"]


def reserved(statement: Statement) -> list[str] | None:
    """Hedged statements that are not true: not false claims, but worth counting."""
    said = {Branch.SPEECH: SPEECH, Branch.MUSIC: MUSIC}
    found = [branch for branch, pattern in said.items() if pattern.search(statement.reserved)]
    return [f"there is no {one}" for one in found if not statement.truth.has(one)] if found else None


_SAYS_HOW = ("something", "something wet", "someone", "sound effect")
"""Names for how a sound is perceived, whereas labels say what it is."""


def stated_names(text: str, claim: Claim) -> list[SoundName]:
    """The names in the evidence of `claim` that occur in `text`."""
    labels = {label for label in sound_names() if any(f'"{label}"' in one.value for one in claim.evidence)}
    names = [sound_names()[label] for label in sorted(labels)]
    return [
        name
        for name in names
        if name.noun not in _SAYS_HOW and any(form in text for form in (name.clause, name.doing, name.subject))
    ]


def _names(statement: Statement) -> list[str] | None:
    names = [name for name in stated_names(statement.text, statement.claim) if name.kind not in ("speech", "music")]
    if not names:
        return None
    events = [event for event in statement.truth.events if event.branch is Branch.GENERAL]
    if not statement.truth.is_complete or not all(event.labels for event in events):
        return None
    right = frozenset[str]().union(*(event.labels for event in events))
    alien = [name for name in names if not is_right(name.label, right)]
    if statement.truth.has(Branch.MUSIC):  # whose instruments may ring, whistle and rumble
        alien = [name for name in alien if name.kind in ("animal", "voice", "crowd", "machine")]
    return [f"{name.subject} is none of: {', '.join(sorted(right)) or 'no sound'}" for name in alien]


_KINDS: Mapping[str, tuple[str, ...]] = {
    r"\banimal sounds?\b|\banimals are heard": ("Animal",),
    r"\bvocal sounds?\b|voice sounds without": ("Human voice", "Speech", "Singing", "Crowd", "Child speech"),
    r"\bsounds? of nature\b": ("Wind", "Water", "Thunder", "Fire", "Animal", "Rain"),
}


def _kinds(statement: Statement) -> list[str] | None:
    wanted = {words: roots for words, roots in _KINDS.items() if re.search(words, statement.text)}
    events = [event for event in statement.truth.events if event.branch is Branch.GENERAL]
    if not wanted or not statement.truth.is_complete or not all(event.labels for event in events):
        return None
    is_voice = statement.truth.has(Branch.SPEECH) or statement.truth.has(Branch.MUSIC)
    found = {root for event in events for label in event.labels for root in (label, *broader_labels(label))}
    return [
        f"of {', '.join(roots)} there is none"
        for words, roots in wanted.items()
        if not found.intersection(roots) and not ("voice" in words and is_voice)
    ]


def stated_keys(text: str) -> set[tuple[int | None, str]]:
    """Keys as (semitones over C, mode); None as the tonic if only the mode is stated."""
    modes = {(None, mode) for mode in re.findall(r"\ba (major|minor) key\b", text)}
    return {*keys_in(text), *modes}


def _key(statement: Statement) -> list[str] | None:
    keys = stated_keys(statement.claim.text)
    if not keys or statement.truth.key is None:
        return None
    (true,) = keys_in(statement.truth.key)
    return [f"the key is {statement.truth.key}" for key in keys if key not in (true, (None, true[1]))][:1]


def _tempo(statement: Statement) -> list[str] | None:
    bounds = stated_tempo(statement.text) if statement.mentions(Branch.MUSIC) else None
    if bounds is None or statement.truth.tempo_bpm is None:
        return None
    fits = bounds[0] / _TEMPO_ROOM <= statement.truth.tempo_bpm <= bounds[1] * _TEMPO_ROOM
    return [] if fits else [f"the tempo is {statement.truth.tempo_bpm:g} beats a minute"]


def _duration(statement: Statement) -> list[str] | None:
    seconds, whole = stated_seconds(statement.text), statement.span.duration_ms / 1000
    if not seconds:
        return None
    return [f"all of it lasts {whole:.1f} s" for value in seconds if value > whole + 0.2][:1]


def _lasting(statement: Statement) -> tuple[Branch, list[TimeSpan]] | None:
    """Speech or music, whichever the sentence is about, and its labelled times; None for both, neither or no times."""
    found = [branch for branch in (Branch.SPEECH, Branch.MUSIC) if statement.mentions(branch)]
    if len(found) != 1 or not statement.truth.is_timed or not statement.truth.has(found[0]):
        return None
    bed = [statement.span] if found[0] is Branch.MUSIC and statement.truth.bed == "music" else []
    return found[0], [*statement.truth.spans(found[0]), *bed]


THROUGHOUT = re.compile(r"\bthroughout\b|from beginning to end|fills the recording|the whole time")


def _extent(statement: Statement) -> list[str] | None:
    if not THROUGHOUT.search(statement.text) or (lasting := _lasting(statement)) is None:
        return None
    bridged = union_spans(TimeSpan(span.start_ms, span.end_ms + _BRIDGED_MS) for span in lasting[1])
    share = covered_ms(span.intersection(statement.span) for span in bridged) / statement.span.duration_ms
    return [] if share >= _THROUGHOUT else [f"{lasting[0]} fills {share:.0%} of it"]


_BEGINS = re.compile(r"\b(?:begins?|starts?)\b")


def _place(statement: Statement) -> list[str] | None:
    at_end = not _BEGINS.search(statement.text)
    if statement.claim.rule.partition("#")[0] != "scene.extent" or (lasting := _lasting(statement)) is None:
        return None
    bounds = stated_place(statement.text) or (0.0, 0.95)
    times = lasting[1]
    edge = max(span.end_ms for span in times) if at_end else min(span.start_ms for span in times)
    share = (edge - statement.span.start_ms) / statement.span.duration_ms
    room = max(_ROOM_SHARE, _FIRST_ROOM_MS / statement.span.duration_ms)
    verb = "ends" if at_end else "begins"
    return [] if bounds[0] - room <= share <= bounds[1] + room else [f"{lasting[0]} {verb} {share:.0%} of the way"]


_IN_TURN = re.compile(r"\bthen\b|followed by|\bafter\b|\bfollows?\b|before")


def _order(statement: Statement) -> list[str] | None:
    speech, music = SPEECH.search(statement.text), MUSIC.search(statement.text)
    spans = [statement.truth.spans(branch) for branch in (Branch.SPEECH, Branch.MUSIC)]
    if not (speech and music and all(spans)) or not statement.truth.is_timed or not _IN_TURN.search(statement.text):
        return None
    if statement.truth.bed == "music" or " while " in statement.text or " as " in statement.text:
        return None
    speech_first = (speech.start() < music.start()) != bool(
        re.search(r"comes? after|\S, .* after that$", statement.text)
    )
    starts = [min(span.start_ms for span in one) for one in spans]
    late_ms = (starts[0] - starts[1]) * (1 if speech_first else -1)
    return ["they come in the other order"] if late_ms > _FIRST_ROOM_MS else []


def _language(statement: Statement) -> list[str] | None:
    if statement.truth.language is None or not statement.mentions(Branch.SPEECH):
        return None
    named = [tag for name in names_in(statement.claim.text, "en") if (tag := _tag(name)) is not None]
    true = primary_language(statement.truth.language)
    return [f"the language is {true}" for tag in named if primary_language(tag) != true] if named else None


def _tag(name: str) -> str | None:
    try:
        return language_tag(name) if len(name) > 3 else None
    except UnknownLanguageError:
        return None


def _quotation(statement: Statement) -> list[str] | None:
    quoted = list(quotations_in(statement.claim.text))
    if not quoted or not statement.truth.text:
        return None
    return [f"nobody says {one!r}" for one in quoted if not was_said(one, [statement.truth.text])]


_QUIET = re.compile(
    r"\b(?:it is|lies|a|background is) quiet\b|hardly anything (?:else )?is heard|little (?:else )?(?:is|to hear)|"
    r"next to no background|in the pauses it is quiet"
)


def _quiet(statement: Statement) -> list[str] | None:
    if not _QUIET.search(statement.text) or statement.truth.bed is None:
        return None
    return [f"a bed of {statement.truth.bed} lies under it"] if statement.truth.bed in ("music", "noise") else []


CHECKS: Mapping[str, Check] = {
    "speech": _speech,
    "music": _music,
    "singing": _singing,
    "name": _names,
    "kind of sound": _kinds,
    "key": _key,
    "tempo": _tempo,
    "duration": _duration,
    "throughout": _extent,
    "when": _place,
    "order": _order,
    "speakers": count_of_speakers,
    "one voice": one_voice,
    "turns": longest_turns,
    "change of speaker": change_of_speaker,
    "pause": pause,
    "language": _language,
    "quotation": _quotation,
    "quiet": _quiet,
}
"""The checks by topic."""


def contradictions(statement: Statement) -> tuple[bool, list[tuple[str, str]]]:
    """Whether any check applies to the sentence, and (check, why) of each according to which it is false."""
    judged = [(name, found) for name, check in CHECKS.items() if (found := check(statement)) is not None]
    return bool(judged), [(name, why) for name, found in judged for why in found]


def at_odds(claims: Sequence[Claim]) -> Iterator[tuple[Claim, str]]:
    """Claims of one caption that contradict each other: a sound that goes on throughout neither begins nor ends."""
    lasting = [claim.text.lower() for claim in claims if THROUGHOUT.search(claim.text.lower())]
    for claim in claims:
        match = re.search(
            r"the ([\w ]+?) (?:only )?(?:begin|start|stop|end|break|is over|are over)", claim.text.lower()
        )
        if match and any(match[1] in text for text in lasting):
            yield claim, f"{match[1]} goes on throughout, says another sentence"
