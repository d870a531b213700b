"""Public Trackastra models: release folders of `config.yaml` and `model.pt`, read without the trackastra package."""

from pathlib import Path
from typing import Any

from embeddings.nets.errors import ModelError
from embeddings.nets.model_folder import fill_weights
from embeddings.nets.torch_weights import parse_torch_weights
from embeddings.nets.tracking_transformer import TrackingTransformer
from embeddings.nets.transformer_config import TransformerConfig
from tracker.errors import MissingExtraError, first_five

# Key there, key here, and what a config that leaves it out means.
_KEYS: dict[str, tuple[str, Any]] = {
    "coord_dim": ("dimensions", 3),
    "feat_dim": ("features", 0),
    "d_model": ("d_model", 128),
    "nhead": ("heads", 4),
    "num_encoder_layers": ("encoder_layers", 4),
    "num_decoder_layers": ("decoder_layers", 4),
    "dropout": ("dropout", 0.1),
    "window": ("window_frames", 6),
    "spatial_pos_cutoff": ("cutoff_px", 256),
    "pos_embed_per_dim": ("position_channels", 32),
    "feat_embed_per_dim": ("feature_channels", 1),
    "attn_positional_bias": ("positional", "rope"),
    "attn_positional_bias_n_spatial": ("bias_bins", 16),
    "attn_dist_mode": ("distance_term", "v0"),
    "causal_norm": ("normalisation", "quiet_softmax"),
}


def load_trackastra(folder: Path, dimensions: int | None = None) -> TrackingTransformer:
    """Read a release folder into our network, on the CPU, ready for inference.

    dimensions: 2 or 3 if the movie's are known; a model for others is refused.
    Raises ModelError for files that are missing or damaged, keys that are not known and weights that do not fit.
    """
    config = _config(folder / "config.yaml")
    refuse_other_dimensions(config, dimensions, folder)
    path = folder / "model.pt"
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ModelError(f"{folder} is no complete Trackastra model: model.pt is missing") from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    weights = parse_torch_weights(content, path)
    network = TrackingTransformer(config)
    fill_weights(network, weights, folder)
    return network.eval()


def refuse_other_dimensions(config: TransformerConfig, dimensions: int | None, folder: Path) -> None:
    """Raise ModelError if the model is for other dimensions than the movie has (None: not known, not checked)."""
    if dimensions is not None and dimensions != config.dimensions:
        raise ModelError(
            f"the model {folder} is for {config.dimensions}-D movies, the movie is {dimensions}-D: name a model "
            f"trained on {dimensions}-D movies"
        )


def _config(path: Path) -> TransformerConfig:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError("pyyaml", "learn", "Reading a Trackastra model") from error
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelError(
            f"{path.parent} holds no Trackastra model: {path.name} is missing. Name the unpacked folder of a release, "
            "with config.yaml and model.pt in it"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ModelError(f"{path} must hold keys with values, as in `d_model: 256`")
    unknown = sorted(set(values) - set(_KEYS))
    if unknown:
        raise ModelError(
            f"{path} has keys that are not known: {first_five(unknown)}. Models with pretrained image features are not "
            "supported, only those with positions and shape features"
        )
    mine = {name: values.get(key, default) for key, (name, default) in _KEYS.items()}
    if mine["positional"] is True:  # as the first models wrote "bias"
        mine["positional"] = "bias"
    return TransformerConfig.from_mapping(mine, path)
