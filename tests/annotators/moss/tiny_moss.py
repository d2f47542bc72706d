"""A tiny MOSS-Audio with random weights, in the files that a real checkpoint has; and one loaded, to be asked.

Its fields, weights' names and layout are those of the published checkpoints, so that vLLM and the reference code open
it too. Like theirs, its tokenizer does not know the tokens around audio; its ids are small and said in
`processor_config.json`. It understands nothing, but what it hears and reads decides what it answers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from soundseam.annotators.base import Samples
from soundseam.annotators.moss.forward import DecoderInput, MossAudio
from soundseam.annotators.moss.model import audio_token_ids

AUDIO = "<|audio_bos|><|AUDIO|><|audio_eos|>"
"""Stands for a clip in a prompt's text."""
SYSTEM = "You are a helpful assistant."
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_pad|>", "<think>", "</think>")
_MERGES = ("y e", "ye s", "n o", "Y e", "Ye s", "N o", "Ġ yes", "Ġ no", "Ġ Yes", "Ġ No")
"""Joined as Qwen joins them: an answer of yes or no may begin with any of eight tokens, or with a single letter."""
_WORDS = tuple(merge.replace(" ", "") for merge in _MERGES)
_VOCABULARY = 320
END_ID = 256 + len(_WORDS) + _SPECIAL.index("<|im_end|>")
_AUDIO_ID = 256 + len(_WORDS) + _SPECIAL.index("<|vision_pad|>")
_START_ID, _STOP_ID = 310, 311

_WIDTH, _FEED, _LAYERS, _HEAD = 64, 96, 4, 32
_AUDIO_WIDTH, _AUDIO_FEED, _CHANNELS, _BETWEEN = 32, 48, 4, 48
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_checkpoint(folder: Path, seed: int = 0, dtype: str = "float32") -> Path:
    """Writes a checkpoint of some 150,000 weights into `folder`; equal seeds, equal bytes."""
    save_file = pytest.importorskip("safetensors.torch", reason="needs pip install 'soundseam[models]'").save_file
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "config.json", {**_config(), "dtype": dtype, "torch_dtype": dtype})
    _write_json(folder / "processor_config.json", _processor())
    _write_json(folder / "generation_config.json", {"eos_token_id": [END_ID], "do_sample": False})
    _write_tokenizer(folder)
    draw = np.random.default_rng(seed)
    tensors = {
        name: torch.from_numpy(_drawn(draw, name, shape)).to(getattr(torch, dtype)) for name, shape in _shapes().items()
    }
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    return folder


def _config() -> dict[str, object]:
    language = {
        "model_type": "qwen3",
        "vocab_size": _VOCABULARY,
        "hidden_size": _WIDTH,
        "intermediate_size": _FEED,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": _HEAD,
        "max_position_embeddings": 4096,
        "rope_theta": 1_000_000.0,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
        "eos_token_id": END_ID,
        "bos_token_id": None,
    }
    audio = {
        "d_model": _AUDIO_WIDTH,
        "output_dim": _AUDIO_WIDTH,
        "num_mel_bins": 128,
        "encoder_layers": _LAYERS,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": _AUDIO_FEED,
        "downsample_hidden_size": _CHANNELS,
        "deepstack_encoder_layer_indexes": [0, 1, 2],
    }
    return {
        "architectures": ["MossAudioModel"],
        "model_type": "moss_audio",
        "audio_config": audio,
        "language_config": language,
        "adapter_hidden_size": _BETWEEN,
        "deepstack_num_inject_layers": 3,
        "tie_word_embeddings": False,
        # As in the published checkpoints: whoever loads the class by this runs code of the checkpoint's.
        "auto_map": {"AutoConfig": "configuration_moss_audio.MossAudioConfig"},
    }


def _processor() -> dict[str, object]:
    return {
        "processor_class": "MossAudioProcessor",
        "audio_token_id": _AUDIO_ID,
        "audio_start_id": _START_ID,
        "audio_end_id": _STOP_ID,
    }


def _drawn(draw: np.random.Generator, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Scaled so that answers differ by a few units of log-probability and every part has a share in them."""
    values = draw.standard_normal(shape)
    if len(shape) == 1:
        return (0.1 * values + ("norm" in name and name.endswith("weight"))).astype(np.float32)
    gains = {"lm_head": 2.0, "language_model.embed_tokens": 8.0, "audio_adapter": 3.0, "deepstack": 0.5}
    gain = next((gain for part, gain in gains.items() if name.startswith(part)), 1.0)
    return (gain / np.sqrt(np.prod(shape[1:])) * values).astype(np.float32)


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "language_model.embed_tokens.weight": (_VOCABULARY, _WIDTH),
        "language_model.norm.weight": (_WIDTH,),
        "lm_head.weight": (_VOCABULARY, _WIDTH),
        "audio_encoder.stem_proj.weight": (_AUDIO_WIDTH, _CHANNELS * 16),
        "audio_encoder.stem_proj.bias": (_AUDIO_WIDTH,),
        "audio_encoder.layer_norm.weight": (_AUDIO_WIDTH,),
        "audio_encoder.layer_norm.bias": (_AUDIO_WIDTH,),
    }
    for number, channels in enumerate((1, _CHANNELS, _CHANNELS), start=1):
        shapes[f"audio_encoder.conv{number}.weight"] = (_CHANNELS, channels, 3, 3)
        shapes[f"audio_encoder.conv{number}.bias"] = (_CHANNELS,)
    for index in range(_LAYERS):
        shapes |= {f"audio_encoder.layers.{index}.{name}": shape for name, shape in _encoder_layer().items()}
        shapes |= {f"language_model.layers.{index}.{name}": shape for name, shape in _decoder_layer().items()}
    for name in ("audio_adapter", *(f"deepstack_audio_merger_list.{index}" for index in range(3))):
        shapes |= _gated(name, _AUDIO_WIDTH, _BETWEEN, _WIDTH)
    return shapes


def _encoder_layer() -> dict[str, tuple[int, ...]]:
    width, feed = _AUDIO_WIDTH, _AUDIO_FEED
    shapes: dict[str, tuple[int, ...]] = {"fc1.weight": (feed, width), "fc1.bias": (feed,)}
    shapes |= {"fc2.weight": (width, feed), "fc2.bias": (width,)}
    for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
        shapes[f"self_attn.{part}.weight"] = (width, width)
        if part != "k_proj":
            shapes[f"self_attn.{part}.bias"] = (width,)
    for norm in ("self_attn_layer_norm", "final_layer_norm"):
        shapes |= {f"{norm}.weight": (width,), f"{norm}.bias": (width,)}
    return shapes


def _decoder_layer() -> dict[str, tuple[int, ...]]:
    return {
        "input_layernorm.weight": (_WIDTH,),
        "post_attention_layernorm.weight": (_WIDTH,),
        "self_attn.q_proj.weight": (2 * _HEAD, _WIDTH),
        "self_attn.k_proj.weight": (_HEAD, _WIDTH),
        "self_attn.v_proj.weight": (_HEAD, _WIDTH),
        "self_attn.o_proj.weight": (_WIDTH, 2 * _HEAD),
        "self_attn.q_norm.weight": (_HEAD,),
        "self_attn.k_norm.weight": (_HEAD,),
        **_gated("mlp", _WIDTH, _FEED, _WIDTH),
    }


def _gated(name: str, inputs: int, inner: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.gate_proj.weight": (inner, inputs),
        f"{name}.up_proj.weight": (inner, inputs),
        f"{name}.down_proj.weight": (outputs, inner),
    }


def _write_tokenizer(folder: Path) -> None:
    """Bytes in GPT-2's order, so that the digits are tokens 15 to 24 as in Qwen's, and the joined words."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    letters = _byte_letters()
    tokenizer = Tokenizer(
        models.BPE(
            vocab={piece: index for index, piece in enumerate([*letters, *_WORDS])},
            merges=[(left, right) for left, right in (merge.split() for merge in _MERGES)],
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in _SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "chat_template": _TEMPLATE,
        },
    )


def _byte_letters() -> list[str]:
    """GPT-2's letter for each byte: printable bytes first, as themselves, then the others from U+0100 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(0x100 + index) for index in range(len(others))]


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


class TinyMoss:
    """The checkpoint of `folder`, answering in this process. Encodes a clip once, however often it is asked about."""

    def __init__(self, folder: Path, deepstack: bool = True) -> None:
        """Without `deepstack` it answers as a server that has lost DeepStack's features."""
        import torch
        from tokenizers import Tokenizer

        # Layers this small are done before a second thread has woken up; tests run side by side.
        torch.set_num_threads(1)
        self.model = MossAudio.load(folder)
        self.deepstack = deepstack
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._encoded: dict[bytes, DecoderInput] = {}

    def token_ids(self, text: str, clips: Sequence[Samples] = (), time_markers: bool = True) -> list[int]:
        """Of a prompt in which `AUDIO` stands for each of the `clips`, in order."""
        first, *rest = text.split(AUDIO)
        ids = list(self._tokenizer.encode(first, add_special_tokens=False).ids)
        for part, clip in zip(rest, clips, strict=True):
            tokens = audio_token_ids(self.encode(clip).num_tokens, self.model.config.tokens, time_markers)
            ids += [_START_ID, *tokens, _STOP_ID, *self._tokenizer.encode(part, add_special_tokens=False).ids]
        return ids

    def text(self, token_ids: Sequence[int]) -> str:
        """Special tokens are left out."""
        return str(self._tokenizer.decode(list(token_ids)))

    def token(self, token_id: int) -> str:
        """One token as it is written, special ones and parts of a letter too."""
        return str(self._tokenizer.decode([token_id], skip_special_tokens=False))

    def encode(self, clip: Samples) -> DecoderInput:
        key = clip.tobytes()
        if key not in self._encoded:
            self._encoded[key] = self.model.encode(clip)
        return self._encoded[key]

    def prompt_log_probabilities(self, token_ids: Sequence[int], clips: Sequence[Samples] = ()) -> NDArray[np.float32]:
        """(num_token_ids - 1,): how likely each token but the first was."""
        return self.model.prompt_log_probabilities(token_ids, [self.encode(clip) for clip in clips], self.deepstack)

    def next_log_probabilities(self, token_ids: Sequence[int], clips: Sequence[Samples] = ()) -> NDArray[np.float32]:
        """(320,): how likely each token is to come next."""
        return self.model.next_log_probabilities(token_ids, [self.encode(clip) for clip in clips], self.deepstack)

    def generate(
        self, token_ids: Sequence[int], clips: Sequence[Samples] = (), max_tokens: int = 16
    ) -> tuple[list[int], list[NDArray[np.float32]]]:
        """The likeliest tokens, up to the end of the turn or `max_tokens`, and what each was taken from (320,)."""
        said: list[int] = []
        distributions: list[NDArray[np.float32]] = []
        while len(said) < max_tokens and (not said or said[-1] != END_ID):
            distributions.append(self.next_log_probabilities([*token_ids, *said], clips))
            said.append(int(distributions[-1].argmax()))
        return said, distributions


def chat(question: str, audio: int = 1) -> str:
    """A prompt as the chat template of the checkpoint writes it: `audio` clips, then the question."""
    content = f"{AUDIO}\n" * audio + question
    return f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{content}<|im_end|>\n<|im_start|>assistant\n"
