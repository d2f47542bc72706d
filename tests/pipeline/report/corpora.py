"""Corpora to report on: with everything that a page can show, with hostile texts, and large ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from soundseam.pipeline.sft.material import Material, RecordingMaterial
from soundseam.pipeline.storage.commits import Commit, commit_rejection, prepare_output, shard_of
from soundseam.pipeline.work import SEGMENTS_STAGE
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.caption import Caption
from soundseam.schemas.claim import Claim, Evidence, Verdict
from soundseam.schemas.event import Branch, EventClass
from soundseam.schemas.music import Rhythm
from soundseam.schemas.recording import Rejected
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import Dnsmos, Speakers, Turn
from tests.pipeline.sft.builders import BELL, DOG, MUSIC, SPEECH, captioned, event, heard, material, musical, spoken
from tests.pipeline.sft.builders import recording as a_recording
from tests.pipeline.sft.corpora import commit_corpus
from tests.support.builders import a_segment, recording_id_of

HOSTILE = (
    "</script><script>window.pwned = 1</script>",
    "<img src=x onerror='window.pwned = 2'>",
    "\"'`${window.pwned = 3}\\",
    "\u202eright to left\u2066 \u0645\u0631\u062d\u0628\u0627",
    "javascript:window.pwned=4",
    "\u2028\u2029\x00\x07",
    "constructor",
    "__proto__",
    "]]>--><!--{{7*7}}",
)
SENTENCES = ("Two people talk.", "A bell rings near the end.", "Someone whispers.")
WORDS = ["Good", "morning", "to", "all", "of", "you.", "Please", "take", "a", "seat", "now."]


def make_corpus(output: Path) -> Path:
    """A conversation with verdicts of all kinds, music, a yard, and rejects."""
    commit_corpus(output, [a_recording(conversation(), song(), yard())])
    commit_rejects(output, "broken", ["truncated", "not_audio"])
    return output


def conversation() -> Material:
    segment = a_segment(
        "a",
        0,
        12_000,
        (event(SPEECH, 0, 8_000), event(BELL, 9_000, 10_000)),
        branches=(Branch.SPEECH, Branch.GENERAL),
        language="en",
        license="CC-BY-4.0",
    )
    row = spoken(segment, WORDS)
    quality = Dnsmos(signal=3.9, background=4.1, overall=3.6, p808=3.8)
    voices = ("speaker 1", "speaker 2")
    turns = (
        Turn(speaker=voices[0], start_ms=0, end_ms=2_600, overlapped=True),
        Turn(speaker=voices[1], start_ms=2_400, end_ms=5_000, overlapped=True),
    )
    speakers = Speakers(turns=turns, count=2, overlap_ms=200, scope="recording")
    turned = SpeechAnnotation(**key_of(row, "turns"), speakers=speakers, dnsmos=quality)
    return material(segment, row, turned, heard(segment), caption=judged(segment))


def key_of(row: SpeechAnnotation, backend: str) -> dict[str, object]:
    names = ("segment_id", "recording_id", "branch", "model", "revision", "config_key")
    return {**{name: getattr(row, name) for name in names}, "backend": backend}


def judged(segment: Segment) -> Caption:
    """A caption with a claim of each verdict."""
    caption = captioned(segment, *SENTENCES)
    verdicts = zip((Verdict.CONFIRMED, Verdict.UNSURE, Verdict.DROPPED), (0.98, 0.55, 0.04), strict=True)
    claims = tuple(
        claim.model_copy(update={"verdict": verdict, "probability": probability})
        for claim, (verdict, probability) in zip(caption.claims, verdicts, strict=True)
    )
    return caption.model_copy(update={"claims": claims, "verified": True})


def song() -> Material:
    segment = a_segment("a", 12_000, 28_000, (event(MUSIC, 12_000, 28_000),), branches=(Branch.MUSIC,))
    row = musical(segment)
    beats = tuple(range(12_000, 28_000, 500))
    assert row.rhythm is not None
    rhythm = Rhythm.model_validate({**dict(row.rhythm), "beats_ms": beats, "downbeats_ms": beats[::4]})
    return material(segment, row.model_copy(update={"rhythm": rhythm}), caption=captioned(segment, "A tune plays."))


def yard() -> Material:
    segment = a_segment(
        "a",
        28_000,
        38_000,
        (event(DOG, 28_500, 29_000), event(DOG, 30_000, 30_600), event(BELL, 33_000, 34_500)),
    )
    return material(segment, heard(segment), caption=captioned(segment, "A dog barks twice.", "Then a bell rings."))


def commit_rejects(output: Path, name: str, reasons: Iterable[str]) -> None:
    recording_id = recording_id_of(name)
    shard = shard_of(recording_id, prepare_output(str(output)))
    rows = [
        Rejected(
            recording_id=recording_id,
            source_uri=f"{name}.wav",
            start_ms=None,
            end_ms=None,
            stage="segments",
            reason=reason,
            detail=f"{name}: {reason}",
        )
        for reason in reasons
    ]
    commit = Commit(stage=SEGMENTS_STAGE, shard=shard, covers=((recording_id, "1"),), files=())
    commit_rejection(str(output), commit, rows)


def make_hostile_corpus(output: Path) -> Path:
    """One segment a hostile text, which stands wherever a text may stand."""
    commit_corpus(output, [a_recording(*(hostile(place, text) for place, text in enumerate(HOSTILE)))])
    for place, text in enumerate(HOSTILE):
        commit_rejects(output, f"{place}{text}", [text])
    return output


def hostile(place: int, text: str) -> Material:
    start = place * 2000
    sound = (EventClass.OBJECT, text)
    segment = a_segment(
        "a",
        start,
        start + 2000,
        (event(sound, start, start + 900),),
        source_uri=f"folder/{text}",
        license=text,
        language=text,
        metadata=f'{{"note": "{place}"}}',
    )
    evidence = Evidence(table=text, segment_id=segment.segment_id, backend=text, field=text, value=text)
    claims = (Claim(text=text, rule=text, evidence=(evidence,)), Claim(text="Next.", rule="test", evidence=()))
    caption = captioned(segment, "x").model_copy(update={"caption": text, "claims": claims, "composer": text})
    row = spoken(segment, [text, "plain"]).model_copy(update={"model": text})
    return material(segment, row, heard(segment), caption=caption)


def make_large_corpus(output: Path, segments: int) -> Path:
    """Recordings of fifty segments of half a second."""

    def one(name: str) -> RecordingMaterial:
        made = []
        for place in range(50):
            segment = a_segment(name, place * 500, place * 500 + 500, (event(DOG, place * 500, place * 500 + 200),))
            made.append(material(segment, caption=captioned(segment, f"Bark {name}-{place:02d}.")))
        return a_recording(*made, name=name)

    commit_corpus(output, [one(f"r{number:04d}") for number in range(segments // 50)])
    return output
