"""Embeddings by SAM: the features of the whole frame, read at detections; tiles, zoom, upsamplers, what is refused."""

import hashlib
import logging
import re
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from autoencoder_cases import movie, part  # noqa: E402
from memory_movie import MemoryMovie  # noqa: E402
from sam_cases import checkpoint  # noqa: E402
from upsampler_cases import Bilinear, Guided, saved  # noqa: E402

from embeddings.frame_images import FrameImages  # noqa: E402
from embeddings.inference import time_left  # noqa: E402
from embeddings.methods.sam import embed_sam  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.nets.sam import SamEncoder, sam_input  # noqa: E402
from embeddings.nets.sam_checkpoint import read_sam_checkpoint  # noqa: E402
from embeddings.table import NodeEmbeddings  # noqa: E402
from embeddings.zoomed_frames import ZoomedFrames  # noqa: E402
from tracker.errors import ConfigError, MovieError  # noqa: E402


@pytest.fixture(scope="module")
def cells():
    """Frames of 96 x 96 pixels, cells of about 10."""
    return movie()[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An encoder that sees 96 pixels, all of a frame."""
    return checkpoint(tmp_path_factory.mktemp("sam") / "whole.pth", image_px=96)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """An encoder that sees 32 pixels, 8 patches."""
    return checkpoint(tmp_path_factory.mktemp("sam") / "small.pth")


def features_of(path, image):
    with torch.no_grad():
        return SamEncoder(read_sam_checkpoint(path))(sam_input(image)[None])[0]


def over_pixels(features, shape):
    return torch.nn.functional.interpolate(features[None], shape, mode="bilinear")[0].numpy()


def rows_of(found, step):
    return range(found.starts[step], found.starts[step + 1])


def test_the_mean_over_masks_is_that_of_the_enlarged_features(cells, whole, tmp_path):
    found, frames = cells.detections, FrameImages(cells, "SAM")
    table = embed_sam(whole, cells, device="cpu")
    assert table.key.tolist() == np.column_stack([found.frame, found.label]).tolist()
    for step in (0, 4):
        every, mask = over_pixels(features_of(whole, frames.image(step)), (96, 96)), cells.masks.read(step)
        for row in rows_of(found, step):
            expected = every[:, mask == found.label[row]].mean(axis=1)
            np.testing.assert_allclose(table.vector[row], expected, atol=1e-5)
    table.save(tmp_path / "embeddings.npz")
    about = NodeEmbeddings.load(tmp_path / "embeddings.npz").provenance
    stored = read_sam_checkpoint(whole)
    assert about == {
        "model": {"checkpoint": "whole.pth", "sha256": stored.digest, "sizes": stored.sizes.as_mapping()},
        "movie": {"name": "movie 1", "digest": cells.digest, "images": "images"},
        "embedding": {
            "aggregation": "mask_mean", "zoom": 1.0, "overlap": 0.25, "upsampler": "bilinear", "encoder_passes": 6,
        },
    }  # fmt: skip
    assert table.method == "sam"


def read_at(features, place, shape):
    """Bilinear, at places y, x in pixels: what grid_sample does with them as -1 .. 1 over the frame."""
    relative = (place + 0.5) / np.array(shape) * 2 - 1
    grid = torch.from_numpy(relative[:, ::-1].copy()).float()[None, None]
    read = torch.nn.functional.grid_sample(features[None], grid, padding_mode="border", align_corners=False)
    return read[0, :, 0].T.numpy()


def test_centroids_lie_between_pixels(cells, whole):
    found, frames = cells.detections, FrameImages(cells, "SAM")
    table = embed_sam(whole, cells, aggregation="centroid", device="cpu")
    rows = list(rows_of(found, 2))
    box = found.properties["bbox_px"][rows]
    centre = (box[:, :2] + box[:, 2:] - 1) / 2
    assert (centre % 1 != 0).any()
    expected = read_at(features_of(whole, frames.image(2)), centre, (96, 96))
    np.testing.assert_allclose(table.vector[rows], expected, atol=1e-5)


def test_points_are_read_at_their_positions(cells, whole):
    found, frames = cells.detections, FrameImages(cells, "SAM")
    points = part(cells, np.arange(len(found)), masks=None)
    table = embed_sam(whole, points, aggregation="centroid", device="cpu")
    rows = list(rows_of(found, 2))
    expected = read_at(features_of(whole, frames.image(2)), found.position[rows], (96, 96))
    np.testing.assert_allclose(table.vector[rows], expected, atol=1e-5)


def test_large_frames_are_cut_into_tiles(cells, small):
    found, image = cells.detections, FrameImages(cells, "SAM").image(3)
    table = embed_sam(small, cells, overlap=0.5, device="cpu")
    starts = (0, 4, 8, 12, 16)  # of tiles of 8 tokens, along 24
    maps = {
        (y, x): features_of(small, image[4 * y : 4 * y + 32, 4 * x : 4 * x + 32]).numpy()
        for y in starts
        for x in starts
    }
    nearest = [min(starts, key=lambda start: abs(token - start - 3.5)) for token in range(24)]
    every = np.empty((6, 24, 24), np.float32)
    for y, v in enumerate(nearest):
        for x, u in enumerate(nearest):
            every[:, y, x] = maps[v, u][:, y - v, x - u]
    expected, mask = over_pixels(torch.from_numpy(every), (96, 96)), cells.masks.read(3)
    for row in rows_of(found, 3):
        np.testing.assert_allclose(table.vector[row], expected[:, mask == found.label[row]].mean(axis=1), atol=1e-5)


def test_only_tiles_with_detections_are_encoded(cells, small):
    found = cells.detections
    row = int(np.flatnonzero(found.frame == 1)[0])
    table = embed_sam(small, cells, device="cpu")
    lonely = embed_sam(small, part(cells, np.array([row])), device="cpu")
    assert table.provenance["embedding"]["encoder_passes"] <= 6 * 16
    assert 1 <= lonely.provenance["embedding"]["encoder_passes"] <= 4
    np.testing.assert_allclose(lonely.vector[0], table.vector[row], atol=1e-6)


def test_no_detections_at_all(cells, small):
    table = embed_sam(small, part(cells, np.zeros(0, np.int64)), device="cpu")
    assert table.vector.shape == (0, 6)
    assert table.provenance["embedding"]["encoder_passes"] == 0


def test_small_frames_are_enlarged_to_what_the_encoder_sees(cells, tmp_path):
    path = checkpoint(tmp_path / "sam.pth", image_px=192)
    table = embed_sam(path, cells, device="cpu")
    assert table.provenance["embedding"]["zoom"] == 2.0
    found, frames = cells.detections, FrameImages(cells, "SAM")
    doubled = ZoomedFrames(frames, 2.0).image(1)
    assert doubled.shape == (192, 192)
    every, mask = over_pixels(features_of(path, doubled), (96, 96)), cells.masks.read(1)
    for row in rows_of(found, 1):
        np.testing.assert_allclose(table.vector[row], every[:, mask == found.label[row]].mean(axis=1), atol=1e-5)


def test_frames_that_are_no_multiple_of_a_patch(cells, whole):
    """94 x 90 pixels: the tokens reach 2 pixels beyond, where SAM sees its 0, and lie where they did."""
    images, masks = ({t: one.read(t)[:94, :90] for t in range(6)} for one in (cells.images, cells.masks))
    mask = MemoryMovie(masks, "masks")
    smaller = replace(cells, images=MemoryMovie(images, "images"), masks=mask)
    smaller = part(smaller, [row for row in rows_of(cells.detections, 5) if cells.detections.label[row] in masks[5]])
    table = embed_sam(whole, smaller, zoom=1.0, device="cpu")
    seen = torch.zeros(3, 96, 96)
    seen[:, :94, :90] = sam_input(FrameImages(smaller, "SAM").image(5))
    with torch.no_grad():
        features = SamEncoder(read_sam_checkpoint(whole))(seen[None])[0, :, :24, :23]
    every = over_pixels(features, (96, 92))
    for vector, label in zip(table.vector, smaller.detections.label, strict=True):
        place = np.argwhere(masks[5] == label)
        np.testing.assert_allclose(vector, every[:, place[:, 0], place[:, 1]].mean(axis=1), atol=1e-5)


# ---- upsamplers


def test_an_upsampler_that_is_bilinear_changes_nothing(cells, whole, small, tmp_path):
    path = saved(Bilinear(), tmp_path / "up.pt")
    for encoder in (whole, small):
        plain = embed_sam(encoder, cells, device="cpu")
        up = embed_sam(encoder, cells, upsampler="anyup", upsampler_path=path, device="cpu")
        np.testing.assert_allclose(up.vector, plain.vector, atol=1e-5)
    about = up.provenance["embedding"]
    assert (about["upsampler"], len(about["upsampler_sha256"])) == ("anyup", 64)
    assert about["encoder_passes"] == 6 * 16  # all tiles


def test_an_upsampler_that_has_changed_is_refused(cells, small, tmp_path):
    path = saved(Bilinear(), tmp_path / "up.pt")
    given = {"upsampler": "anyup", "upsampler_path": str(path), "device": "cpu"}
    embed_sam(small, part(cells, [0]), upsampler_sha256=hashlib.sha256(path.read_bytes()).hexdigest(), **given)
    message = f"the upsampler {path} has changed: wanted a file of the sha256 {'0' * 64}"
    with pytest.raises(ModelError, match=f"^{re.escape(message)}$"):
        embed_sam(small, cells, upsampler_sha256="0" * 64, **given)


def test_an_upsampler_is_guided_by_the_frame(cells, whole, tmp_path):
    path, found = saved(Guided(), tmp_path / "up.pt"), cells.detections
    table = embed_sam(whole, cells, upsampler="anyup", upsampler_path=path, device="cpu")
    image, mask = FrameImages(cells, "SAM").image(2), cells.masks.read(2)
    every = Guided()(sam_input(image)[None], features_of(whole, image)[None])[0].numpy()
    for row in rows_of(found, 2):
        np.testing.assert_allclose(table.vector[row], every[:, mask == found.label[row]].mean(axis=1), atol=1e-5)


def test_an_upsampler_sees_a_margin_where_tokens_reach_beyond_the_frame(cells, whole, tmp_path):
    """94 x 90 pixels, 24 x 23 tokens: upsampled to 96 x 92, and a centroid is read between the pixels of that."""
    crop = {t: cells.images.read(t)[:94, :90] for t in range(6)}
    points = part(replace(cells, images=MemoryMovie(crop, "images")), np.arange(5), masks=None)
    path = saved(Guided(), tmp_path / "up.pt")
    table = embed_sam(
        whole, points, aggregation="centroid", zoom=1.0, upsampler="anyup", upsampler_path=path, device="cpu"
    )
    seen = torch.zeros(1, 3, 96, 96)
    seen[0, :, :94, :90] = sam_input(FrameImages(points, "SAM").image(0))
    with torch.no_grad():
        features = SamEncoder(read_sam_checkpoint(whole))(seen)[:, :, :24, :23]
    every = Guided()(seen[..., :92], features)[0]
    np.testing.assert_allclose(table.vector, read_at(every, points.detections.position, (96, 92)), atol=1e-4)


# ---- what is refused, and said


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"aggregation": "box"}, "aggregation must be one of centroid, mask_mean, found 'box'"),
        ({"upsampler": "fast"}, "upsampler must be one of bilinear, anyup, found 'fast'"),
        ({"upsampler": "anyup"}, 'upsampler = "anyup" needs upsampler_path, a TorchScript file of AnyUp'),
        (
            {"upsampler_path": "up.pt"},
            "upsampler_path is for upsampler = \"anyup\", found 'bilinear': leave one of both out",
        ),
        ({"overlap": 1.0}, "overlap must lie in [0, 1), found 1"),
        ({"zoom": 0.0}, "zoom must be positive and finite, found 0"),
    ],
)
def test_settings_out_of_range(cells, small, given, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        embed_sam(small, cells, device="cpu", **given)


def test_cells_that_are_too_small_or_too_large(cells, small, whole):
    diameter = float(np.median(cells.detections.properties["equivalent_diameter_px"]))
    for path, zoom, sees in ((small, 0.25, 32), (whole, 20.0, 96)):
        message = (
            f"SAM sees {sees} px at a time in patches of 4 px, but the cells of movie 1 are {diameter * zoom:.3g} px "
            f"across at zoom {zoom:.3g}: they must be larger than a patch and smaller than what it sees. Set zoom = "
            f"{16 / diameter:.2g}"
        )
        with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
            embed_sam(path, cells, zoom=zoom, device="cpu")


def test_movies_that_do_not_fit(cells, small):
    with pytest.raises(ConfigError, match=r"^SAM needs data.images: give the images of movie 1$"):
        embed_sam(small, replace(cells, images=None), device="cpu")
    points = part(cells, np.arange(len(cells.detections)), masks=None)
    message = 'aggregation = "mask_mean" needs data.segmentation; give it, or take "centroid"'
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        embed_sam(small, points, device="cpu")
    empty = MemoryMovie({t: np.zeros((96, 96), np.uint16) for t in range(6)}, "empty")
    with pytest.raises(MovieError, match=r"^the masks empty have no pixel of the detections "):
        embed_sam(small, replace(cells, masks=empty), device="cpu")


def test_a_long_wait_is_announced(cells, small, caplog, monkeypatch):
    clock = iter(range(0, 10_000, 100))
    monkeypatch.setattr(time_left.time, "monotonic", lambda: next(clock))
    with caplog.at_level(logging.DEBUG, logger="embeddings.inference.time_left"):
        embed_sam(small, cells, device="cpu")
    assert caplog.messages[:3] == [
        "SAM: frame 1 of 6",
        "SAM takes 100 s per frame on cpu, so another 8 minutes for 5 frames",
        "SAM: frame 2 of 6",
    ]
    assert len(caplog.messages) == 7
