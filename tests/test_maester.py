"""MAESTER: that it learns, that it is the same by seed, that a training is resumed, what it embeds, what it refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from autoencoder_cases import copy_model, movie, part  # noqa: E402
from mae_cases import SETTINGS, SMALL  # noqa: E402
from memory_movie import MemoryMovie  # noqa: E402

from embeddings.frame_crops import draw_crops  # noqa: E402
from embeddings.frame_images import FrameImages  # noqa: E402
from embeddings.inference.field_of_view import dense_embeddings  # noqa: E402
from embeddings.methods.maester import embed_maester, load_maester, train_maester  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.nets.mae import draw_kept, masked_pixel_error, seeded_mae  # noqa: E402
from embeddings.table import NodeEmbeddings  # noqa: E402
from embeddings.training.errors import TrainingError  # noqa: E402
from tracker.detections import Detections  # noqa: E402
from tracker.errors import ConfigError, MovieError  # noqa: E402

CPU = torch.device("cpu")
SHORT = replace(SETTINGS, steps=6, validate_steps=3, report_steps=2)


@pytest.fixture(scope="module")
def cells():
    return movie()[0]


@pytest.fixture(scope="module")
def trained(cells, tmp_path_factory):
    folder = tmp_path_factory.mktemp("maester")
    return folder, train_maester([cells], folder, config=SMALL, settings=SETTINGS, batch_size=16)


@pytest.fixture(scope="module")
def dense(cells, trained):
    """The dense maps of two frames."""
    network, _, _ = load_maester(trained[0])
    frames = FrameImages(cells, "MAESTER")
    return {step: dense_embeddings(network, frames.image(step), CPU) for step in (0, 4)}


def weights(folder):
    return load_maester(folder)[0].state_dict()


def test_it_fills_in_an_unseen_movie_better_than_untrained(trained):
    frames = FrameImages(movie(2)[0], "MAESTER")
    rng = np.random.default_rng(0)
    crops = draw_crops(rng, np.stack([frames.image(step) for step in range(len(frames))]), 48, SMALL.image_px)
    batch = torch.from_numpy(crops)[:, None], torch.from_numpy(draw_kept(rng, 48, SMALL))
    with torch.no_grad():
        untrained = masked_pixel_error(seeded_mae(SMALL, SETTINGS.seed), batch).item()
        learnt = masked_pixel_error(load_maester(trained[0])[0], batch).item()
    assert learnt < 0.2 * untrained


def test_the_folder_says_where_the_model_comes_from(cells, trained):
    folder, done = trained
    about = json.loads((folder / "model.json").read_text())
    assert about["network"] == "maester"
    assert about["config"] == {"maester": SMALL.as_mapping(), "frames": {"zoom": 1.0}}
    kept = about["provenance"]
    assert (kept["stopped"], kept["steps"], kept["best_step"]) == ("finished", SETTINGS.steps, done.best_step)
    assert kept["held_out_loss"] == done.held_out_loss
    assert kept["movies"] == [{"name": "movie 1", "digest": cells.digest, "images": "images", "frames": 6}]


def test_two_movies_and_the_seed(cells, tmp_path):
    movies = [cells, movie(2)[0]]
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        train_maester(movies, tmp_path / name, config=SMALL, settings=replace(SHORT, seed=seed), batch_size=4)
    one, same, other = (weights(tmp_path / name) for name in ("one", "same", "other"))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["embed.weight"], other["embed.weight"])


def test_an_interrupted_training_goes_on(cells, tmp_path):
    given = {"config": SMALL, "settings": SHORT, "batch_size": 4, "frames_held": 2}

    def press(shown):
        if shown.step == 4:
            raise KeyboardInterrupt

    train_maester([cells], tmp_path / "whole", **given)
    first = train_maester([cells], tmp_path / "parts", **given, watch=press)
    assert (first.stopped, first.steps) == ("interrupted", 4)
    with pytest.raises(TrainingError, match=r"cannot be resumed: zoom was 1.0 and is now 2.0"):
        train_maester([cells], tmp_path / "parts", **given, zoom=2.0, resume=True)
    assert train_maester([cells], tmp_path / "parts", **given, resume=True).stopped == "finished"
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_single_frame_is_enough(cells, tmp_path):
    found = cells.detections
    rows = np.flatnonzero(found.frame == 0)
    alone = Detections(found.frame[rows], found.label[rows], found.position[rows], np.array([0]), found.scale)
    done = train_maester([replace(cells, detections=alone)], tmp_path, config=SMALL, settings=SHORT, batch_size=4)
    assert (done.stopped, done.best_step) == ("finished", -1)
    assert load_maester(tmp_path)[2]["held_out_loss"] is None


# ---- embeddings


def test_centroids_are_pixels_of_the_dense_map(cells, trained, dense, tmp_path):
    found = cells.detections
    table = embed_maester(trained[0], cells, device="cpu", batch_size=7)
    assert table.key.tolist() == np.column_stack([found.frame, found.label]).tolist()
    for step, (embeddings, passes) in dense.items():
        for row in range(found.starts[step], found.starts[step + 1]):
            y0, x0, y1, x1 = found.properties["bbox_px"][row].astype(int)
            expected = embeddings[(y0 + y1) // 2, (x0 + x1) // 2]
            np.testing.assert_allclose(table.vector[row], expected, atol=1e-5)
        assert passes == 9 * 8 * 8
    table.save(tmp_path / "embeddings.npz")
    about = NodeEmbeddings.load(tmp_path / "embeddings.npz").provenance
    assert about["embedding"].pop("fields_of_view") <= len(found)  # two centroids may share one
    assert about["embedding"] == {"aggregation": "centroid", "zoom": 1.0}
    assert about["movie"]["digest"] == cells.digest
    assert table.method == "maester"


def test_the_mean_over_masks_is_that_of_the_dense_map(cells, trained, dense):
    found = cells.detections
    table = embed_maester(
        trained[0], cells, aggregation="mask_mean", pixels_per_detection=None, device="cpu", batch_size=256
    )
    for step, (embeddings, _) in dense.items():
        mask = cells.masks.read(step)
        for row in range(found.starts[step], found.starts[step + 1]):
            expected = embeddings[mask == found.label[row]].mean(axis=0)
            np.testing.assert_allclose(table.vector[row], expected, atol=1e-5)


def test_a_sample_of_the_mask(cells, trained):
    given = {"aggregation": "mask_mean", "device": "cpu", "batch_size": 256}
    one, same, other = (embed_maester(trained[0], cells, **given, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.vector, same.vector)
    assert not np.allclose(one.vector, other.vector, atol=1e-4)
    few = embed_maester(trained[0], cells, **given, pixels_per_detection=2)
    centre = embed_maester(trained[0], cells, device="cpu")
    counts = [table.provenance["embedding"]["fields_of_view"] for table in (centre, few, one)]
    assert counts[0] <= counts[1] < counts[2] < 16 * len(cells.detections) / 2
    every = embed_maester(trained[0], cells, **{**given, "pixels_per_detection": None})
    error = [np.linalg.norm(table.vector - every.vector) for table in (centre, few, one)]
    assert error[2] < error[1] < error[0]


def test_points_have_no_box(cells, trained):
    points = part(cells, np.arange(len(cells.detections)), masks=None)
    table = embed_maester(trained[0], points, device="cpu")
    boxes = embed_maester(trained[0], cells, device="cpu")
    assert table.vector.shape == boxes.vector.shape
    assert np.linalg.norm(table.vector - boxes.vector) < 0.5 * np.linalg.norm(boxes.vector)


def test_frames_are_read_one_at_a_time(cells, trained):
    images, masks = MemoryMovie(cells.images.pixels, "images"), MemoryMovie(cells.masks.pixels, "masks")
    embed_maester(trained[0], replace(cells, images=images, masks=masks), aggregation="mask_mean", batch_size=256)
    assert images.reads == masks.reads == cells.detections.frames.tolist()


def test_a_zoom_is_remembered(cells, tmp_path):
    train_maester([cells], tmp_path, config=SMALL, zoom=1.5, settings=replace(SHORT, steps=2), batch_size=4)
    as_trained = embed_maester(tmp_path, cells, device="cpu")
    assert as_trained.provenance["embedding"]["zoom"] == 1.5
    np.testing.assert_array_equal(as_trained.vector, embed_maester(tmp_path, cells, zoom=1.5, device="cpu").vector)
    assert not np.allclose(as_trained.vector, embed_maester(tmp_path, cells, zoom=1.0, device="cpu").vector)


# ---- what is refused


def test_nan_in_the_images_names_the_frame(cells, trained, tmp_path):
    pixels = {frame: image.astype("float32") for frame, image in cells.images.pixels.items()}
    pixels[4][5, 6] = np.nan
    broken = replace(cells, images=MemoryMovie(pixels, "images"))
    for attempt in (
        lambda: embed_maester(trained[0], broken),
        lambda: train_maester([broken], tmp_path, config=SMALL, settings=SHORT),
    ):
        with pytest.raises(MovieError, match="1 are NaN or infinite in frame t = 4 of images"):
            attempt()


def test_volumes_are_refused(cells, trained, tmp_path):
    volumes = replace(cells, images=MemoryMovie({t: one[None] for t, one in cells.images.pixels.items()}, "stack.tif"))
    for attempt in (
        lambda: embed_maester(trained[0], volumes),
        lambda: train_maester([volumes], tmp_path, config=SMALL, settings=SHORT),
    ):
        with pytest.raises(ConfigError, match=r"^MAESTER is for 2-D movies, but the images stack.tif have 3 axes"):
            attempt()


def test_a_movie_without_images_is_refused(cells, tmp_path):
    with pytest.raises(ConfigError) as error:
        train_maester([replace(cells, images=None)], tmp_path, config=SMALL, settings=SHORT)
    assert str(error.value) == "MAESTER needs data.images: give the images of movie 1"


def test_no_movie(tmp_path):
    with pytest.raises(ConfigError) as error:
        train_maester([], tmp_path, config=SMALL, settings=SHORT)
    assert str(error.value) == "MAESTER needs at least one movie to learn from, found none"


def test_cells_must_fit_the_field_of_view(cells, trained, tmp_path):
    typical = np.median(cells.detections.properties["equivalent_diameter_px"])
    message = (
        f"MAESTER sees fields of 24 px in patches of 3 px, but the cells of movie 1 are {4 * typical:.3g} px across at "
        "zoom 4: they must be larger than a patch and smaller than the field. "
        f"Set zoom = {6 / typical:.2g}, or other image_px and patch_px"
    )
    for attempt in (
        lambda: embed_maester(trained[0], cells, zoom=4.0),
        lambda: train_maester([cells], tmp_path, config=SMALL, zoom=4.0, settings=SHORT),
    ):
        with pytest.raises(ConfigError) as error:
            attempt()
        assert str(error.value) == message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"aggregation": "mean"}, "aggregation must be one of centroid, mask_mean, found 'mean'"),
        ({"pixels_per_detection": 0}, "pixels_per_detection must be at least 1, or none for all, found 0"),
        ({"seed": -1}, "seed must be at least 0, found -1"),
        ({"batch_size": 0}, "batch_size must be positive, found 0"),
    ],
)
def test_arguments_are_checked(cells, trained, given, message):
    with pytest.raises(ConfigError) as error:
        embed_maester(trained[0], cells, **given)
    assert str(error.value) == message


def test_the_mean_over_masks_needs_masks(cells, trained):
    with pytest.raises(ConfigError) as error:
        embed_maester(trained[0], replace(cells, masks=None), aggregation="mask_mean")
    assert str(error.value) == 'aggregation = "mask_mean" needs data.segmentation; give it, or take "centroid"'


def test_masks_of_another_movie(cells, trained):
    pixels = {t: mask.copy() for t, mask in cells.masks.pixels.items()}
    label = int(cells.detections.label[0])
    pixels[0][pixels[0] == label] = 0
    with pytest.raises(MovieError) as error:
        embed_maester(trained[0], replace(cells, masks=MemoryMovie(pixels, "masks")), aggregation="mask_mean")
    assert str(error.value) == (
        f"the masks masks have no pixel of the detections 0:{label}; give the masks that the detections were made from"
    )


@pytest.mark.parametrize("change", [{"frames": {}}, {"maester": {"width": 16}}, {"frames": {"zoom": "wide"}}])
def test_a_damaged_description_is_refused(trained, tmp_path, change):
    copy_model(trained[0], tmp_path, change)
    with pytest.raises(ModelError):
        load_maester(tmp_path)
