"""Tracking transformers in model folders."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embeddings.nets.model_folder import StoredModel, fill_weights, read_model_folder, write_model_folder
from embeddings.nets.trackastra_checkpoint import refuse_other_dimensions
from embeddings.nets.tracking_transformer import TrackingTransformer
from embeddings.nets.transformer_config import TransformerConfig

_NETWORK = "tracking_transformer"


def save_model(network: TrackingTransformer, folder: Path, provenance: Mapping[str, Any]) -> None:
    """Write a network and where it comes from; an older model of the folder is replaced in one step.

    Raises OutputError.
    """
    write_model_folder(folder, StoredModel(_NETWORK, network.config.as_mapping(), network.state_dict(), provenance))


def load_model(folder: Path, dimensions: int | None = None) -> tuple[TrackingTransformer, Mapping[str, Any]]:
    """Read what `save_model` wrote: the network, on the CPU and ready for inference, and its provenance.

    dimensions: 2 or 3 if the movie's are known; a model for others is refused.   Raises ModelError.
    """
    stored = read_model_folder(folder, _NETWORK)
    config = TransformerConfig.from_mapping(stored.config, folder / "model.json")
    refuse_other_dimensions(config, dimensions, folder)
    network = TrackingTransformer(config)
    fill_weights(network, stored.weights, folder)
    return network.eval(), stored.provenance
