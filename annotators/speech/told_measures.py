"""Where thirteen dimensions, as a model tells them, gainsay what was measured of the voice."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.paralinguistics import AgeGroup, DimensionContradiction, Dimensions, Gender, PitchLevel, Speed, Volume
from schemas.speech import Voice

LEAST_SPEECH_MS = 1_500
LEAST_VOICED_SHARE = 0.25
"""A pitch or a pace of less than this is not sure enough to gainsay anybody."""
_LOWEST_FEMALE_HZ, _HIGHEST_MALE_HZ, _LOWEST_CHILD_HZ = 110.0, 250.0, 150.0
"""Medians beyond these are rare: adults' lie about 120 and 210 Hz, with standard deviations of some 20 Hz (Traunmüller
and Eriksson, 1995); children's above 200 Hz."""
_HIGH_FROM_HZ, _LOW_UP_TO_HZ = 130.0, 230.0
_FAST_FROM_HZ, _SLOW_UP_TO_HZ = 3.2, 5.0
"""Syllable nuclei a second, as the paces of `manner.py` count them."""
_LOUD_FROM_DBFS, _QUIET_UP_TO_DBFS = -45.0, -12.0


def contradictions(told: Dimensions, voice: Voice, backend: str) -> tuple[DimensionContradiction, ...]:
    """Only what cannot be: between the measures and these bounds a listener may well hear it otherwise."""
    if voice.speech_ms < LEAST_SPEECH_MS:
        return ()
    wrong = {**dict(_against_pitch(told, voice)), **dict(_against_pace_and_level(told, voice))}
    return tuple(
        DimensionContradiction(
            dimension=name, said=str(getattr(told, name).value), measured=wrong[name], backend=backend
        )
        for name in Dimensions.model_fields
        if name in wrong
    )


def _against_pitch(told: Dimensions, voice: Voice) -> Iterator[tuple[str, str]]:
    median = voice.pitch_median_hz
    if median is None or voice.voiced_share < LEAST_VOICED_SHARE:
        return
    measured = f"a median pitch of {median:.0f} Hz"
    if (told.gender is Gender.FEMALE and median < _LOWEST_FEMALE_HZ) or (
        told.gender is Gender.MALE and median > _HIGHEST_MALE_HZ and told.age is not AgeGroup.CHILD
    ):
        yield "gender", measured
    if (told.pitch is PitchLevel.HIGH and median < _HIGH_FROM_HZ) or (
        told.pitch is PitchLevel.LOW and median > _LOW_UP_TO_HZ
    ):
        yield "pitch", measured
    if told.age is AgeGroup.CHILD and median < _LOWEST_CHILD_HZ:
        yield "age", measured


def _against_pace_and_level(told: Dimensions, voice: Voice) -> Iterator[tuple[str, str]]:
    rate, level = voice.syllable_rate_hz, voice.level_dbfs
    if rate is not None and (
        (told.speed is Speed.FAST and rate < _FAST_FROM_HZ) or (told.speed is Speed.SLOW and rate > _SLOW_UP_TO_HZ)
    ):
        yield "speed", f"{rate:.1f} syllables a second"
    if level is not None and (
        (told.volume is Volume.LOUD and level < _LOUD_FROM_DBFS)
        or (told.volume is Volume.QUIET and level > _QUIET_UP_TO_DBFS)
    ):
        yield "volume", f"a level of {level:.0f} dBFS"
