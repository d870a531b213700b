"""Tiny tracking transformers with random weights, and windows of detections to put in."""

from pathlib import Path

import torch
import yaml

from embeddings.nets.tracking_transformer import TrackingTransformer
from embeddings.nets.transformer_config import TransformerConfig

# Keys of the public Trackastra models, and ours.
PUBLIC_KEYS = {
    "coord_dim": "dimensions",
    "feat_dim": "features",
    "d_model": "d_model",
    "nhead": "heads",
    "num_encoder_layers": "encoder_layers",
    "num_decoder_layers": "decoder_layers",
    "dropout": "dropout",
    "window": "window_frames",
    "spatial_pos_cutoff": "cutoff_px",
    "pos_embed_per_dim": "position_channels",
    "feat_embed_per_dim": "feature_channels",
    "attn_positional_bias": "positional",
    "attn_positional_bias_n_spatial": "bias_bins",
    "attn_dist_mode": "distance_term",
    "causal_norm": "normalisation",
}


def small_config(**changes) -> TransformerConfig:
    sizes = {
        "dimensions": 2,
        "features": 3,
        "d_model": 16,
        "heads": 2,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "window_frames": 4,
        "cutoff_px": 100,
        "position_channels": 8,
        "feature_channels": 4,
        "bias_bins": 8,
    }
    return TransformerConfig(**(sizes | changes))


def public_config(config: TransformerConfig) -> dict[str, object]:
    return {key: getattr(config, name) for key, name in PUBLIC_KEYS.items()}


def unsettle(network: torch.nn.Module, seed: int = 0) -> None:
    """Move every parameter a little, so that no two norms or layers are alike."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)


def small_network(**changes) -> TrackingTransformer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = TrackingTransformer(small_config(**changes)).eval()
    unsettle(network)
    return network


def write_release(folder: Path, network: torch.nn.Module, **changes) -> None:
    """A release folder as the public models come in, of our network or theirs; `changes` go into its config."""
    config = network.config if isinstance(network.config, dict) else public_config(network.config)
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config | changes))
    torch.save(network.state_dict(), folder / "model.pt")


def window(config: TransformerConfig, count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Two windows of `count` detections in frames 40-43: coordinates on half pixels, features.

    On half pixels squared distances are exact in float32, however they are computed.
    """
    generator = torch.Generator().manual_seed(seed)
    frame = torch.randint(40, 44, (2, count, 1), generator=generator).sort(dim=1).values
    place = torch.randint(0, 400, (2, count, config.dimensions), generator=generator) / 2
    features = torch.randn(2, count, config.features, generator=generator) * 5 if config.features else None
    return torch.cat((frame.float(), place), dim=-1), features


def padded(count: int, real: int) -> torch.Tensor:
    """Padding of two windows: none in the first, `real` detections in the second."""
    return torch.arange(count) >= torch.tensor([[count], [real]])
