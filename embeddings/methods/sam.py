"""Embeddings by the image encoder of Segment Anything or micro-SAM: what a cell looks like to a network for all images.

Nothing is trained here: the weights are those of a published checkpoint.
"""

from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from embeddings.frame_images import FrameImages
from embeddings.inference.detection_places import box_centres_px, mask_places_px
from embeddings.inference.feature_map import FeatureGrid, read_map
from embeddings.inference.time_left import timed
from embeddings.inference.token_tiles import TokenTile, cut, token_tiles
from embeddings.learning_movie import LearningMovie, about_movie
from embeddings.methods.maester import Aggregation
from embeddings.nets.anyup import Upsampler
from embeddings.nets.errors import ModelError
from embeddings.nets.sam import SamEncoder, sam_input
from embeddings.nets.sam_checkpoint import SamSizes, read_sam_checkpoint
from embeddings.table import NodeEmbeddings
from embeddings.training.device import choose_device, memory_watched
from embeddings.zoomed_frames import ZoomedFrames
from tracker.errors import ConfigError

METHOD = "sam"
UpsamplerName = Literal["bilinear", "anyup"]
_NOUN = "SAM"
_IDEAL_TOKENS = 4  # across a cell, that are suggested where it is too small or too large


def embed_sam(
    checkpoint: Path,
    movie: LearningMovie,
    *,
    aggregation: Aggregation = "mask_mean",
    zoom: float | None = None,
    overlap: float = 0.25,
    upsampler: UpsamplerName = "bilinear",
    upsampler_path: Path | str | None = None,
    upsampler_sha256: str | None = None,
    device: str = "auto",
) -> NodeEmbeddings:
    """The embedding of every detection by the image encoder in `checkpoint`, (N, channels), in their order.

    Frames are scaled by their percentiles to 0..255, as three equal colours, and enlarged by `zoom`; the encoder gives
    256 channels for each patch of 16 pixels (vit_b, vit_l, vit_h).
    checkpoint: a file as `read_sam_checkpoint` takes it.
    aggregation: "mask_mean": the mean over all pixels of the mask. "centroid": at the centre of the mask's bounding
        box, or at the position of a detection without one.
    zoom: None = so that the longest side becomes the encoder's input (1024 pixels), and 1 for frames that are longer.
        What is longer then is cut into tiles; each token is taken from the tile where it is most central.
    overlap: share of a tile that neighbours have in common at least, in [0, 1).
    upsampler: how features are read between the centres of patches. "bilinear"; or "anyup": by the `Upsampler` in
        `upsampler_path`, guided by the frame, which needs memory for channels x pixels numbers.
    upsampler_sha256: of that file; another one is refused.
    Only tiles whose tokens are asked for are encoded; the provenance has how many.
    Raises ModelError for files that do not fit; MissingExtraError without transformers; ConfigError for a movie that
    is not 2-D or without images, cells smaller than a patch, and numbers out of range; MovieError for pixels that are
    NaN or infinite; TrainingError when memory runs out.
    """
    if aggregation not in get_args(Aggregation):
        raise ConfigError(f"aggregation must be one of {', '.join(get_args(Aggregation))}, found {aggregation!r}")
    if upsampler not in get_args(UpsamplerName):
        raise ConfigError(f"upsampler must be one of {', '.join(get_args(UpsamplerName))}, found {upsampler!r}")
    if upsampler == "anyup" and upsampler_path is None:
        raise ConfigError('upsampler = "anyup" needs upsampler_path, a TorchScript file of AnyUp')
    if upsampler != "anyup" and upsampler_path is not None:
        raise ConfigError(f'upsampler_path is for upsampler = "anyup", found {upsampler!r}: leave one of both out')
    if aggregation == "mask_mean" and movie.masks is None:
        raise ConfigError('aggregation = "mask_mean" needs data.segmentation; give it, or take "centroid"')
    stored = read_sam_checkpoint(checkpoint)
    frames = sam_frames(movie, stored.sizes, zoom)
    tiles = token_tiles(_tokens(frames, stored.sizes), stored.sizes.grid, overlap)
    chosen = choose_device(device)
    network = SamEncoder(stored).to(chosen)
    enlarge = None if upsampler_path is None else Upsampler(Path(upsampler_path)).to(chosen)
    if enlarge is not None and upsampler_sha256 not in (None, enlarge.digest):
        raise ModelError(f"the upsampler {upsampler_path} has changed: wanted a file of the sha256 {upsampler_sha256}")
    found = movie.detections
    vector = np.zeros((len(found), stored.sizes.channels), np.float32)
    passes, steps = 0, np.flatnonzero(np.diff(found.starts)).tolist()
    for step in timed(steps, len(steps), _NOUN, chosen):
        rows = np.arange(found.starts[step], found.starts[step + 1])
        grid = _grid(frames, stored.sizes)
        needed = None
        if enlarge is None:
            weights = _weights(movie, step, rows, grid, aggregation)
            needed = np.zeros(grid.shape, np.bool_)
            needed.ravel()[weights.indices] = True
        features, encoded = _encode(network, frames.image(step), tiles, needed, chosen)
        passes += encoded
        if enlarge is not None:
            features = _enlarge(enlarge, frames.frames.image(step), features, grid, chosen)
            grid = FeatureGrid(features.shape[1:], (1.0, 1.0))
            weights = _weights(movie, step, rows, grid, aggregation)
        vector[rows] = read_map(features, weights)
    how: dict[str, Any] = {"aggregation": aggregation, "zoom": frames.zoom, "overlap": overlap, "upsampler": upsampler}
    if enlarge is not None:
        how["upsampler_sha256"] = enlarge.digest
    model = {"checkpoint": checkpoint.name, "sha256": stored.digest, "sizes": stored.sizes.as_mapping()}
    key = np.column_stack([found.frame, found.label])
    provenance = {"model": model, "movie": about_movie(movie), "embedding": {**how, "encoder_passes": passes}}
    return NodeEmbeddings(key, vector, METHOD, provenance)


def sam_frames(movie: LearningMovie, sizes: SamSizes, zoom: float | None) -> ZoomedFrames:
    """The frames of a movie as enlarged by `zoom` of `embed_sam`.

    Raises ConfigError where the cells, if their size is known, are smaller than a patch, or larger than a tile.
    """
    frames = FrameImages(movie, _NOUN)
    longest = max(frames.images.shape)
    if zoom is None:
        zoom = max(sizes.image_px / longest, 1.0)
    zoomed = ZoomedFrames(frames, zoom)
    diameter = movie.detections.properties.get("equivalent_diameter_px")
    if diameter is None or not len(diameter):
        return zoomed
    typical = float(np.median(diameter))
    if not sizes.patch_px <= typical * zoom <= sizes.image_px:
        raise ConfigError(
            f"{_NOUN} sees {sizes.image_px} px at a time in patches of {sizes.patch_px} px, but the cells of "
            f"{movie.name} are {typical * zoom:.3g} px across at zoom {zoom:.3g}: they must be larger than a patch and "
            f"smaller than what it sees. Set zoom = {_IDEAL_TOKENS * sizes.patch_px / typical:.2g}"
        )
    return zoomed


def _tokens(frames: ZoomedFrames, sizes: SamSizes) -> tuple[int, int]:
    """Tokens along y and x that cover the enlarged frames."""
    height, width = frames.shape
    return -(-height // sizes.patch_px), -(-width // sizes.patch_px)


def _grid(frames: ZoomedFrames, sizes: SamSizes) -> FeatureGrid:
    """How these tokens lie on the frames themselves."""
    (height, width), (full_height, full_width) = frames.frames.images.shape, frames.shape
    return FeatureGrid(
        _tokens(frames, sizes), (full_height / height / sizes.patch_px, full_width / width / sizes.patch_px)
    )


def _weights(
    movie: LearningMovie, step: int, rows: NDArray[np.int64], grid: FeatureGrid, aggregation: Aggregation
) -> csr_array:
    """(n, cells): what the cells of a map count in the embedding of each detection of a step."""
    if aggregation == "centroid":
        return grid.weights(box_centres_px(movie.detections, rows))
    place, owner = mask_places_px(movie, step, rows)
    return grid.mean_weights(place.astype(np.float64), owner, len(rows))


def _encode(
    network: SamEncoder,
    image: NDArray[np.float32],
    tiles: list[TokenTile],
    needed: NDArray[np.bool_] | None,
    device: torch.device,
) -> tuple[NDArray[np.float32], int]:
    """The features (C, rows, columns) of an image, tile by tile, and how many were encoded.

    needed: (rows, columns) tokens that are asked for, None = all; tiles without any stay 0.
    """
    sizes = network.sizes
    shape = (max(tile.rows.stop for tile in tiles), max(tile.columns.stop for tile in tiles))
    features = np.zeros((sizes.channels, *shape), np.float32)
    seen = sam_input(image).numpy()
    encoded = 0
    for tile in tiles:
        if needed is not None and not needed[tile.rows, tile.columns].any():
            continue
        start = (tile.start[0] * sizes.patch_px, tile.start[1] * sizes.patch_px)
        batch = torch.from_numpy(cut(seen, start, sizes.image_px))[None]
        advice = 'Embed on the CPU (device = "cpu"), or take a smaller checkpoint, such as vit_b'
        with torch.inference_mode(), memory_watched(device, "encoding frames", advice):
            every = network(batch.to(device))[0].float().cpu().numpy()
        features[:, tile.rows, tile.columns] = every[:, *tile.within]
        encoded += 1
    return features, encoded


def _enlarge(
    upsampler: Upsampler,
    image: NDArray[np.float32],
    features: NDArray[np.float32],
    grid: FeatureGrid,
    device: torch.device,
) -> NDArray[np.float32]:
    """The features at every pixel of a frame, and of its margin where the tokens reach beyond it: (C, y, x).

    image: (y, x) of the frame itself.   grid: how the features lie on it.
    """
    seen = sam_input(image)
    # With the margin, image and tokens cover the same area, to within half a pixel at its far edge.
    sizes = zip(grid.shape, grid.cells_per_px, image.shape, strict=True)
    margin = [max(round(cells / per_px) - length, 0) for cells, per_px, length in sizes]
    seen = torch.nn.functional.pad(seen, (0, margin[1], 0, margin[0]))
    advice = 'Take upsampler = "bilinear", or write the upsampler such that it works in parts'
    with torch.inference_mode(), memory_watched(device, "upsampling features", advice):
        enlarged: NDArray[np.float32] = (
            upsampler(seen[None].to(device), torch.from_numpy(features)[None].to(device))[0].float().cpu().numpy()
        )
        return enlarged
