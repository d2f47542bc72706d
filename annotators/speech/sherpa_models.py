"""The contents of a folder for sherpa-onnx: the files to load, and their model family."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from soundseam.annotators.base import BackendUnavailableError

_PRECISION = re.compile(r"\.(int8|fp16)$")
_ROLES = (
    ("encoder_adaptor", r"encoder_adaptor"),
    ("conv_frontend", r"conv_frontend"),
    ("joiner", r"joiner"),
    ("preprocessor", r"preprocess"),
    ("uncached_decoder", r"uncached_decode"),
    ("cached_decoder", r"cached_decode"),
    ("llm", r"llm"),
    ("embedding", r"embedding"),
    ("encoder", r"encode|.*-encoder$"),
    ("decoder", r"decode|.*-decoder$"),
)
"""The role of a model file, by the beginning of its name; any other ONNX file is a complete model."""


@dataclass(frozen=True)
class Family:
    """How sherpa-onnx opens models of one family.

    `factory` is the class method of its `OfflineRecognizer`, `files` maps argument names to the roles of files;
    `metadata` are keys without which sherpa-onnx ends the process instead of raising.
    """

    factory: str
    files: Mapping[str, str]
    metadata: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    batches: bool = False
    """True if clips of equal length go through the model together."""


_NEMO = ("vocab_size", "subsampling_factor")
_LFR = ("vocab_size", "lfr_window_size", "lfr_window_shift")
_WHISPER = ("n_mels", "n_text_layer", "n_text_ctx", "n_text_state", "n_vocab", "sot", "eot", "is_multilingual")
_PAIR = {"encoder": "encoder", "decoder": "decoder", "tokens": "tokens"}
_TRIPLE = {**_PAIR, "joiner": "joiner"}
_SINGLE = {"model": "model", "tokens": "tokens"}
_CTC = {
    "EncDecCTCModel": ("from_nemo_ctc", _NEMO),
    "EncDecCTCModelBPE": ("from_nemo_ctc", _NEMO),
    "EncDecHybridRNNTCTCBPEModel": ("from_nemo_ctc", _NEMO),
    "fire-red-asr-2-ctc": ("from_fire_red_asr_ctc", ()),
    "medasr_ctc": ("from_medasr_ctc", ("vocab_size",)),
    "omnilingual-asr": ("from_omnilingual_asr_ctc", ()),
    "telespeech_ctc": ("from_telespeech_ctc", ()),
    "wenet_ctc": ("from_wenet_ctc", _NEMO),
    "zipformer2_ctc": ("from_zipformer_ctc", ()),
}
FAMILIES = {
    **{kind: Family(factory, _SINGLE, keys, batches="omni" not in kind) for kind, (factory, keys) in _CTC.items()},
    "canary": Family("from_nemo_canary", _PAIR, (*_NEMO, "feat_dim"), languages=("en", "es", "de", "fr")),
    "cohere": Family("from_cohere_transcribe", _PAIR),
    "dolphin": Family("from_dolphin_ctc", _SINGLE, ("vocab_size",), batches=True),
    "fire_red_asr": Family("from_fire_red_asr", _PAIR, languages=("zh", "en")),
    "funasr_nano": Family(
        "from_funasr_nano", {name: name for name in ("encoder_adaptor", "llm", "embedding", "tokenizer")}
    ),
    "moonshine": Family(
        "from_moonshine",
        {name: name for name in ("preprocessor", "encoder", "uncached_decoder", "cached_decoder", "tokens")},
    ),
    "moonshine_v2": Family("from_moonshine_v2", _PAIR),
    "nemo_transducer": Family("from_transducer", _TRIPLE, _NEMO),
    "paraformer": Family(
        "from_paraformer", {"paraformer": "model", "tokens": "tokens"}, (*_LFR, "neg_mean"), batches=True
    ),
    "qwen3_asr": Family(
        "from_qwen3_asr", {name: name for name in ("conv_frontend", "encoder", "decoder", "tokenizer")}
    ),
    "sense_voice": Family("from_sense_voice", _SINGLE, _LFR, languages=("zh", "en", "ja", "ko", "yue"), batches=True),
    "transducer": Family("from_transducer", _TRIPLE, batches=True),
    "whisper": Family("from_whisper", _PAIR, _WHISPER),
}


_KNOWN = {
    "sherpa-onnx-nemo-parakeet-tdt-0.6b-v2-int8": ("en",),
    "sherpa-onnx-nemo-parakeet-tdt-0.6b-v3-int8": (
        *("bg", "hr", "cs", "da", "nl", "en", "et", "fi", "fr", "de", "el", "hu", "it"),
        *("lv", "lt", "mt", "pl", "pt", "ro", "sk", "sl", "es", "sv", "ru", "uk"),
    ),
}
"""Languages of models whose files do not state them, from k2-fsa.github.io/sherpa/onnx/pretrained_models."""
_MOONSHINE = re.compile(r"moonshine-(?:tiny|base)-([a-z]{2})(?![a-z])")


def languages_by_name(name: str) -> tuple[str, ...]:
    """The languages of the model in a folder or repository called `name`; empty if they are not known.

    Each Moonshine model is for one language, whose code is in its name.
    """
    found = _MOONSHINE.search(name)
    return (found[1],) if found else _KNOWN.get(name, ())


class SherpaModel(NamedTuple):
    """A model in a folder. `files` are paths by argument, `metadata` that of its first ONNX file."""

    kind: str
    files: Mapping[str, str]
    metadata: Mapping[str, str]

    @property
    def family(self) -> Family:
        return FAMILIES[self.kind]

    @property
    def languages(self) -> tuple[str, ...]:
        """BCP 47 codes of the supported languages; empty if its files do not state them."""
        if self.kind != "whisper":
            return self.family.languages
        if self.metadata["is_multilingual"] == "0":
            return ("en",)
        return tuple(self.metadata.get("all_language_codes", "").split(",")) if self.has_languages else ()

    @property
    def has_languages(self) -> bool:
        return bool(self.metadata.get("all_language_codes"))


def files_to_load(names: Sequence[str], quantised: bool) -> dict[str, str]:
    """The role of each of `names`, paths in a folder or repository, that a model is loaded from.

    If a role has files of several precisions, `quantised` selects the int8 one, otherwise float32. Raises ValueError if
    the choice is ambiguous, for example with two models in one folder.
    """
    by_role: dict[str, list[str]] = {}
    for name in sorted(names):
        if role := _role_of(PurePosixPath(name)):
            by_role.setdefault(role, []).append(name)
    return {role: _one_of(role, candidates, quantised) for role, candidates in by_role.items()}


def _role_of(path: PurePosixPath) -> str | None:
    if path.name == "vocab.json":
        return "tokenizer"
    if path.name.endswith("tokens.txt"):
        return "tokens"
    if path.suffix not in {".onnx", ".ort"}:
        return None
    bare = _PRECISION.sub("", path.stem)
    return next((role for role, pattern in _ROLES if re.match(pattern, bare)), "model")


def _one_of(role: str, candidates: Sequence[str], quantised: bool) -> str:
    if len(candidates) > 1:
        precisions = {name: _PRECISION.search(PurePosixPath(name).stem) for name in candidates}
        wanted = ("int8", "") if quantised else ("", "fp16", "int8")
        for precision in wanted:
            fitting = [name for name, found in precisions.items() if (found[1] if found else "") == precision]
            if fitting:
                candidates = fitting
                break
    if len(candidates) > 1:
        raise ValueError(f"several files for its {role}: {', '.join(candidates)}")
    return candidates[0]


def open_folder(folder: Path, quantised: bool) -> SherpaModel:
    """The model in `folder`. Raises BackendUnavailableError if there is no complete model for sherpa-onnx."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    try:
        roles = files_to_load(names, quantised)
    except ValueError as error:
        raise BackendUnavailableError(f"{folder} holds {error}: leave one model in it") from error
    first = next((roles[role] for role in ("encoder_adaptor", "encoder", "model") if role in roles), None)
    metadata = onnx_metadata(folder / first) if first and first.endswith(".onnx") else {}
    model = SherpaModel(_kind_of(folder, roles, metadata), {}, metadata)
    missing = [role for role in model.family.files.values() if role not in roles]
    if missing:
        raise BackendUnavailableError(f"{folder} looks like {model.kind} and lacks its {', '.join(missing)}")
    # sherpa-onnx ends the whole process if one of these is missing.
    unsaid = [key for key in model.family.metadata if not metadata.get(key)]
    if unsaid:
        raise BackendUnavailableError(
            f"{folder}/{first} lacks {', '.join(unsaid)} in its metadata: export it as sherpa-onnx's scripts do"
        )
    files = {argument: _argument(folder, role, roles[role]) for argument, role in model.family.files.items()}
    if "tokens" in files:
        _check_tokens(Path(files["tokens"]), model)
    return model._replace(files=files)


def _argument(folder: Path, role: str, name: str) -> str:
    path = folder / name
    return str(path.parent if role == "tokenizer" else path)


def _kind_of(folder: Path, roles: Mapping[str, str], metadata: Mapping[str, str]) -> str:
    named = next((kind for role, kind in _BY_ROLE.items() if role in roles), None)
    if named:
        return named
    if "encoder" in roles:
        return _encoders_kind(folder, roles, metadata)
    model_type = metadata.get("model_type", "")
    kind = "sense_voice" if model_type.startswith("sense_voice") else "dolphin" if "invstd" in metadata else model_type
    if kind in FAMILIES:
        return kind
    known = f"its model_type is {model_type}" if model_type else "no model_type in the metadata of an ONNX file"
    raise BackendUnavailableError(f"{folder} has no model that sherpa-onnx supports: {known}")


_BY_ROLE = {"encoder_adaptor": "funasr_nano", "conv_frontend": "qwen3_asr", "preprocessor": "moonshine"}


def _encoders_kind(folder: Path, roles: Mapping[str, str], metadata: Mapping[str, str]) -> str:
    model_type = metadata.get("model_type", "")
    if "decode_chunk_len" in metadata or "cache_last_channel_dim1" in metadata:
        raise BackendUnavailableError(f"{folder} has a streaming model: use an offline model")
    if "joiner" in roles:
        return "nemo_transducer" if model_type.startswith("EncDec") else "transducer"
    signs = {
        "moonshine_v2": roles["encoder"].endswith(".ort"),
        "whisper": model_type.startswith("whisper"),
        "canary": model_type == "EncDecMultiTaskModel",
        "cohere": "cohere-transcribe" in model_type,
        "fire_red_asr": "cmvn_mean" in metadata,
    }
    kind = next((kind for kind, seen in signs.items() if seen), None)
    if kind is None:
        said = f"model_type {model_type}" if model_type else "no model_type in its metadata"
        raise BackendUnavailableError(
            f"{folder} has an encoder and a decoder that sherpa-onnx does not support: {said}"
        )
    return kind


def _check_tokens(path: Path, model: SherpaModel) -> None:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if model.kind == "whisper":
        return
    symbols = {line.split()[0] for line in lines if len(line.split()) == 2}
    if any(len(line.split()) > 2 for line in lines) or not symbols:
        raise BackendUnavailableError(f"{path} is not a list of tokens: write one per line, with its number")
    if model.kind in _CTC and model.kind != "omnilingual-asr" and not symbols & {"<blk>", "<eps>", "<blank>"}:
        raise BackendUnavailableError(f"{path} has no <blk>, <eps> or <blank>, which a CTC model needs")


def onnx_metadata(path: Path) -> dict[str, str]:
    """The `metadata_props` of an ONNX file, without loading its weights.

    Empty for a file that is not ONNX.
    """
    with path.open("rb") as file:
        try:
            return dict(_metadata_entries(file, path.stat().st_size))
        except (EOFError, UnicodeDecodeError, ValueError):
            return {}


_METADATA_PROPS = 14
_BYTES = 2
_FIXED = {1: 8, 5: 4}


def _metadata_entries(file: BinaryIO, size: int) -> Iterator[tuple[str, str]]:
    while file.tell() < size:
        tag = _varint(file)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            _varint(file)
        elif wire in _FIXED:
            file.seek(_FIXED[wire], 1)
        elif wire == _BYTES:
            end = _varint(file) + file.tell()
            if end > size:
                raise EOFError
            if number == _METADATA_PROPS:
                yield _key_and_value(file, end)
            file.seek(end)
        else:
            raise ValueError(f"no protobuf: wire type {wire}")


def _key_and_value(file: BinaryIO, end: int) -> tuple[str, str]:
    fields = {1: "", 2: ""}
    while file.tell() < end:
        number = _varint(file) >> 3
        fields[number] = file.read(_varint(file)).decode()
    return fields[1], fields[2]


def _varint(file: BinaryIO) -> int:
    value, shift = 0, 0
    while True:
        byte = file.read(1)
        if not byte or shift > 63:
            raise EOFError
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
        shift += 7
