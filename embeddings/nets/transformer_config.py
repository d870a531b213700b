"""The sizes of a tracking transformer."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from embeddings.nets.errors import ModelError
from tracker.errors import first_five

Positional = Literal["rope", "bias", "none"]
DistanceTerm = Literal["v0", "v1"]
Normalisation = Literal["quiet_softmax", "softmax", "linear", "none"]

_AT_LEAST = {
    "dimensions": 2,
    "features": 0,
    "embedding_channels": 0,
    "d_model": 2,
    "heads": 1,
    "encoder_layers": 0,
    "decoder_layers": 0,
    "window_frames": 1,
    "position_channels": 2,
    "feature_channels": 1,
    "bias_bins": 1,
}
_ONE_OF: dict[str, tuple[str, ...]] = {
    "positional": get_args(Positional),
    "distance_term": get_args(DistanceTerm),
    "normalisation": get_args(Normalisation),
}


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes and variants; checked on construction. Raises ModelError naming the key.

    dimensions: 2 (y, x) or 3 (z, y, x).   features: numbers per detection, 0 for positions alone.
    d_model: channels of a token, a multiple of 2 heads.   heads: of each attention.
    encoder_layers, decoder_layers.   dropout: of attention weights, in training.
    window_frames: frames the network was made for; slowest time frequency and end of the bias table.
    cutoff_px: pairs farther apart do not attend to each other; also the slowest spatial frequency.
    position_channels: Fourier channels per axis, even.   feature_channels: per feature, even, or 1 for the bare number.
    positional: "rope" rotates queries and keys, "bias" adds a learnt table, "none" neither.
    embedding_channels: length of the embeddings that are added to the features (`Fusion`), 0 for none.
    bias_bins: bins of distance of the table of "bias".
    distance_term: what nearness adds to the attention logits, see `pair_geometry`.
    normalisation: how logits become scores; the network does not use it, who normalises them does.
    """

    dimensions: int = 2
    features: int = 7
    d_model: int = 256
    heads: int = 4
    encoder_layers: int = 6
    decoder_layers: int = 6
    dropout: float = 0.1
    window_frames: int = 6
    cutoff_px: float = 256.0
    position_channels: int = 32
    feature_channels: int = 8
    positional: Positional = "rope"
    bias_bins: int = 16
    distance_term: DistanceTerm = "v0"
    normalisation: Normalisation = "quiet_softmax"
    embedding_channels: int = 0

    def __post_init__(self) -> None:
        """Check every value."""
        for name, least in _AT_LEAST.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ModelError(f"{name} of a tracking transformer must be a whole number >= {least}, found {value!r}")
        for name, choices in _ONE_OF.items():
            if getattr(self, name) not in choices:
                wanted = ", ".join(choices)
                raise ModelError(
                    f"{name} of a tracking transformer must be one of {wanted}, found {getattr(self, name)!r}"
                )
        if self.embedding_channels and not self.features:
            raise ModelError(
                "a tracking transformer adds embeddings to the shape features of detections, and this one has none: "
                "learn from masks (data.segmentation) instead of points, or without embeddings"
            )
        if self.dimensions > 3:
            raise ModelError(f"dimensions of a tracking transformer must be 2 or 3, found {self.dimensions}")
        if not _is_number(self.dropout) or not 0 <= self.dropout < 1:
            raise ModelError(f"dropout of a tracking transformer must be in [0, 1), found {self.dropout!r}")
        if not _is_number(self.cutoff_px) or not 0 < self.cutoff_px < float("inf"):
            raise ModelError(f"cutoff_px of a tracking transformer must be a number > 0, found {self.cutoff_px!r}")
        if self.d_model % (2 * self.heads):
            raise ModelError(
                f"d_model of a tracking transformer must be a multiple of twice the heads, found d_model "
                f"{self.d_model} with {self.heads} heads"
            )
        if self.position_channels % 2 or (self.feature_channels > 1 and self.feature_channels % 2):
            raise ModelError(
                "position_channels and feature_channels of a tracking transformer must be even (sines and cosines in "
                f"pairs), found {self.position_channels} and {self.feature_channels}"
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], source: object) -> "TransformerConfig":
        """From what `as_mapping` gave: every key must be there and no other. Raises ModelError naming `source`."""
        names = [item.name for item in fields(cls)]
        unknown, missing = sorted(set(values) - set(names)), [name for name in names if name not in values]
        missing = [name for name in missing if name != "embedding_channels"]
        if unknown or missing:
            problems = [f"unknown keys {first_five(unknown)}"] * bool(unknown)
            problems += [f"missing keys {first_five(missing)}"] * bool(missing)
            raise ModelError(f"{source} does not describe a tracking transformer: {'; '.join(problems)}")
        try:
            return cls(**values)
        except ModelError as error:
            raise ModelError(f"{source}: {error}") from error

    def as_mapping(self) -> dict[str, Any]:
        """Plain values, for a file; of embeddings only where there are any, as networks without were stored before."""
        values = asdict(self)
        if not self.embedding_channels:
            del values["embedding_channels"]
        return values


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
