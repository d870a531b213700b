"""A tracking transformer by whatever a person calls it: our model folder, a Trackastra release, or its public name."""

import hashlib
import json
import sys
import zipfile
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from embeddings.nets.errors import ModelError
from embeddings.nets.model_folder import read_model_folder
from embeddings.nets.saved_transformer import load_model
from embeddings.nets.trackastra_checkpoint import load_trackastra
from embeddings.nets.tracking_transformer import TrackingTransformer

PUBLIC = ("general_2d", "ctc")


@dataclass(frozen=True)
class TrackingModel:
    """network: on the CPU.   method: attrackt, trackastra or finetune.   provenance: where it comes from.

    digest: tells these weights from others.   logit_clamp: logits are held in +- this before they are normalised.
    """

    network: TrackingTransformer
    method: str
    provenance: Mapping[str, Any]
    digest: str
    logit_clamp: float | None = None


def load_tracking_model(folder: Path, name: str, dimensions: int | None = None) -> TrackingModel:
    """Read a model.

    folder: where it lies.   name: as the person wrote it; where there is no such folder it may be one of Trackastra's
        public models, which its package (if installed) then downloads.
    dimensions: of the movie, 2 or 3; a model for others is refused.   Raises ModelError.
    """
    if not folder.exists() and name in PUBLIC:
        folder = _downloaded(name)
    if (folder / "config.yaml").exists() and not (folder / "model.json").exists():
        network = load_trackastra(folder, dimensions)
        digest = hashlib.sha256((folder / "config.yaml").read_bytes() + (folder / "model.pt").read_bytes())
        return TrackingModel(network, "trackastra", {"release": str(folder)}, digest.hexdigest()[:16])
    network, provenance = load_model(folder, dimensions)
    digest = hashlib.sha256((folder / "model.json").read_bytes())
    clamp = provenance.get("logit_clamp")
    return TrackingModel(network, str(provenance.get("method", "")), provenance, digest.hexdigest()[:16], clamp)


def kind_of_model(folder: Path) -> str:
    """The kind of network in a model folder, such as "autoencoder". Raises ModelError where it holds none."""
    try:
        about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        return str(about["network"])
    except (OSError, ValueError, KeyError, TypeError):
        read_model_folder(folder, "")  # says what is wrong with it
        raise


def _downloaded(name: str) -> Path:
    """The folder of a public model."""
    if find_spec("trackastra") is None:
        raise ModelError(
            f"there is no folder {name}. To download the public model of that name, install the trackastra package "
            '(pip install "pintrack[demo]"); or unpack its release yourself and name the folder'
        )
    from trackastra.model.pretrained import download_pretrained

    try:
        with redirect_stdout(sys.stderr):  # the package prints what it does, and stdout may be read by a program
            return Path(download_pretrained(name))
    except (OSError, ValueError, zipfile.BadZipFile) as error:  # no network; a page of errors instead of the archive
        raise ModelError(f"the public model {name} could not be downloaded: {error}") from error
