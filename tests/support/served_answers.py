"""What a served model of the tests answers when it is asked for a record: the right form, and nothing against it."""

from __future__ import annotations

import json
from typing import Any

from tests.support.chat_server import Asked

MUSIC = {
    "style_and_tempo": "A calm piece that moves at an easy pace.",
    "tonality_and_harmony": "The harmony is plain.",
    "instruments": "One instrument plays.",
    "structure": "It unfolds without a break.",
    "mood": "The mood is calm.",
    "tempo_bpm": None,
    "key": None,
    "vocals": False,
}
SPEAKER = {
    "gender": "female",
    "pitch": "medium",
    "speed": "moderate",
    "volume": "moderate",
    "age": "young_adult",
    "clarity": "clear",
    "fluency": "fluent",
    "accent": "General American",
    "texture": "smooth and slightly breathy",
    "emotion": "neutral",
    "tone": "matter-of-fact and polite",
    "personality": "seems patient",
    "summary": "A young woman speaks clearly and at an even pace.",
}
JUDGED = {
    name: {"score": 4, "reason": "It mostly is."} for name in ("complete", "faithful", "ordered", "specific", "clear")
}


def record_for(asked: Asked) -> str | None:
    """The JSON of the record that `asked` asks for; None if it asks for none that is known here."""
    title = (asked.json_schema or {}).get("title")
    answers: dict[str, Any] = {
        "DescribedMusic": MUSIC,
        "AnchorAnswer": {"scene": "Something goes on"},
        "Verdicts": JUDGED,
        "Dimensions": SPEAKER,
    }
    if title == "WrittenCaption":
        return json.dumps(written(asked))
    if title == "DescribedScene":
        return json.dumps(told_scene(asked))
    return json.dumps(answers[title]) if title in answers else None


def written(asked: Asked) -> dict[str, Any]:
    """A caption of one sentence, which rests on the first of the evidence."""
    first = json.loads(asked.text.split("\n\n")[0])["evidence"][0]
    return {"claims": [{"text": "This is heard first", "evidence": [first["id"]]}]}


def told_scene(asked: Asked) -> dict[str, Any]:
    """Tells of each event that must be told of, as of a sound."""
    sounds = [event["id"] for event in events_in(asked.text) if event["must_be_told"]]
    text = "A sound is heard." if sounds else "Little is heard."
    return {"description": text, "sounds": [{"event": name, "words": "a sound"} for name in sounds]}


def events_in(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text.split("The events:\n")[1].split("\n", maxsplit=1)[0])
    return found
