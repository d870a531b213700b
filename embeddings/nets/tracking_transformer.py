"""The tracking transformer: all detections of a window in, a logit for every pair out.

After Gallusser & Weigert, "Trackastra: Transformer-based cell tracking for live-cell microscopy", ECCV 2024. Parameters
are named and shaped as in the public Trackastra models, so that their weights fit.
"""

import torch
from torch import Tensor, nn

from embeddings.nets.errors import ModelError
from embeddings.nets.feed_forward import FeedForward
from embeddings.nets.fourier_encoding import FourierEncoding
from embeddings.nets.fusion import Fusion
from embeddings.nets.pair_geometry import Geometry, pair_geometry
from embeddings.nets.relative_bias import RelativeBias
from embeddings.nets.tiled_geometry import tiled_geometry
from embeddings.nets.transformer_config import TransformerConfig
from embeddings.nets.transformer_layers import DecoderLayer, EncoderLayer

# Scale of the slowest frequency of a feature's Fourier code.
_FEATURE_SCALE = 1000.0


class TrackingTransformer(nn.Module):
    """logits = X Y^T,   X = FF_x(encoder(h)),   Y = FF_y(decoder(h, encoder(h))),   h = LN(W [code(t, x), code(f)]).

    t, x are the time and place of a detection, f its features, with its embedding added to them (`Fusion`) where the
    network is made for embeddings. Row i of the logits is the parent (earlier), column j the child. They are neither
    symmetric nor normalised.
    """

    def __init__(self, config: TransformerConfig) -> None:
        """Make the network with random weights; torch's global generator decides them."""
        super().__init__()
        self.config = config
        channels, axes = config.d_model, 1 + config.dimensions
        self.pos_embed = FourierEncoding(
            (config.window_frames, *(config.cutoff_px,) * config.dimensions), config.position_channels
        )
        self.feat_embed: nn.Module = nn.Identity()
        if config.feature_channels > 1:
            self.feat_embed = FourierEncoding((_FEATURE_SCALE,) * config.features, config.feature_channels)
        self.proj = nn.Linear(axes * config.position_channels + config.features * config.feature_channels, channels)
        self.norm = nn.LayerNorm(channels)
        self.encoder = nn.ModuleList([EncoderLayer(config) for _ in range(config.encoder_layers)])
        self.decoder = nn.ModuleList([DecoderLayer(config) for _ in range(config.decoder_layers)])
        self.head_x = FeedForward(channels)
        self.head_y = FeedForward(channels)
        # Last, so that a seed gives all other weights alike with it and without.
        self.fusion = Fusion(config.embedding_channels, config.features) if config.embedding_channels else None

    def forward(
        self,
        coordinates: Tensor,
        features: Tensor | None = None,
        padding: Tensor | None = None,
        embeddings: Tensor | None = None,
    ) -> Tensor:
        """Logits of all pairs, (B, N, N); rows and columns of padding mean nothing. Input as in `embed`."""
        parent, child = self.embed(coordinates, features, padding, embeddings)
        return parent @ child.transpose(-1, -2)

    def embed(
        self,
        coordinates: Tensor,
        features: Tensor | None = None,
        padding: Tensor | None = None,
        embeddings: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """X and Y, whose products are the logits: (B, N, d_model) each. For who needs the logits of a few pairs only.

        coordinates: (B, N, 1 + D) float, (t, [z,] y, x), frames and pixels; let t count from the
            window's first frame (`pair_geometry` says why).
        features: (B, N, F) float, or None if the network has none.
        padding: (B, N) bool, True where there is no detection; finite numbers must stand there all the same.
        embeddings: (B, N, C) float, or None if the network is not made for them.
        A single window without padding, in inference (eval mode, no gradients), is gone through tile by tile where that
        is faster or its pairs would not fit into memory; the result is the same up to rounding.
        Raises ModelError for shapes that do not fit the network.
        """
        self._check(coordinates, features, padding, embeddings)
        if self.fusion is not None:
            features = self.fusion(features, embeddings)
        geometry = self._geometry(coordinates, padding)
        code = self.pos_embed(geometry.coordinates)
        if self.config.features:
            code = torch.cat((code, self.feat_embed(features)), dim=-1)
        start = self.norm(self.proj(code))
        encoded = start
        for layer in self.encoder:
            encoded = layer(encoded, geometry)
        decoded = start
        for layer in self.decoder:
            decoded = layer(decoded, encoded, geometry)
        return self.head_x(encoded), self.head_y(decoded)

    def _geometry(self, coordinates: Tensor, padding: Tensor | None) -> Geometry:
        """All pairs; or, for a single window on a wide field in inference, only those near each other."""
        tables: list[RelativeBias | None] = [layer.attn.pos_bias for layer in (*self.encoder, *self.decoder)]
        cutoff_px, term, table = self.config.cutoff_px, self.config.distance_term, tables[0] if tables else None
        if len(coordinates) == 1 and padding is None and not (self.training or torch.is_grad_enabled()):
            tiled = tiled_geometry(coordinates, cutoff_px=cutoff_px, distance_term=term, table=table)
            if tiled is not None:
                return tiled
        return pair_geometry(coordinates, padding, cutoff_px=cutoff_px, distance_term=term, table=table)

    def _check(
        self, coordinates: Tensor, features: Tensor | None, padding: Tensor | None, embeddings: Tensor | None
    ) -> None:
        axes, count = 1 + self.config.dimensions, self.config.features
        if coordinates.ndim != 3 or coordinates.shape[-1] != axes:
            raise ModelError(
                f"the network is for {self.config.dimensions}-D movies: coordinates must be (B, N, {axes}), found "
                f"{tuple(coordinates.shape)}"
            )
        found = 0 if features is None else features.shape[-1]
        if found != count:
            raise ModelError(
                f"the network was made for {count} features per detection, found {found}: compute the features it was "
                "trained with, or train a network for these"
            )
        given = 0 if embeddings is None else embeddings.shape[-1]
        if given != self.config.embedding_channels:
            raise ModelError(
                f"the network was made for embeddings of {self.config.embedding_channels or 'no'} channels, found "
                f"{given or 'none'}: give those that it was trained with, or train a network for these"
            )
        tokens = coordinates.shape[:2]
        if tokens[1] == 0:
            raise ModelError("the window holds no detections: leave empty windows out")
        if features is not None and features.shape[:2] != tokens:
            raise ModelError(f"features must be {(*tokens, count)}, found {tuple(features.shape)}")
        if embeddings is not None and embeddings.shape[:2] != tokens:
            raise ModelError(f"embeddings must be {(*tokens, given)}, found {tuple(embeddings.shape)}")
        if padding is not None and (padding.shape != tokens or padding.dtype != torch.bool):
            raise ModelError(
                f"padding must be {tuple(tokens)} of bool, found {tuple(padding.shape)} of {padding.dtype}"
            )
