"""Checkpoints: a network's weights in one file with all that is needed to use them. Reading one executes no code.

A checkpoint is a `.safetensors` file whose header holds, as JSON, the name of the architecture, its configuration,
and metadata: at least scaling, provenance and licence.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from clearcube.errors import InputError
from clearcube.networks.forecast import ForecastConfig, ForecastNet
from clearcube.networks.ganfilling import GanFillingConfig, Generator
from clearcube.networks.seq2seq import Seq2Seq, Seq2SeqConfig
from clearcube.networks.utilise import Utilise, UtiliseConfig

HEADER = "clearcube"
FORMAT = 1
REQUIRED = ("scaling", "provenance", "licence")
LATER = frozenset({"causal", "masks", "anomalies", "sharpened"})
"""Fields of configurations that earlier checkpoints lack; their defaults say what those networks did."""
NUMBERS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""What the tensors of a checkpoint may be made of."""
LARGEST_NUMBER = 100_000
LONGEST_LIST = 16
ARCHITECTURES: dict[str, tuple[type[Any], type[nn.Module]]] = {
    "seq2seq": (Seq2SeqConfig, Seq2Seq),
    "ganfilling": (GanFillingConfig, Generator),
    "utilise": (UtiliseConfig, Utilise),
    "forecast": (ForecastConfig, ForecastNet),
}
"""Name -> the class of its configuration and of the network."""


def architecture_of(model: nn.Module) -> str:
    """The name under which checkpoints know this network.

    Raises
    ------
    InputError : it is none of `ARCHITECTURES`.
    """
    for name, (_, network) in ARCHITECTURES.items():
        if type(model) is network:
            return name
    raise InputError(
        f"{type(model).__name__} is not an architecture of checkpoints; known are {', '.join(ARCHITECTURES)}"
    )


def save(path: str | os.PathLike[str], model: nn.Module, metadata: Mapping[str, object], *, half: bool = False) -> None:
    """Write a checkpoint; the file appears under its name only when complete.

    half : store float16 numbers, half the size; they are float32 again when loaded.
    metadata : plain values (str, numbers, lists, dicts of them) with at least 'scaling', 'provenance' (a dict),
        'licence'.

    Raises
    ------
    InputError : the network is of no known architecture, metadata are missing or are not plain values.
    OSError : it cannot be written there.
    """
    missing = [key for key in REQUIRED if key not in metadata]
    if missing:
        raise InputError(f"the metadata of checkpoint {path} lack {', '.join(missing)}; add them before saving")
    header = {
        "format": FORMAT,
        "architecture": architecture_of(model),
        "config": asdict(cast("Any", model).config),
        "metadata": dict(metadata),
    }
    try:
        text = json.dumps(header, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"the metadata of checkpoint {path} are not plain values: {error}") from None
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    kind = torch.float16 if half else torch.float32
    tensors = {name: tensor.detach().to("cpu", kind).contiguous() for name, tensor in model.state_dict().items()}
    try:
        partial.touch()
        mode = partial.stat().st_mode  # as of any new file here; safetensors makes one for its owner alone
        save_file(tensors, partial, metadata={HEADER: text})
        partial.chmod(mode & 0o777)
        partial.replace(path)
    except SafetensorError as error:
        raise OSError(str(error)) from error
    finally:
        partial.unlink(missing_ok=True)


def load(path: str | os.PathLike[str]) -> tuple[nn.Module, dict[str, Any]]:
    """Read a checkpoint: the network in evaluation mode, float32, on the CPU, and its metadata.

    Raises
    ------
    InputError : there is no such file, or it is truncated, of another kind, of an unknown architecture, or its
        tensors are not those of its configuration, or not finite.
    """
    header, tensors = _read(path)
    name = header.get("architecture")
    if header.get("format") != FORMAT or not isinstance(name, str) or name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise InputError(
            f"{path}: a checkpoint of format {header.get('format')!r} with architecture {name!r}; this version reads "
            f"format {FORMAT} with {known}. Use the version of clearcube that wrote it"
        )
    metadata = header.get("metadata")
    if not isinstance(metadata, dict) or any(key not in metadata for key in REQUIRED):
        raise InputError(f"{path}: the checkpoint's metadata lack {', '.join(REQUIRED)}; save it again with `save`")
    config_type, network = ARCHITECTURES[name]
    return assembled(network, _config(config_type, header.get("config"), path), tensors, path), metadata


def averaged(models: Sequence[nn.Module]) -> nn.Module:
    """The last of these networks, of one kind and configuration, with the mean of the weights of all."""
    states = [model.state_dict() for model in models]
    mean = {name: torch.stack([state[name].double() for state in states]).mean(dim=0) for name in states[-1]}
    models[-1].load_state_dict(mean)
    return models[-1]


def assembled(
    network: type[nn.Module], config: object, tensors: Mapping[str, Tensor], path: str | os.PathLike[str]
) -> nn.Module:
    """The network of this configuration with these tensors, in evaluation mode.

    Raises
    ------
    InputError : names or shapes differ from those of the configuration, or a tensor is none of numbers that are finite
        as float32 and all of which are in the file.
    """
    with torch.device("meta"):  # nothing is allocated before the shapes are known to be those of the file
        model = network(config)
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in tensors.items()}
    if wanted != found:
        wrong = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
        raise InputError(
            f"{path}: the tensors are not those of {config}: {len(wrong)} differ in name or shape, first '{wrong[0]}' "
            f"(file {found.get(wrong[0], 'none')}, architecture {wanted.get(wrong[0], 'none')}). The file is damaged "
            "or of another architecture"
        )
    for key, value in tensors.items():
        if not _is_plain(value) or not bool(value.float().isfinite().all()):
            raise InputError(f"{path}: tensor '{key}' holds values that are not finite numbers; the file is damaged")
    model.load_state_dict({key: value.float() for key, value in tensors.items()}, assign=True)
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return model.eval()


def _is_plain(tensor: Tensor) -> bool:
    """Whether it is an array of usual numbers, each of them stored: a small file may claim to hold a large tensor."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.dtype not in NUMBERS:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a safetensors file."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such checkpoint file")
    try:
        with safe_open(os.fspath(path), framework="pt", device="cpu") as file:
            header = json.loads((file.metadata() or {})[HEADER])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except KeyError:
        raise InputError(f"{path}: a safetensors file without clearcube's header; it cannot be used") from None
    except (SafetensorError, ValueError, RecursionError, OSError, RuntimeError) as error:
        raise InputError(
            f"{path}: not a complete clearcube checkpoint ({error}); get it again. For the authors' GANFilling.pt or "
            "utilise_earthnet2021.pth use `clearcube weights convert`"
        ) from None
    if not isinstance(header, dict):
        raise InputError(f"{path}: the checkpoint's header is not a table; the file is damaged")
    return header, tensors


def _config(config_type: type[Any], values: object, path: str | os.PathLike[str]) -> Any:
    """The configuration from plain values, each of the type of its default and of sane size.

    Raises
    ------
    InputError : a name is missing, unknown, of the wrong type or out of range.
    """
    names = [field.name for field in fields(config_type)]
    if not isinstance(values, dict) or not set(names) - LATER <= set(values) <= set(names):
        raise InputError(f"{path}: the configuration must hold exactly {', '.join(names)}; found {values!r:.200}")
    default = config_type()
    checked = {}
    for name in values:
        value = tuple(values[name]) if isinstance(values[name], list) else values[name]
        if not _like(value, getattr(default, name)):
            raise InputError(f"{path}: the configuration's {name} cannot be {values[name]!r:.80}")
        checked[name] = value
    try:
        return config_type(**checked)
    except InputError as error:
        raise InputError(f"{path}: {error}; the file is damaged, get it again") from None


def _like(value: object, default: object) -> bool:
    """Whether a value has the type of the default, and a size that a network may have."""
    if isinstance(default, tuple):
        return isinstance(value, tuple) and len(value) <= LONGEST_LIST and all(_like(item, 1) for item in value)
    if isinstance(default, float) and type(value) is int:
        return 0 <= value <= LARGEST_NUMBER
    if type(value) is not type(default):
        return False
    return isinstance(value, bool) or (isinstance(value, int | float) and 0 <= value <= LARGEST_NUMBER)
