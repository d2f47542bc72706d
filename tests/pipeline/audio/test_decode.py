"""What becomes of a recording, good or bad."""

from __future__ import annotations

import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from soundseam.pipeline.audio.decode import DecodeConfig, Decoded, DecodeError, decode_recording
from soundseam.schemas.timespan import TimeSpan
from tests.support.recordings import (
    DELAYED_FORMATS,
    EXACT_FORMATS,
    Sound,
    Writer,
    a_tone,
    cut_off,
    encode,
    encode_video,
    noise,
    silence,
    spoil,
    write,
    write_claiming,
)


def decoded(path: Path, **config: int) -> tuple[Decoded, Sound]:
    """The decoded recording and its whole waveform (num_samples,)."""
    with decode_recording(path, DecodeConfig(**config)) as recording:
        return recording, recording.waveform.read(0, recording.waveform.num_samples)


def rejection(path: Path, **config: int) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        decoded(path, **config)
    return caught.value


def a_click(rate_hz: int) -> Sound:
    """A second of quiet with 10 ms of tone from 500 ms on."""
    sound = noise(1.0, rate_hz, gain=1e-4)
    tone = a_tone(0.01, rate_hz, hz=2000)
    sound[:, rate_hz // 2 : rate_hz // 2 + tone.shape[1]] += tone
    return sound


@pytest.mark.parametrize(("suffix", "writer"), EXACT_FORMATS.items())
def test_a_sound_keeps_its_place_in_every_format_that_tells_its_delay(
    tmp_path: Path, suffix: str, writer: Writer
) -> None:
    recording, samples = decoded(writer(tmp_path / f"click.{suffix}", a_click(48_000), 48_000))
    assert np.argmax(np.abs(samples) > 0.05) / 16 == pytest.approx(500, abs=0.5)
    assert recording.duration_ms == pytest.approx(1000, abs=22)
    assert recording.sample_rate_hz == 48_000
    assert not recording.shortfalls


@pytest.mark.parametrize(("suffix", "writer"), DELAYED_FORMATS.items())
def test_a_sound_comes_a_little_late_in_a_format_that_does_not(tmp_path: Path, suffix: str, writer: Writer) -> None:
    recording, samples = decoded(writer(tmp_path / f"click.{suffix}", a_click(48_000), 48_000))
    assert 500 <= np.argmax(np.abs(samples) > 0.05) / 16 <= 525
    assert not recording.shortfalls


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "IMA_ADPCM"])
def test_every_sample_format_of_wav_gives_the_same_sound(tmp_path: Path, subtype: str) -> None:
    tone = a_tone()
    recording, samples = decoded(write(tmp_path / "tone.wav", tone, subtype=subtype))
    assert recording.container == "wav"
    # ADPCM takes a moment to reach the sound.
    assert samples[100:16_000] == pytest.approx(tone[0, 100:], abs=0.02)


def test_sixteen_bits_at_sixteen_kilohertz_come_back_exactly(tmp_path: Path) -> None:
    pcm = np.random.default_rng(0).integers(-32768, 32768, (1, 100_000)).astype(np.int16)
    for suffix in ("wav", "flac"):
        _, samples = decoded(write(tmp_path / f"noise.{suffix}", pcm))
        assert np.array_equal(samples * 32768, pcm[0])


def test_eight_channels_at_96_khz_are_read(tmp_path: Path) -> None:
    sound = noise(0.5, 96_000, channels=8)
    recording, samples = decoded(write(tmp_path / "array.wav", sound, 96_000, "PCM_24"))
    assert (recording.channels, recording.sample_rate_hz, recording.duration_ms) == (8, 96_000, 500)
    assert samples.shape == (8000,)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 192_000, 768_000])
def test_every_rate_becomes_16_khz(tmp_path: Path, rate_hz: int) -> None:
    recording, samples = decoded(write(tmp_path / "tone.wav", a_tone(0.5, rate_hz), rate_hz))
    assert recording.duration_ms == 500
    inner = slice(1000, 7000)
    assert samples[inner] == pytest.approx(a_tone(0.5)[0][inner], abs=1e-3)


def test_the_suffix_says_nothing(tmp_path: Path) -> None:
    mp3 = encode(tmp_path / "tone.mp3", a_tone(), 16_000, "mp3")
    renamed = mp3.rename(tmp_path / "tone.wav")
    assert decoded(renamed)[0].container == "mp3"
    raw = write(tmp_path / "tone.flac", a_tone()).rename(tmp_path / "tone.raw")
    assert decoded(raw)[0].container == "flac"


@pytest.mark.parametrize("name", ["-i", "a\nb", "[*]?", "ö" * 127, "http:", "%s"])
def test_any_name_is_opened(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "x.flac", a_tone()).rename(tmp_path / name)
    assert decoded(path)[0].duration_ms == 1000


def test_the_audio_of_a_video_is_read(tmp_path: Path) -> None:
    recording, _ = decoded(encode_video(tmp_path / "x.mp4", [a_tone(1.0, 48_000)]))
    assert (recording.container, recording.codec) == ("mov", "aac")


@pytest.mark.parametrize(("default", "hz"), [(None, 440), (1, 1000)])
def test_of_several_streams_the_default_one_is_read_else_the_first(
    tmp_path: Path, default: int | None, hz: float
) -> None:
    sounds = [a_tone(1.0, 48_000, hz=440), a_tone(1.0, 48_000, hz=1000)]
    _, samples = decoded(encode_video(tmp_path / "x.mkv", sounds, default=default))
    assert np.argmax(np.abs(np.fft.rfft(samples[:16_000]))) == pytest.approx(hz, abs=2)


def test_a_video_without_audio_is_no_recording(tmp_path: Path) -> None:
    error = rejection(encode_video(tmp_path / "x.mp4", []))
    assert (error.reason, error.detail) == ("no_audio_stream", "mov,mp4,m4a,3gp,3g2,mj2 with these streams: video")


def test_an_empty_file_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "x.wav").touch()
    assert rejection(tmp_path / "x.wav").reason == "empty_file"


@pytest.mark.parametrize("suffix", ["wav", "aiff"])
def test_a_file_without_samples_is_rejected(tmp_path: Path, suffix: str) -> None:
    assert rejection(write(tmp_path / f"x.{suffix}", silence(0.0))).reason == "no_samples"


def test_one_sample_is_too_short(tmp_path: Path) -> None:
    error = rejection(write(tmp_path / "x.wav", np.ones((1, 1), np.float32)))
    assert (error.reason, error.detail) == ("too_short", "1 samples, 0 ms")


def test_the_shortest_recording_is_a_choice(tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav", a_tone(0.3))
    assert rejection(path, min_recording_ms=301).reason == "too_short"
    assert decoded(path, min_recording_ms=300)[0].duration_ms == 300


@pytest.mark.parametrize("content", [b"Dear reader,\n" * 1000, b"\0" * 5000, b"<html><body></body></html>", b"x"])
def test_text_named_wav_is_no_audio(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.wav").write_bytes(content)
    assert rejection(tmp_path / "x.wav").reason == "not_audio"


def test_random_bytes_are_no_audio(tmp_path: Path) -> None:
    for seed in range(20):
        (tmp_path / "x.mp3").write_bytes(np.random.default_rng(seed).bytes(50_000))
        assert rejection(tmp_path / "x.mp3").reason in ("not_audio", "no_audio_stream", "undecodable", "too_short")


def test_a_missing_file_and_a_folder_are_rejected(tmp_path: Path) -> None:
    assert rejection(tmp_path / "gone.wav").reason == "missing_file"
    assert rejection(tmp_path).reason == "unreadable"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_counted_and_rejected(tmp_path: Path, bad: float) -> None:
    sound = a_tone(60.0)
    sound[0, [5, 400_000, 900_000]] = bad
    error = rejection(write(tmp_path / "x.wav", sound, subtype="FLOAT"))
    assert (error.reason, error.detail) == ("non_finite_samples", "3 samples are NaN or infinite")


def test_a_header_that_claims_ten_hours_gives_what_is_there(tmp_path: Path) -> None:
    recording, _ = decoded(write_claiming(tmp_path / "x.wav", a_tone(), 36_000 * 32_000))
    assert recording.duration_ms == 1000
    (shortfall,) = recording.shortfalls
    assert (shortfall.span, shortfall.reason) == (TimeSpan(1000, 36_000_000), "truncated")
    assert shortfall.detail == "the header claims 36000.000 s, 1.000 s could be decoded"


@pytest.mark.parametrize("unknown", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_header_written_to_a_pipe_claims_nothing(tmp_path: Path, unknown: int) -> None:
    recording, _ = decoded(write_claiming(tmp_path / "x.wav", a_tone(), unknown))
    assert (recording.duration_ms, recording.shortfalls) == (1000, ())


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "m4a", "tta"])
def test_of_a_truncated_file_the_beginning_is_kept_and_the_rest_is_reported(tmp_path: Path, suffix: str) -> None:
    path = EXACT_FORMATS[suffix](tmp_path / f"x.{suffix}", noise(10.0, 48_000), 48_000)
    if suffix == "m4a":
        path = encode(tmp_path / "y.mp4", noise(10.0, 48_000), 48_000, "aac")
        _move_index_to_the_front(path)
    whole = decoded(path)[1]
    recording, samples = decoded(cut_off(path))
    assert 4000 < recording.duration_ms < 6000
    (shortfall,) = recording.shortfalls
    assert shortfall.reason == "truncated"
    assert shortfall.span is not None
    assert shortfall.span.start_ms == recording.duration_ms
    assert shortfall.span.end_ms == pytest.approx(10_000, abs=1)
    same = len(samples) - 1000
    assert samples[:same] == pytest.approx(whole[:same], abs=1e-4)


def _move_index_to_the_front(path: Path) -> None:
    import av

    with (
        av.open(str(path)) as source,
        av.open(str(path.with_suffix(".tmp")), "w", format="mp4", options={"movflags": "faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    path.with_suffix(".tmp").replace(path)


def test_a_container_without_its_index_is_undecodable(tmp_path: Path) -> None:
    path = cut_off(encode(tmp_path / "x.m4a", noise(5.0), 16_000, "aac"))
    assert rejection(path).reason == "undecodable"


def test_damage_in_the_middle_costs_a_little_and_is_reported(tmp_path: Path) -> None:
    recording, _ = decoded(spoil(encode(tmp_path / "x.mp3", noise(10.0, 48_000), 48_000, "mp3"), count=4000))
    assert recording.duration_ms > 9000
    assert [shortfall.reason in ("damaged", "truncated") for shortfall in recording.shortfalls] == [True]


def test_damage_in_a_flac_is_silence_in_its_place(tmp_path: Path) -> None:
    sound = noise(10.0, 48_000)
    whole = decoded(write(tmp_path / "x.flac", sound, 48_000))[1]
    recording, samples = decoded(spoil(write(tmp_path / "x.flac", sound, 48_000), count=4000))
    (shortfall,) = recording.shortfalls
    assert shortfall.reason == "gap"
    assert shortfall.span is not None
    assert (recording.duration_ms, len(samples)) == (10_000, len(whole))
    lost = slice(16 * shortfall.span.start_ms - 100, 16 * shortfall.span.end_ms + 100)
    assert samples[: lost.start] == pytest.approx(whole[: lost.start], abs=1e-4)
    assert samples[lost.stop :] == pytest.approx(whole[lost.stop :], abs=1e-4)
    assert np.abs(samples[lost][200:-200]).max() == 0


def test_what_lies_beyond_the_longest_recording_is_left_out_and_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "x.flac", a_tone(10.0))
    recording, samples = decoded(path, max_recording_ms=4000)
    assert (recording.duration_ms, len(samples)) == (4000, 64_000)
    (shortfall,) = recording.shortfalls
    assert (shortfall.reason, shortfall.span) == ("too_long", TimeSpan(4000, 10_000))
    assert not decoded(path, max_recording_ms=10_000)[0].shortfalls


def test_more_channels_than_anyone_has_are_refused(tmp_path: Path) -> None:
    assert rejection(write(tmp_path / "x.wav", silence(0.2, channels=65))).reason == "unsupported_channels"


@pytest.mark.parametrize("rate_hz", [999, 768_001])
def test_rates_that_no_sound_has_are_refused(tmp_path: Path, rate_hz: int) -> None:
    assert rejection(write(tmp_path / "x.wav", silence(0.5, rate_hz), rate_hz)).reason == "unsupported_rate"


def open_descriptors() -> set[str]:
    """Empty on systems that do not list them in a folder."""
    folder = Path("/dev/fd")
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_no_temporary_file_or_descriptor_is_left(tmp_path: Path) -> None:
    good = write(tmp_path / "x.flac", a_tone())
    bad = write(tmp_path / "y.wav", np.full((1, 8000), np.nan, np.float32), subtype="FLOAT")
    before = open_descriptors()
    decoded(good)
    rejection(bad)
    rejection(write(tmp_path / "z.wav", silence(0.0)))
    assert open_descriptors() == before


@pytest.mark.parametrize("suffix", ["flac", "mp3"])
def test_memory_does_not_grow_with_the_length(tmp_path: Path, suffix: str) -> None:
    def peak(seconds: float) -> int:
        path = EXACT_FORMATS[suffix](tmp_path / f"x{seconds}.{suffix}", noise(seconds), 16_000)
        tracemalloc.start()
        try:
            with decode_recording(path, DecodeConfig()):
                return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # From 100 s on the long-term spectrum is thinned out instead of growing.
    assert peak(600.0) < 1.1 * peak(150.0)


def test_an_error_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(DecodeError("too_short", "3 ms")))
    assert (error.reason, error.detail, str(error)) == ("too_short", "3 ms", "3 ms")
