"""How much audio there is, before any of it is decoded: from the headers of some files and the sizes of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from pipeline.storage import files
from schemas.source import Source

BYTES_A_SECOND: Mapping[str, float] = {
    ".wav": 96_000,
    ".aif": 96_000,
    ".aiff": 96_000,
    ".flac": 40_000,
    ".mp3": 16_000,
    ".m4a": 16_000,
    ".aac": 16_000,
    ".ogg": 12_000,
    ".oga": 12_000,
    ".opus": 6_000,
    ".mp4": 250_000,
    ".mkv": 250_000,
    ".webm": 150_000,
    ".mov": 500_000,
}
"""Usual sizes of files of a kind; only for those whose headers are not read here."""
UNKNOWN_BYTES_A_SECOND = 32_000.0
FEWEST_BYTES_A_SECOND = 250.0
"""2 kbit/s: a header that claims more time than this is not believed."""
MOST_HEADERS = 32


def estimate_durations(sources: Sequence[Source]) -> dict[str, int]:
    """recording_id → about how many milliseconds of it will be segmented."""
    by_suffix: dict[str, list[Source]] = {}
    for source in sources:
        by_suffix.setdefault(PurePosixPath(source.source_uri).suffix.lower(), []).append(source)
    rates = {suffix: _bytes_a_second(suffix, members) for suffix, members in by_suffix.items()}
    return {
        source.recording_id: sum(span.duration_ms for span in source.intervals)
        or round(1000 * source.size_bytes / rates[suffix])
        for suffix, members in by_suffix.items()
        for source in members
    }


def _bytes_a_second(suffix: str, sources: Sequence[Source]) -> float:
    step = max(1, len(sources) // MOST_HEADERS)
    headers = list(_headers(sources[::step][:MOST_HEADERS]))
    seconds = sum(duration_s for _, duration_s in headers)
    if seconds <= 0:
        return BYTES_A_SECOND.get(suffix, UNKNOWN_BYTES_A_SECOND)
    return sum(size_bytes for size_bytes, _ in headers) / seconds


def _headers(sources: Iterable[Source]) -> Iterable[tuple[int, float]]:
    """(bytes, seconds) of the local files among `sources` whose header libsndfile reads."""
    import soundfile

    for source in sources:
        if not files.is_local(source.uri):
            continue
        try:
            # By descriptor: a name may hold bytes that are no text, or end in .raw, which libsndfile judges files by.
            with (
                files.local_path(source.uri).open("rb") as file,
                soundfile.SoundFile(file.fileno(), closefd=False) as sound,
            ):
                duration_s = sound.frames / max(1, sound.samplerate)
        except (OSError, ValueError, TypeError, soundfile.SoundFileError):
            continue  # decoding will say what is wrong with it
        if 0 < duration_s < source.size_bytes / FEWEST_BYTES_A_SECOND:
            yield source.size_bytes, duration_s
