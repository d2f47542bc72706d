"""Weights of a checkpoint, read one by one: no more than one layer of a large model is in memory at full precision."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from soundseam.annotators.base import BackendUnavailableError
from soundseam.annotators.hub import refuse_unreachable

if TYPE_CHECKING:
    from torch import Tensor

Size = Annotated[int, Field(ge=1, le=1_000_000)]
"""A width or a count; the largest vocabularies have some 150,000 entries."""


class CheckpointError(Exception):
    """A folder has no MOSS-Audio checkpoint that can be read here. The message is one line with the remedy."""


class _Part(BaseModel):
    """A part of a configuration; fields that this forward pass does not use are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class AudioConfig(_Part):
    """The encoder; defaults are those of the reference's `MossAudioEncoderConfig`."""

    d_model: Size = 1280
    num_mel_bins: Size = 128
    encoder_layers: Size = 32
    encoder_attention_heads: Size = 20
    activation_function: str = Field(default="gelu", pattern="^gelu$")
    layer_norm_eps: float = Field(default=1e-5, gt=0)
    deepstack_encoder_layer_indexes: tuple[int, ...] = (8, 16, 24)
    n_window: Size = 200
    """vLLM's: half the mel frames of a chunk."""

    @property
    def chunk_frames(self) -> int:
        """Mel frames that vLLM encodes at a time: 400, which are 4 s."""
        return 2 * self.n_window


class _Rope(_Part):
    rope_type: str = Field(default="default", pattern="^default$")
    rope_theta: float | None = Field(default=None, gt=0)


class LanguageConfig(_Part):
    """The decoder, a Qwen3."""

    vocab_size: Size
    hidden_size: Size
    num_hidden_layers: Size
    num_attention_heads: Size
    num_key_value_heads: Size
    head_dim: Size = 128
    rms_norm_eps: float = Field(default=1e-6, gt=0)
    hidden_act: str = Field(default="silu", pattern="^silu$")
    rope_theta: float = Field(default=10_000.0, gt=0)
    rope_parameters: _Rope | None = None
    rope_scaling: _Rope | None = None
    """Declared so that a scaled context is refused instead of computed wrongly."""

    @property
    def theta(self) -> float:
        """Base of the rotary positions; transformers 5 writes it into `rope_parameters`."""
        written = self.rope_parameters.rope_theta if self.rope_parameters else None
        return written or self.rope_theta


class AudioTokens(_Part):
    """Ids of the tokens around and in place of audio; defaults are the reference processor's."""

    audio_token_id: int = 151_654
    audio_start_id: int = 151_669
    audio_end_id: int = 151_670


class MossConfig(_Part):
    """The configuration of the forward pass."""

    audio_config: AudioConfig = AudioConfig()
    language_config: LanguageConfig
    deepstack_num_inject_layers: int | None = Field(default=None, ge=0)
    tokens: AudioTokens = AudioTokens()
    dtype: str = "float32"
    """The format of the weights, as in bfloat16."""

    @property
    def deepstack_layers(self) -> tuple[int, ...]:
        """Encoder layers whose outputs are injected: the first after the decoder's layer 0, and so on."""
        return self.audio_config.deepstack_encoder_layer_indexes[: self.deepstack_num_inject_layers]


def read_config(folder: Path) -> MossConfig:
    """Raises CheckpointError if `folder` has no MOSS-Audio configuration, or an unsupported one."""
    config = _read_json(folder / "config.json")
    if config.get("model_type") != "moss_audio":
        raise CheckpointError(f"{folder} is not a MOSS-Audio checkpoint: model_type is {config.get('model_type')!r}")
    processor: dict[str, object] = {}
    for name in ("processor_config.json", "preprocessor_config.json"):
        if not processor and (folder / name).is_file():
            processor = _read_json(folder / name)
    dtype = config.get("dtype") or config.get("torch_dtype") or "float32"
    try:
        return MossConfig.model_validate({**config, "tokens": processor, "dtype": dtype})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise CheckpointError(f"{folder}/config.json: {place}: {first['msg']}") from error


def _read_json(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): name a folder with a MOSS-Audio checkpoint") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} does not contain a JSON object")
    return content


_REMEDY = "pip install 'soundseam[models]'"
_WANTED = ("*.json", "*.safetensors", "*.jinja")
"""Files to download from a hub: weights only as safetensors, since reading them runs no code."""


def find_checkpoint(model: str, revision: str = "main") -> Path:
    """The folder `model`, or the local copy of the hub's repository of that name. Raises CheckpointError if neither
    exists.
    """
    if Path(model).is_dir():
        return Path(model)
    try:
        refuse_unreachable("the check", model, "MODEL")
    except BackendUnavailableError as error:
        raise CheckpointError(str(error)) from error
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise CheckpointError(f"{model} is not a folder, and downloading it from a hub needs {_REMEDY}") from error
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=list(_WANTED)))
    except (OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"cannot download {model} ({reason}): give a folder with the checkpoint, or let this machine reach the hub"
        ) from error


class _TensorFile(Protocol):
    """An open safetensors file."""

    def keys(self) -> Iterable[str]: ...

    def get_tensor(self, name: str, /) -> Tensor: ...


class Weights:
    """The tensors of a folder's safetensors files, as float32 on `device`."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        """Raises CheckpointError if there are none, or torch and safetensors are missing."""
        self.device = device
        self._files = _open_files(folder)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._files:
            raise CheckpointError(f"the checkpoint has no weight {name}: it is incomplete, or not MOSS-Audio")
        return self._files[name].get_tensor(name).to(self.device).float()

    def get(self, name: str) -> Tensor | None:
        if name not in self:
            return None
        return self[name]


def _open_files(folder: Path) -> dict[str, _TensorFile]:
    """Name of each tensor → the open file that holds it."""
    try:
        import torch  # noqa: F401
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise CheckpointError(f"a forward pass needs torch and safetensors: {_REMEDY}") from error
    files: dict[str, _TensorFile] = {}
    for path in _weight_files(folder):
        try:
            opened: _TensorFile = safe_open(str(path), framework="pt")
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{path} cannot be read ({error}): fetch the checkpoint again") from error
        files.update(dict.fromkeys(opened.keys(), opened))
    return files


def _weight_files(folder: Path) -> list[Path]:
    """The files listed in the index, if there is one: a folder may contain leftovers."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        if outside := [name for name in names if Path(name).name != name]:
            raise CheckpointError(f"{index} names a file elsewhere, {outside[0]}: fetch the checkpoint again")
        found = [folder / name for name in names]
    else:
        found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise CheckpointError(f"{folder} has no .safetensors files, the only supported format of weights")
    return found
