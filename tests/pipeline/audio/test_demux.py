"""Nothing in a recording makes the decoder open anything else."""

from __future__ import annotations

import os
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.audio.decode import DecodeConfig, decode_recording, read_intervals
from soundseam.pipeline.audio.demux import DEMUXERS, open_demuxed
from soundseam.pipeline.audio.stream import DecodeError
from soundseam.pipeline.audio.wav import open_wav
from soundseam.schemas.recording import Downmix
from soundseam.schemas.timespan import TimeSpan
from tests.support.recordings import EXACT_FORMATS, a_tone, encode, noise, write


class Trap:
    """A named pipe that notices when somebody opens it to read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sprung = False
        self._over = threading.Event()
        os.mkfifo(path)
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.is_set():
            try:
                # Succeeds only while the other end is open, and lets it go on.
                os.close(os.open(self.path, os.O_WRONLY | os.O_NONBLOCK))
                self.sprung = True
            except OSError:
                pass  # ENXIO: nobody reads
            time.sleep(0.002)

    def close(self) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture
def trap(tmp_path: Path) -> Iterator[Trap]:
    trap = Trap(tmp_path / "trap.ts")
    yield trap
    trap.close()


def an_hls_playlist(path: Path, target: Path) -> Path:
    path.write_text(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n" + f"file://{target}\n#EXT-X-ENDLIST\n"
    )
    return path


def a_concat_script(path: Path, target: Path) -> Path:
    path.write_text(f"ffconcat version 1.0\nfile '{target}'\n")
    return path


def an_sdp_session(path: Path, target: Path) -> Path:
    path.write_text("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n")
    return path


def a_dash_manifest(path: Path, target: Path) -> Path:
    path.write_text(
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT9S">'
        '<Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1">'
        f"<BaseURL>file://{target}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    )
    return path


def a_movie_with_its_samples_elsewhere(path: Path, target: Path) -> Path:
    """A QuickTime movie whose data reference is an alias record with an absolute path."""
    encode(path, a_tone(1.0, 48_000), 48_000, "pcm_s16le", "mov")
    data = path.read_bytes()
    name = str(target).encode()
    # 150 bytes of volume and file names, then tagged values: 2 is the absolute path, -1 the end.
    alias = bytes(150) + struct.pack(">hH", 2, len(name)) + name + bytes(len(name) % 2) + struct.pack(">hH", -1, 0)
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    at = data.index(b"dref") - 4
    size = struct.unpack(">I", data[at : at + 4])[0]
    box = struct.pack(">I4sII", 16 + len(entry), b"dref", 0, 1) + entry
    grown = bytearray(data[:at] + box + data[at + size :])
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        begin = grown.index(parent) - 4
        old = struct.unpack(">I", grown[begin : begin + 4])[0]
        grown[begin : begin + 4] = struct.pack(">I", old + len(box) - size)
    path.write_bytes(bytes(grown))
    return path


HOSTILE = {
    "x.m3u8": an_hls_playlist,
    "x.ffconcat": a_concat_script,
    "x.sdp": an_sdp_session,
    "x.mpd": a_dash_manifest,
    "x.mov": a_movie_with_its_samples_elsewhere,
}


@pytest.mark.parametrize("suffix", ["own", "wav", "mp3"])
@pytest.mark.parametrize("name", ["x.m3u8", "x.ffconcat", "x.sdp", "x.mpd"])
def test_a_playlist_is_no_audio_and_opens_nothing(tmp_path: Path, trap: Trap, name: str, suffix: str) -> None:
    path = HOSTILE[name](tmp_path / name, trap.path)
    if suffix != "own":
        path = path.rename(tmp_path / f"x.{suffix}")
    with pytest.raises(DecodeError) as caught, decode_recording(path, DecodeConfig()):
        pass
    assert caught.value.reason == "not_audio"
    assert not trap.sprung


def test_a_movie_that_points_elsewhere_opens_nothing(tmp_path: Path, trap: Trap) -> None:
    path = a_movie_with_its_samples_elsewhere(tmp_path / "x.mov", trap.path)
    with pytest.raises(DecodeError) as caught, decode_recording(path, DecodeConfig()):
        pass
    assert caught.value.reason == "no_samples"
    assert not trap.sprung


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("x.m3u8", {"allowed_extensions": "ALL"}),
        ("x.ffconcat", {"safe": "0"}),
        ("x.mov", {"enable_drefs": "1", "use_absolute_path": "1"}),
    ],
)
def test_the_same_files_do_point_elsewhere_for_a_player_without_limits(
    tmp_path: Path, trap: Trap, name: str, options: dict[str, str]
) -> None:
    path = HOSTILE[name](tmp_path / name, trap.path)
    try:
        with av.open(str(path), options=options) as container:
            list(container.decode(audio=0))
    except (av.error.FFmpegError, IndexError):
        pass
    assert trap.sprung


@pytest.mark.parametrize(
    "demuxer", ["hls", "concat", "dash", "sdp", "rtsp", "image2", "webm_dash_manifest", "imf", "srt"]
)
def test_no_demuxer_of_playlists_or_the_network_is_allowed(demuxer: str) -> None:
    assert demuxer not in DEMUXERS.split(",")


def test_every_allowed_demuxer_is_there() -> None:
    missing = []
    for name in DEMUXERS.split(","):
        try:
            assert av.format.ContainerFormat(name, "r").is_input
        except ValueError:
            missing.append(name)
    assert not missing


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
def test_both_readers_give_the_same_samples_of_a_wav(tmp_path: Path, subtype: str) -> None:
    path = write(tmp_path / "x.wav", noise(9.0, 44_100, channels=3), 44_100, subtype)
    with open_wav(path) as fast, open_demuxed(path) as slow:
        assert fast.format == slow.format
        assert fast.claimed_frames == slow.claimed_frames
        for one, other in zip(fast.blocks(), slow.blocks(), strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_a_flac_gives_the_samples_that_were_put_in(tmp_path: Path, subtype: str) -> None:
    path = write(tmp_path / "x.flac", noise(9.0, 44_100, channels=2), 44_100, subtype)
    with open_demuxed(path) as reader:
        samples = np.concatenate(list(reader.blocks()), axis=1)
    assert np.array_equal(samples, soundfile.read(path, dtype="float32")[0].T)


@pytest.mark.parametrize("suffix", sorted(EXACT_FORMATS))
def test_blocks_are_whole_hops_until_the_last(tmp_path: Path, suffix: str) -> None:
    path = EXACT_FORMATS[suffix](tmp_path / f"x.{suffix}", noise(9.0, 48_000), 48_000)
    with open_demuxed(path) as reader:
        sizes = [block.shape for block in reader.blocks()]
    assert sizes[:-1] == [(1, 192_000), (1, 192_000)]
    assert 0 < sizes[-1][1] <= 192_000


def test_a_stream_that_a_container_announces_late_is_passed_over(tmp_path: Path) -> None:
    # Longer than the 90 s that FFmpeg looks through before it begins.
    path = encode(tmp_path / "x.flv", noise(150.0, 16_000), 16_000, "aac")
    with decode_recording(path, DecodeConfig()) as recording:
        whole_ms = recording.duration_ms
    data = path.read_bytes()
    # Behind the header come tags of 11 bytes, their payload and 4 bytes of length: a video tag goes between two.
    at = 13
    while at < 0.9 * len(data):
        at += 11 + int.from_bytes(data[at + 1 : at + 4]) + 4
    path.write_bytes(data[:at] + bytes([9, 0, 0, 5, *[0] * 7, 0x12, 0, 0, 0, 0, 0, 0, 0, 16]) + data[at:])
    with decode_recording(path, DecodeConfig()) as recording:
        assert recording.duration_ms == whole_ms


def test_a_damaged_size_that_no_file_can_have_is_no_crash(tmp_path: Path) -> None:
    path = write(tmp_path / "x.caf", noise(1.0), subtype="PCM_16")
    data = path.read_bytes()
    at = data.index(b"free")
    path.write_bytes(data[: at + 4] + struct.pack(">q", 2**56) + data[at + 12 :])
    with pytest.raises(DecodeError), decode_recording(path, DecodeConfig()):
        pass


@given(
    st.sampled_from(["wav", "flac", "mp3", "m4a", "mka", "opus", "w64", "caf", "aiff"]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255), st.booleans()), max_size=30),
    st.floats(0.05, 1),
)
def test_whatever_the_bytes_there_is_a_recording_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, changes: list[tuple[float, int, bool]], share: float
) -> None:
    path = tmp_path_factory.mktemp("any") / f"x.{suffix}"
    data = bytearray(_whole_file(suffix))
    for place, value, in_header in changes:
        data[int(place * (min(400, len(data)) - 1 if in_header else len(data) - 1))] = value
    path.write_bytes(data[: int(share * len(data))])
    try:
        with decode_recording(path, DecodeConfig()) as recording:
            assert recording.duration_ms >= 100
            list(read_intervals(path, [TimeSpan(0, 100)], 8000, False, Downmix.MEAN))
    except DecodeError:
        pass


@cache
def _whole_file(suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return EXACT_FORMATS[suffix](Path(folder) / f"x.{suffix}", noise(1.0, 48_000, channels=2), 48_000).read_bytes()
