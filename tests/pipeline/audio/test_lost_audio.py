"""What other programs play is read to its end, at its own time and level, or a row says what is missing."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from soundseam.pipeline.audio.decode import DecodeConfig, Decoded, DecodeError, decode_recording, read_intervals
from soundseam.pipeline.audio.file_view import Extent
from soundseam.pipeline.audio.wav_header import read_wav_header
from soundseam.schemas.recording import Downmix
from soundseam.schemas.timespan import TimeSpan
from tests.support.recordings import Sound, a_tone, encode, noise, wav_header, write


def decoded(path: Path) -> tuple[Decoded, Sound]:
    with decode_recording(path, DecodeConfig()) as recording:
        return recording, recording.waveform.read(0, recording.waveform.num_samples)


def pitch_hz(samples: Sound) -> float:
    """The strongest frequency of a second of 16 kHz `samples`."""
    return float(np.argmax(np.abs(np.fft.rfft(samples[:16_000]))))


def a_part(tmp_path: Path, kind: str, hz: float, rate_hz: int, channels: int) -> bytes:
    """Two seconds of a tone."""
    sound = np.repeat(a_tone(2.0, rate_hz, hz), channels, axis=0)
    path = tmp_path / f"{hz}.{kind}"
    if kind in ("ogg", "flac"):
        return write(path, sound, rate_hz, "VORBIS" if kind == "ogg" else None).read_bytes()
    codec, container = {
        "mp3": ("mp3", None),
        "aac": ("aac", "adts"),
        "ac3": ("ac3", None),
        "mp2": ("mp2", None),
        "opus": ("libopus", "ogg"),
        "oga": ("flac", "ogg"),
        "ts": ("mp2", "mpegts"),
    }[kind]
    return encode(path, sound, rate_hz, codec, container).read_bytes()


CHANGES = [
    *[("mp3", (44_100, 2), (44_100, 1)), ("mp3", (44_100, 1), (48_000, 2)), ("aac", (48_000, 1), (44_100, 2))],
    *[("ac3", (48_000, 2), (48_000, 1)), ("mp2", (32_000, 1), (48_000, 2)), ("ts", (48_000, 2), (44_100, 1))],
    *[("ogg", (44_100, 2), (48_000, 1)), ("opus", (48_000, 1), (48_000, 2)), ("oga", (16_000, 1), (48_000, 2))],
    *[("flac", (16_000, 1), (16_000, 1)), ("flac", (16_000, 1), (48_000, 2)), ("ogg", (44_100, 1), (44_100, 1))],
]


@pytest.mark.parametrize(("kind", "first", "second"), CHANGES)
def test_a_stream_that_changes_midway_is_read_to_its_end(
    tmp_path: Path, kind: str, first: tuple[int, int], second: tuple[int, int]
) -> None:
    path = tmp_path / f"x.{kind}"
    path.write_bytes(a_part(tmp_path, kind, 440.0, *first) + a_part(tmp_path, kind, 6000.0, *second))
    recording, samples = decoded(path)
    assert recording.duration_ms == pytest.approx(4000, abs=170)
    assert (recording.sample_rate_hz, recording.channels) == tuple(map(max, zip(first, second, strict=True)))
    assert (pitch_hz(samples[8000:24_000]), pitch_hz(samples[40_000:56_000])) == (440, 6000)
    assert np.abs(samples[8000:24_000]).max() == pytest.approx(0.3, rel=0.2)
    assert np.abs(samples[40_000:56_000]).max() == pytest.approx(0.3, rel=0.2)


def test_intervals_of_a_changing_stream_are_those_of_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "x.mp3"
    path.write_bytes(a_part(tmp_path, "mp3", 440.0, 22_050, 1) + a_part(tmp_path, "mp3", 6000.0, 48_000, 2))
    _, whole = decoded(path)
    spans = [TimeSpan(500, 1500), TimeSpan(1800, 2400), TimeSpan(3000, 3500)]
    for mono in (True, False):
        parts = list(read_intervals(path, spans, 16_000, mono, Downmix.MEAN))
        for span, part in zip(spans, parts, strict=True):
            mean = part if mono else part.mean(axis=0)
            assert mean == pytest.approx(whole[16 * span.start_ms : 16 * span.end_ms], abs=2e-3)


def test_what_a_flac_holds_counts_and_not_what_it_claims(tmp_path: Path) -> None:
    path = write(tmp_path / "x.flac", noise(3.0))
    whole = path.read_bytes()
    for claimed in (0, 1, 24_000):
        data = bytearray(whole)
        data[21] = data[21] & 0xF0
        data[22:26] = claimed.to_bytes(4)
        path.write_bytes(bytes(data))
        recording, _ = decoded(path)
        assert (recording.duration_ms, recording.shortfalls) == (3000, ())


def a_matroska_with_a_gap(path: Path, gap_ms: int) -> Path:
    """Four seconds of Opus, of which the second half comes `gap_ms` late."""
    with av.open(str(path), "w", format="matroska") as output:
        stream = output.add_stream("libopus", rate=48_000, layout="mono")
        sound = a_tone(4.0, 48_000)
        for start in range(0, sound.shape[1], 960):
            part = np.ascontiguousarray(sound[:, start : start + 960])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48_000, start
            for packet in stream.encode(frame):
                _mux_late(output, packet, gap_ms)
        for packet in stream.encode(None):
            _mux_late(output, packet, gap_ms)
    return path


def _mux_late(output: av.container.OutputContainer, packet: av.Packet, gap_ms: int) -> None:
    if packet.pts is not None and float(packet.pts * packet.time_base) >= 2.0:
        packet.pts += round(gap_ms / 1000 / packet.time_base)
        packet.dts = packet.pts
    output.mux(packet)


@pytest.mark.parametrize("gap_ms", [100, 12_000])
def test_a_gap_between_timestamps_is_silence_and_reported_where_it_is(tmp_path: Path, gap_ms: int) -> None:
    recording, samples = decoded(a_matroska_with_a_gap(tmp_path / "x.mka", gap_ms))
    assert recording.duration_ms == pytest.approx(4000 + gap_ms, abs=25)
    (shortfall,) = recording.shortfalls
    assert shortfall.reason == "gap"
    assert shortfall.span is not None
    assert shortfall.span.start_ms == pytest.approx(2000, abs=25)
    assert shortfall.span.duration_ms == pytest.approx(gap_ms, abs=2)
    lost = samples[16 * shortfall.span.start_ms + 200 : 16 * shortfall.span.end_ms - 200]
    assert np.abs(lost).max() < 1e-3
    assert pitch_hz(samples[16 * shortfall.span.end_ms + 1600 :]) == 440


def test_a_fragmented_movie_without_its_middle_keeps_the_time_of_its_end(tmp_path: Path) -> None:
    sound = np.concatenate([a_tone(5.0, 48_000), a_tone(5.0, 48_000, hz=2000)], axis=1)
    path = tmp_path / "x.mp4"
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "500000"}
    with av.open(str(path), "w", options=options) as output:
        stream = output.add_stream("aac", rate=48_000, layout="mono")
        for start in range(0, sound.shape[1], 1024):
            part = np.ascontiguousarray(sound[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48_000, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    data = path.read_bytes()
    starts = [at - 4 for at in range(len(data)) if data[at : at + 4] == b"moof"]
    fragments = [data[begin:end] for begin, end in pairwise([*starts, len(data)])]
    path.write_bytes(data[: starts[0]] + b"".join(fragments[:4] + fragments[-6:]))
    recording, samples = decoded(path)
    assert recording.duration_ms == pytest.approx(10_000, abs=50)
    assert [shortfall.reason for shortfall in recording.shortfalls] == ["gap"]
    assert pitch_hz(samples[8 * 16_000 :]) == 2000


def test_pauses_of_a_telephone_codec_last_as_long_as_they_did(tmp_path: Path) -> None:
    # Frames of 12.2 kbit/s, one with comfort noise, frames without data (3GPP TS 26.101, octet-aligned).
    speech = [bytes([0x3C]) + np.random.default_rng(number).bytes(31) for number in range(50)]
    pause = [bytes([0x44, *[0] * 5]), *[bytes([0x7C])] * 149]
    path = tmp_path / "x.amr"
    path.write_bytes(b"#!AMR\n" + b"".join(pause[1:11] + speech + pause + speech))
    recording, samples = decoded(path)
    assert recording.duration_ms == 10 * 20 + 5000
    assert recording.shortfalls == ()
    assert np.abs(samples[16 * 1300 : 16 * 4100]).max() == 0
    assert np.abs(samples[16 * 4300 :]).max() > 0.01


def a_wav(path: Path, sound: Sound, claimed: int | None = None, *, before: bytes = b"", after: bytes = b"") -> Path:
    """A 16-bit WAV of one channel at 16 kHz."""
    pcm = (sound[0] * 32767).astype("<i2").tobytes()
    path.write_bytes(before + wav_header(len(pcm) if claimed is None else claimed) + pcm + after)
    return path


def a_chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def test_a_recorder_that_did_not_finish_its_header_loses_nothing(tmp_path: Path) -> None:
    recording, samples = decoded(a_wav(tmp_path / "x.wav", noise(3.0), 32_000))
    assert (recording.duration_ms, recording.shortfalls) == (3000, ())
    assert samples == pytest.approx(noise(3.0)[0], abs=1e-4)


@pytest.mark.parametrize(
    "after",
    [
        a_chunk(b"LIST", b"INFOISFT\x06\0\0\0Lavf60"),
        a_chunk(b"id3 ", b"ID3" + bytes(999)) + a_chunk(b"bext", bytes(10_000)),
        b"TAG" + bytes(125),
        b"APETAGEX" + bytes(20_000),
        bytes(100_000),
    ],
)
def test_what_follows_the_samples_as_a_chunk_or_a_tag_is_no_audio(tmp_path: Path, after: bytes) -> None:
    recording, _ = decoded(a_wav(tmp_path / "x.wav", noise(1.0), after=after))
    assert (recording.duration_ms, recording.shortfalls) == (1000, ())


def test_a_second_chunk_of_samples_is_read_too(tmp_path: Path) -> None:
    more = a_chunk(b"data", (a_tone(1.0)[0] * 32767).astype("<i2").tobytes())
    recording, samples = decoded(a_wav(tmp_path / "x.wav", noise(1.0), after=a_chunk(b"LIST", b"INFO") + more))
    assert recording.duration_ms == 2000
    assert pitch_hz(samples[16_000:]) == 440


def test_a_wav_joined_to_another_is_read_if_it_fits_and_else_reported(tmp_path: Path) -> None:
    alike = a_wav(tmp_path / "a.wav", a_tone(1.0)).read_bytes()
    recording, _ = decoded(a_wav(tmp_path / "x.wav", noise(1.0), after=alike))
    assert (recording.duration_ms, recording.shortfalls) == (2000, ())
    other = write(tmp_path / "b.wav", a_tone(1.0, 44_100), 44_100).read_bytes()
    recording, _ = decoded(a_wav(tmp_path / "x.wav", noise(1.0), after=other))
    assert recording.duration_ms == 1000
    assert [shortfall.reason for shortfall in recording.shortfalls] == ["damaged"]


@pytest.mark.parametrize("trailer", [b"", a_chunk(b"LIST", b"INFO")])
def test_a_size_that_wrapped_at_four_gigabytes_is_seen_through(tmp_path: Path, trailer: bytes) -> None:
    # A sparse file: nothing of it is read but the ends.
    path = tmp_path / "x.wav"
    size = 2**32 + 3_200_000
    with path.open("wb") as file:
        file.write(wav_header(size % 2**32) + b"\1\2" * 100_000)
        file.seek(44 + size - 2)
        file.write(b"\1\2" + trailer)
    with path.open("rb") as file:
        assert read_wav_header(file).extents == [Extent(44, 44 + size)]


def test_a_size_that_counts_the_header_is_no_loss(tmp_path: Path) -> None:
    assert decoded(a_wav(tmp_path / "x.wav", noise(1.0), 32_000 + 44))[0].shortfalls == ()
    assert decoded(a_wav(tmp_path / "x.wav", noise(1.0), 32_000 + 400))[0].shortfalls != ()


def test_a_chunk_that_claims_too_much_does_not_hide_the_samples(tmp_path: Path) -> None:
    whole = a_wav(tmp_path / "x.wav", a_tone(1.0)).read_bytes()
    (tmp_path / "x.wav").write_bytes(whole[:36] + b"LIST\xff\xff\xff\x7fINFO" + whole[36:])
    assert decoded(tmp_path / "x.wav")[0].duration_ms == 1000
    (tmp_path / "x.wav").write_bytes(whole[:16] + b"\xff\xff\xff\x7f" + whole[20:])
    assert decoded(tmp_path / "x.wav")[0].duration_ms == 1000


def test_many_empty_chunks_do_not_hide_the_samples(tmp_path: Path) -> None:
    whole = a_wav(tmp_path / "x.wav", a_tone(1.0)).read_bytes()
    (tmp_path / "x.wav").write_bytes(whole[:36] + b"JUNK\0\0\0\0" * 20_000 + whole[36:])
    assert decoded(tmp_path / "x.wav")[0].duration_ms == 1000


@pytest.mark.parametrize("tags", [1, 2])
@pytest.mark.parametrize("subtype", ["PCM_16", "IMA_ADPCM"])
def test_tags_before_a_wav_are_passed_over(tmp_path: Path, subtype: str, tags: int) -> None:
    path = write(tmp_path / "x.wav", a_tone(2.0), subtype=subtype)
    whole, expected = path.read_bytes(), decoded(path)[1]
    path.write_bytes((b"ID3\3\0\0\0\0\1\x14" + bytes(148)) * tags + whole)
    assert np.array_equal(decoded(path)[1], expected)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
def test_a_wav_in_big_endian_order_gives_the_same_sound(tmp_path: Path, subtype: str) -> None:
    little = write(tmp_path / "x.wav", a_tone(2.0), subtype=subtype)
    soundfile.write(tmp_path / "y.wav", a_tone(2.0).T, 16_000, subtype, endian="BIG")
    assert (tmp_path / "y.wav").read_bytes()[:4] == b"RIFX"
    assert np.array_equal(decoded(tmp_path / "y.wav")[1], decoded(little)[1])


@pytest.mark.parametrize("bits", [15, 23, 31])
def test_floats_in_the_range_of_integers_are_brought_to_full_scale(tmp_path: Path, bits: int) -> None:
    sound = noise(2.0) * np.linspace(0, 1, 32_000, dtype=np.float32)
    recording, samples = decoded(write(tmp_path / "x.wav", sound * np.float32(2.0**bits), subtype="FLOAT"))
    assert samples == pytest.approx(sound[0], abs=1e-4)
    assert recording.quality.peak_dbfs == pytest.approx(20 * np.log10(np.abs(sound).max()), abs=0.01)


@pytest.mark.parametrize("container", ["wav", "au", "caf", "aiff", "w64"])
def test_a_mix_over_full_scale_is_turned_down_and_not_clipped(tmp_path: Path, container: str) -> None:
    sound = a_tone(1.0, gain=1.34)
    path = write(tmp_path / f"x.{container}", sound, subtype="FLOAT")
    recording, samples = decoded(path)
    assert samples == pytest.approx(sound[0] / np.abs(sound).max(), abs=1e-4)
    assert recording.quality.clipping_share < 1e-3
    (part,) = read_intervals(path, [TimeSpan(100, 900)], 16_000, True, Downmix.NONE)
    assert part == pytest.approx(samples[1600:14_400], abs=1e-4)


def test_a_single_sample_far_beyond_full_scale_leaves_the_rest_as_it_is(tmp_path: Path) -> None:
    sound = a_tone(1.0)
    sound[0, 500] = 300.0
    _, samples = decoded(write(tmp_path / "x.wav", sound, subtype="FLOAT"))
    assert samples[1000:] == pytest.approx(a_tone(1.0)[0, 1000:], abs=1e-4)


@pytest.mark.parametrize("bad", [1e20, -1e30, 3e38])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_sample_beyond_all_range_is_rejected(tmp_path: Path, channels: int, bad: float) -> None:
    sound = noise(2.0, channels=channels)
    sound[0, 100] = bad
    with pytest.raises(DecodeError) as caught:
        decoded(write(tmp_path / "x.wav", sound, subtype="FLOAT"))
    assert caught.value.reason == "out_of_range"


def test_numbers_too_large_for_a_sample_are_not_finite(tmp_path: Path) -> None:
    sound = noise(2.0).astype(np.float64)
    sound[0, 100] = 1e300
    with pytest.raises(DecodeError) as caught:
        decoded(write(tmp_path / "x.wav", sound, subtype="DOUBLE"))
    assert caught.value.reason == "non_finite_samples"
