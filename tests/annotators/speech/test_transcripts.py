"""Which language a clip is in, for recognisers that know one alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from annotators.base import Clip
from annotators.speech.transcripts import language_of
from annotators.speech.transformers_asr import TransformersAnnotator, TransformersAsr
from schemas.annotation import SpeechAnnotation
from schemas.speech import Transcript
from tests.annotators.speech.builders import a_clip, silence
from tests.annotators.speech.test_agreement import heard


def heard_for_sure(language: str, probability: float) -> SpeechAnnotation:
    row = heard("whisper", "text", language)
    assert row.transcript is not None
    return row.model_copy(
        update={"transcript": row.transcript.model_copy(update={"language_probability": probability})}
    )


def clip_in(language: str | None, *rows: SpeechAnnotation) -> Clip:
    return replace(a_clip(silence(2_000), (0, 2_000), language=language), annotations=rows)


@pytest.mark.parametrize(
    ("told", "rows", "language"),
    [
        ("de-AT", (heard_for_sure("fr", 0.9),), "de-AT"),
        (None, (heard_for_sure("fr", 0.9),), "fr"),
        ("und", (heard_for_sure("fr", 0.9),), "fr"),
        (None, (heard_for_sure("cy", 0.2),), None),
        (None, (heard("asr", "text", "fr"),), None),
        (None, (), None),
    ],
)
def test_a_language_is_told_by_the_recording_or_heard_for_sure(
    told: str | None, rows: tuple[SpeechAnnotation, ...], language: str | None
) -> None:
    assert language_of(clip_in(told, *rows)) == language


def transcripts(language: str | None, *clips: Clip) -> list[Transcript]:
    """Of a recogniser that writes `language`, and counts the clips that its model is given."""
    given = iter(range(99))
    annotator = TransformersAnnotator(
        TransformersAsr(language=language), lambda waves: [{"text": f"wave {next(given)}"} for _ in waves]
    )
    return [facts.transcript for facts in annotator.annotate(clips) if facts.transcript is not None]


def test_a_recogniser_of_one_language_does_not_listen_to_others() -> None:
    heard = transcripts("en", clip_in("en-GB"), clip_in("ru"), clip_in(None), clip_in(None, heard_for_sure("ru", 0.9)))
    assert [transcript.text for transcript in heard] == ["wave 0", "", "wave 1", ""]
    assert [transcript.flags for transcript in heard][1] == ("single_system", "unsupported_language")


def test_a_recogniser_of_any_language_listens_to_all() -> None:
    assert [transcript.text for transcript in transcripts(None, clip_in("ru"), clip_in(None))] == ["wave 0", "wave 1"]
