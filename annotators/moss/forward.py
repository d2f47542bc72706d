"""The forward pass of one MOSS-Audio checkpoint: next-token log-probabilities, with audio in the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import Samples
from soundseam.annotators.moss.checkpoint import MossConfig, Weights, read_config
from soundseam.annotators.moss.model import Decoder, Encoder, Layers, log_mel

if TYPE_CHECKING:
    from torch import Tensor

_ROWS = 64
"""Number of positions whose logits are in memory at a time: for a vocabulary of 150,000 a row is 0.6 MB."""


@dataclass(frozen=True, eq=False)
class DecoderInput:
    """A clip as input of the decoder: one vector per 80 ms in place of embeddings, and those to inject."""

    embeddings: Tensor
    """(num_tokens, hidden_size)."""
    injected: tuple[Tensor, ...]
    """DeepStack's, of the same shape, for the decoder's first layers."""

    @property
    def num_tokens(self) -> int:
        return int(self.embeddings.shape[0])


class MossAudio:
    """A loaded checkpoint. Computes in float32, whatever the format of its weights."""

    def __init__(self, config: MossConfig, weights: Weights) -> None:
        self.config = config
        self._layers = Layers(weights)
        self._encoder = Encoder(config.audio_config, self._layers)
        self._decoder = Decoder(config.language_config, self._layers)
        self._device = weights.device

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> MossAudio:
        """Raises CheckpointError, with the remedy, if `folder` has no checkpoint that can be read here."""
        return cls(read_config(folder), Weights(folder, device))

    def encode(self, samples: Samples, chunked: bool = True) -> DecoderInput:
        """16 kHz mono `samples` (num_samples,): in chunks of 4 s as vLLM does, or as a whole as the reference does."""
        import torch

        mel = torch.from_numpy(log_mel(samples, self.config.audio_config.num_mel_bins)).to(self._device)
        taps = self.config.deepstack_layers
        with torch.inference_mode():
            *tapped, last = self._encoder.encode(mel, taps, chunked)
            injected = [
                self._layers.gated(f"deepstack_audio_merger_list.{index}", output)
                for index, output in enumerate(tapped)
            ]
            return DecoderInput(self._layers.gated("audio_adapter", last), tuple(injected))

    def next_log_probabilities(
        self, token_ids: Sequence[int], clips: Sequence[DecoderInput] = (), deepstack: bool = True
    ) -> NDArray[np.float32]:
        """Natural log-probabilities (vocab_size,) of the token after `token_ids`.

        The audio tokens among them represent `clips`, in order; without `deepstack` nothing is injected, as in a server
        that has lost it. Raises ValueError if audio tokens and clips do not match.
        """
        import torch

        with torch.inference_mode():
            states = self._read(token_ids, clips, deepstack)
            answer: NDArray[np.float32] = self._decoder.logits(states[-1]).log_softmax(-1).cpu().numpy()
        return answer

    def prompt_log_probabilities(
        self, token_ids: Sequence[int], clips: Sequence[DecoderInput] = (), deepstack: bool = True
    ) -> NDArray[np.float32]:
        """Natural log-probabilities (num_token_ids - 1,) of each token except the first, given those before it."""
        import torch

        with torch.inference_mode():
            states = self._read(token_ids, clips, deepstack)[:-1]
            said = torch.tensor(token_ids[1:], device=self._device)[:, None]
            rows = [
                self._decoder.logits(states[start : start + _ROWS])
                .log_softmax(-1)
                .gather(1, said[start : start + _ROWS])
                for start in range(0, len(states), _ROWS)
            ]
            answer: NDArray[np.float32] = torch.cat(rows)[:, 0].cpu().numpy()
        return answer

    def _read(self, token_ids: Sequence[int], clips: Sequence[DecoderInput], deepstack: bool) -> Tensor:
        import torch

        ids = torch.tensor(token_ids, device=self._device)
        is_audio = ids == self.config.tokens.audio_token_id
        wanted, given = int(is_audio.sum()), sum(clip.num_tokens for clip in clips)
        if wanted != given:
            raise ValueError(f"{wanted} audio tokens in the prompt, {given} in the clips")
        x = self._decoder.embed(ids.where(~is_audio, 0))
        if not clips:
            return self._decoder.read(x, ())
        x[is_audio] = torch.cat([clip.embeddings for clip in clips])
        injected = []
        for parts in zip(*(clip.injected for clip in clips), strict=True) if deepstack else ():
            injected.append(torch.zeros_like(x))
            injected[-1][is_audio] = torch.cat(parts)
        return self._decoder.read(x, injected)
