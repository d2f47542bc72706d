"""The small network that tells speech, music and other sound, on a stream of features."""

from __future__ import annotations

import numpy as np

from annotators.detection.features import FLOOR_REACH, MELS, contrast
from annotators.detection.session import Floats, Session

EVENT_NET_FILE = "event_net.onnx"
EVENT_NET_SHA256 = "13f1b74e54b179213d6eaeea3ae9c1815bdbe788d994f878e6a7b4bc2917b23c"

CLASS_COUNT = 3
"""Speech, music, other sound."""
ALIGNMENT = 4
"""The network pools by this many frames: whatever it is given begins at a multiple of it."""
REACH_FRAMES = 276
"""An output depends on no frame further away than this (training/model.py), rounded up to the alignment."""
CHUNK_FRAMES = 4096
"""131 s: frames that one call of the network decides."""

_FLOOR_FRAMES = -(-FLOOR_REACH // 2)
_MARGIN = REACH_FRAMES + _FLOOR_FRAMES
_EMPTY = np.zeros((0, CLASS_COUNT), dtype=np.float32)


class EventNetStream:
    """The network on one stream: each call sees so much before and after its chunk that chunks leave no trace."""

    def __init__(self, session: Session, chunk_frames: int = CHUNK_FRAMES) -> None:
        self._session = session
        self._chunk = chunk_frames
        self._mel = np.zeros((0, MELS), dtype=np.float32)
        self._speech = np.zeros(0, dtype=np.float32)
        self._first = 0
        """Frame of the stream that the held features begin with."""
        self._decided = 0

    def push(self, mel: Floats, speech: Floats) -> Floats:
        """Scores (num_frames, CLASS_COUNT) that can be decided now.

        Takes log-mel (num_half_frames, MELS), two frames for each of Silero's probabilities (num_frames,); either may
        run ahead of the other.
        """
        self._mel = np.concatenate((self._mel, mel))
        self._speech = np.concatenate((self._speech, speech))
        scores = []
        while self._held_end() >= self._decided + self._chunk + _MARGIN:
            scores.append(self._decide(self._decided + self._chunk))
        return np.concatenate([_EMPTY, *scores])

    def finish(self) -> Floats:
        """Scores of the frames that are left."""
        left = self._held_end() - self._decided
        return self._decide(self._held_end()) if left > 0 else _EMPTY

    def _held_end(self) -> int:
        return self._first + min(len(self._mel) // 2, len(self._speech))

    def _decide(self, stop: int) -> Floats:
        """Scores of the frames from the first undecided one to `stop`; forgets what no later frame depends on."""
        end = min(self._held_end(), stop + REACH_FRAMES)
        begin = max(0, self._decided - REACH_FRAMES)
        floor_begin, floor_end = max(0, begin - _FLOOR_FRAMES), min(self._held_end(), end + _FLOOR_FRAMES)
        mel = self._mel[2 * (floor_begin - self._first) : 2 * (floor_end - self._first)]
        both = np.stack((mel, contrast(mel)))[:, 2 * (begin - floor_begin) : 2 * (end - floor_begin)]
        speech = self._speech[begin - self._first : end - self._first]
        missing = -(end - begin) % ALIGNMENT
        spectrum = np.pad(both, ((0, 0), (0, 2 * missing), (0, 0)), mode="edge")[None]
        inputs = {"spectrum": spectrum, "speech": np.pad(speech, (0, missing))[None]}
        scores: Floats = self._session.run(None, inputs)[0][0].T[self._decided - begin : stop - begin]
        self._decided = stop
        keep = max(0, stop - _MARGIN)
        self._mel = self._mel[2 * (keep - self._first) :]
        self._speech = self._speech[keep - self._first :]
        self._first = keep
        return scores
