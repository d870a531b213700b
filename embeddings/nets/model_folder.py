"""A model folder: `model.json` (what the network is, where it comes from) and one file of weights.

Nothing in it is a pickle of code. The weights are written first, under a name that carries their checksum; then
`model.json`, which names them, is replaced in one step; then the older weights go. Whoever dies in between leaves the
older model whole.
"""

import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from embeddings.nets.errors import ModelError
from embeddings.nets.torch_weights import parse_torch_weights
from tracker.errors import MissingExtraError, OutputError, first_five

_KIND = "pintrack model"
_FORMAT = 1


@dataclass(frozen=True)
class StoredModel:
    """network: its kind, as in "tracking_transformer".   config: its sizes.   weights: by parameter name.

    provenance: where it comes from, any JSON.
    """

    network: str
    config: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write_model_folder(folder: Path, model: StoredModel) -> None:
    """Write or replace a model; an older one in the folder stays whole until the new one is.

    The weights are stored by safetensors where it is installed, else by torch, without pickles of code either way.
    Raises OutputError.
    """
    suffix, content = _encoded(model.weights)
    digest = hashlib.sha256(content).hexdigest()
    file = f"weights-{digest[:12]}{suffix}"
    about = {
        "kind": _KIND,
        "format": _FORMAT,
        "network": model.network,
        "config": dict(model.config),
        "weights": {"file": file, "sha256": digest},
        "provenance": dict(model.provenance),
    }
    text = json.dumps(about, indent=2, allow_nan=False) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / file, content)
        _replace(folder / "model.json", text.encode())
        for older in (*folder.glob("weights-*.safetensors"), *folder.glob("weights-*.pt")):
            if older.name != file:
                older.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"the model folder {folder} could not be written: {error.strerror}") from error


def read_model_folder(folder: Path, network: str) -> StoredModel:
    """Read a model of the kind `network`, onto the CPU. Raises ModelError saying what is missing, other or damaged."""
    path = folder / "model.json"
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelError(
            f"{folder} holds no model written by pintrack: {path.name} is missing. Name a folder that "
            "`track train` wrote"
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    try:
        kind, version, found = about["kind"], about["format"], about["network"]
        config, provenance = dict(about["config"]), dict(about["provenance"])
        file, digest = str(about["weights"]["file"]), about["weights"]["sha256"]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is not the description of a model written by pintrack: {error!r}") from error
    if (kind, version) != (_KIND, _FORMAT):
        raise ModelError(f"{path}: wanted {_KIND!r} of format {_FORMAT}, found {kind!r} of format {version!r}")
    if found != network:
        raise ModelError(f"{folder} holds a network of the kind {found}, wanted {network}: name another model folder")
    weights = _weights(folder / Path(file).name, digest)
    return StoredModel(found, config, weights, provenance)


def fill_weights(network: nn.Module, weights: Mapping[str, Tensor], source: object) -> None:
    """Copy weights into a network: every parameter, no other, each of its shape, all finite.

    Raises ModelError naming `source` and the first parameters at fault.
    """
    problems = misfits(network.state_dict(), weights)
    if problems:
        raise ModelError(f"the weights of {source} do not fit its config: {'; '.join(problems)}")
    network.load_state_dict(dict(weights))


def misfits(wanted: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> list[str]:
    """What is wrong with weights, in words that name the first parameters at fault; empty where all is right."""
    missing, unknown = [name for name in wanted if name not in weights], sorted(set(weights) - set(wanted))
    other = [
        f"{name} {tuple(weights[name].shape)} instead of {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in weights and weights[name].shape != value.shape
    ]
    broken = [name for name, value in weights.items() if not bool(torch.isfinite(value).all())]
    problems = [f"{first_five(missing)} missing"] * bool(missing)
    problems += [f"{first_five(unknown)} not known"] * bool(unknown)
    problems += [f"of another shape: {first_five(other)}"] * bool(other)
    problems += [f"not finite: {first_five(broken)}"] * bool(broken)
    return problems


def _encoded(weights: Mapping[str, Tensor]) -> tuple[str, bytes]:
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}
    if find_spec("safetensors") is not None:
        import safetensors.torch

        return ".safetensors", safetensors.torch.save(plain)
    buffer = io.BytesIO()
    torch.save(plain, buffer)
    return ".pt", buffer.getvalue()


def _weights(path: Path, digest: object) -> Mapping[str, Tensor]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"the weights {path} cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise ModelError(
            f"the weights {path} are damaged: their checksum is not the one in model.json. Copy the folder again, or "
            "use another checkpoint"
        )
    if path.suffix == ".pt":
        return parse_torch_weights(content, path)
    if find_spec("safetensors") is None:
        raise MissingExtraError("safetensors", "learn", f"Reading {path}")
    import safetensors.torch

    try:
        loaded: dict[str, Tensor] = safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise ModelError(f"the weights {path} cannot be read: {error}") from error
    return loaded


def _replace(path: Path, content: bytes) -> None:
    """Write beside, to the disk, and rename."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)  # gone already, unless something went wrong
