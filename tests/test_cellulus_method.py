"""Cellulus: that it learns objects without labels, the same by seed, resumed, in 3-D; what it embeds."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from cellulus_cases import PAIRS, SEGMENT, SETTINGS, SHORT, SMALL, TINY, disc_movie, discs, volumes  # noqa: E402
from memory_movie import MemoryMovie  # noqa: E402

from embeddings.cellulus_crops import PairSampling  # noqa: E402
from embeddings.cellulus_frames import ScaledFrames, images_alone  # noqa: E402
from embeddings.inference.cellulus_masks import SegmentSettings, objects_of, segment_step  # noqa: E402
from embeddings.inference.cellulus_offsets import NoiseSettings, dense_maps  # noqa: E402
from embeddings.learning_movie import LearningMovie  # noqa: E402
from embeddings.methods.cellulus import embed_cellulus, load_cellulus, train_cellulus  # noqa: E402
from embeddings.nets.cellulus import seeded_cellulus  # noqa: E402
from embeddings.training.errors import TrainingError  # noqa: E402
from tracker.mask_accuracy import mask_accuracy  # noqa: E402
from tracker.reading import detections_from_masks  # noqa: E402

CPU = torch.device("cpu")
BRIEF = {"config": TINY, "crop_px": (40,), "pairs": PAIRS, "batch_size": 2}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cellulus")
    done = train_cellulus(
        [disc_movie()], folder, config=SMALL, crop_px=(72,), pairs=PAIRS, batch_size=4, settings=SETTINGS
    )
    return folder, done


def accuracy(network, seed, settings=SEGMENT):
    """F1 on the first two frames of a movie."""
    images, masks = discs(seed, 2)
    frames = ScaledFrames(images_alone(images, images.frames, "discs"))
    found = {step: segment_step(network, frames, step, settings, CPU).labels for step in range(2)}
    return mask_accuracy(MemoryMovie(found, "found"), masks).f1


def weights(folder):
    return load_cellulus(folder)[0].state_dict()


# ---- it learns


@pytest.mark.parametrize("clustering", ["mean_shift", "seeds", "greedy"])
def test_it_finds_the_discs_of_an_unseen_movie(trained, clustering):
    settings = replace(SEGMENT, clustering=clustering)
    learnt = accuracy(load_cellulus(trained[0])[0], 7, settings)
    untrained = accuracy(seeded_cellulus(SMALL, SETTINGS.seed), 7, settings)
    assert learnt > (0.5 if clustering == "seeds" else 0.8)
    assert untrained < 0.4


def test_the_nuclei_have_their_size(trained):
    network, _, _ = load_cellulus(trained[0])
    images, masks = discs(7, 1)
    frames = ScaledFrames(images_alone(images, images.frames, "discs"))
    true = np.count_nonzero(masks.read(0))
    sizes = {
        how: np.count_nonzero(segment_step(network, frames, 0, replace(SEGMENT, refinement=how), CPU).labels) / true
        for how in ("none", "cell", "nucleus")
    }
    assert sizes["nucleus"] < sizes["cell"] < sizes["none"]
    assert 0.4 < sizes["nucleus"] <= 1
    assert 0.7 < sizes["cell"] < 1.4


def test_the_folder_says_where_the_model_comes_from(trained):
    folder, done = trained
    about = json.loads((folder / "model.json").read_text())
    assert about["network"] == "cellulus"
    assert about["config"] == {"cellulus": SMALL.as_mapping(), "frames": {"zoom": [1.0]}}
    kept = about["provenance"]
    assert (kept["method"], kept["stopped"], kept["steps"]) == ("cellulus", "finished", SETTINGS.steps)
    assert kept["held_out_loss"] == done.held_out_loss
    (movie,) = kept["movies"]
    assert (movie["images"], movie["frames"], len(movie["held_out_frames"])) == ("images", 5, 1)
    assert movie["digest"] == ScaledFrames(disc_movie()).digest
    assert kept["loss"] == {"temperature": 10.0, "offset_weight": 1e-5, "density": 0.1, "radius_px": 6.0}


def test_segmenting_a_frame_depends_on_nothing_else(trained):
    network, _, _ = load_cellulus(trained[0])
    frames = ScaledFrames(disc_movie())
    first = segment_step(network, frames, 1, SEGMENT, CPU).labels
    segment_step(network, frames, 0, SEGMENT, CPU)
    np.testing.assert_array_equal(segment_step(network, frames, 1, SEGMENT, CPU).labels, first)


def test_an_enlarged_frame_gives_masks_of_the_image(trained):
    """Objects found at half the size, in frames enlarged to it."""
    network, _, _ = load_cellulus(trained[0])
    images, masks = discs(7, 1)
    small = MemoryMovie({0: images.read(0)[::2, ::2]}, "small")
    frames = ScaledFrames(images_alone(small, small.frames, "small"), (2.0,))
    found = segment_step(network, frames, 0, replace(SEGMENT, object_size_px=11.0), CPU)
    assert found.labels.shape == (48, 48)
    true = MemoryMovie({0: masks.read(0)[::2, ::2]}, "true")
    assert mask_accuracy(MemoryMovie({0: found.labels}, "found"), true).f1 > 0.8


def test_a_frame_without_anything_certain(trained):
    offset, spread = np.zeros((2, 30, 30), np.float32), np.full((30, 30), 2.0, np.float32)
    found = objects_of(offset, spread, np.zeros((30, 30)), SEGMENT, np.random.default_rng(0))
    assert (found.count, found.foreground, bool(np.isnan(found.threshold))) == (0, 0.0, True)
    assert not found.labels.any()
    known = replace(SEGMENT, uncertainty=3.0, smallest_share=0.0)
    assert objects_of(offset, spread, np.zeros((30, 30)), known, np.random.default_rng(0)).foreground == 1.0


# ---- training


def test_a_training_that_taught_nothing_says_so(trained, tmp_path):
    assert trained[1].notes == ()
    done = train_cellulus([disc_movie()], tmp_path, **BRIEF, settings=SHORT)
    (note,) = done.notes
    assert note.startswith("next to nothing was learnt: the loss is 0.7")
    assert "0.727 where all offsets are alike. Masks by this model will be arbitrary" in note


def test_the_seed(tmp_path):
    movies = [disc_movie(0), disc_movie(1)]
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        train_cellulus(movies, tmp_path / name, **BRIEF, settings=replace(SHORT, seed=seed))
    one, same, other = (weights(tmp_path / name) for name in ("one", "same", "other"))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["head.0.weight"], other["head.0.weight"])


def test_an_interrupted_training_goes_on(tmp_path):
    def press(shown):
        if shown.step == 4:
            raise KeyboardInterrupt

    movies = [disc_movie()]
    train_cellulus(movies, tmp_path / "whole", **BRIEF, settings=SHORT)
    first = train_cellulus(movies, tmp_path / "parts", **BRIEF, settings=SHORT, watch=press)
    assert (first.stopped, first.steps) == ("interrupted", 4)
    with pytest.raises(TrainingError, match=r"cannot be resumed: temperature was 10.0 and is now 5.0"):
        train_cellulus(movies, tmp_path / "parts", **BRIEF, settings=SHORT, temperature=5.0, resume=True)
    with pytest.raises(TrainingError, match="cannot be resumed: movie 1 was"):
        train_cellulus([disc_movie(1)], tmp_path / "parts", **BRIEF, settings=SHORT, resume=True)
    assert train_cellulus(movies, tmp_path / "parts", **BRIEF, settings=SHORT, resume=True).stopped == "finished"
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_what_is_learnt_depends_on_what_is_asked(tmp_path):
    changes = [{}, {"bend": False}, {"temperature": 3.0}, {"zoom": (1.5,)}, {"pairs": PairSampling(0.2, 6.0)}]
    found = set()
    for number, change in enumerate(changes):
        train_cellulus([disc_movie()], tmp_path / str(number), **{**BRIEF, **change}, settings=SHORT)
        found.add(weights(tmp_path / str(number))["head.2.weight"].numpy().tobytes())
    assert len(found) == len(changes)
    assert load_cellulus(tmp_path / "3")[1] == (1.5,)


def test_volumes(tmp_path):
    given = {"config": TINY, "crop_px": (20, 22, 24), "pairs": PairSampling(0.3, 1.5), "batch_size": 2}
    train_cellulus([volumes()], tmp_path, **given, settings=SHORT)
    network, zoom, _ = load_cellulus(tmp_path)
    assert (network.config.dimensions, zoom) == (3, (1.0,))
    frames = ScaledFrames(volumes(), (1.5, 1.0, 1.0))
    settings = SegmentSettings(object_size_px=8.0, noise=NoiseSettings(1), smallest_share=0.01)
    for how in ("none", "cell", "nucleus"):
        found = segment_step(network, frames, 0, replace(settings, refinement=how, shrink_px=1.0), CPU)
        assert found.labels.shape == (22, 24, 26)


@pytest.mark.parametrize("zoom", [1, 2])
def test_objects_in_volumes(zoom):
    """Two balls whose pixels know their middle, in a stack enlarged along z: sizes there are those of the balls."""
    shape = (12, 24, 40)
    place = np.stack(np.meshgrid(*map(np.arange, (12 * zoom, 24, 40)), indexing="ij")).astype(np.float32)
    middles = np.array([[6.0 * zoom, 12, 10], [6.0 * zoom, 12, 28]]).reshape(2, 3, 1, 1, 1) - 0.5
    apart = middles - place
    near = np.linalg.norm(apart / np.array([zoom, 1, 1]).reshape(3, 1, 1, 1), axis=1)
    offset = np.where(near[0] < near[1], apart[0], apart[1]).astype(np.float32)
    spread = np.where(near.min(axis=0) < 5, 0.1, 5.0).astype(np.float32)
    settings = replace(SEGMENT, object_size_px=10.0, shrink_px=0.0)
    found = objects_of(offset, spread, np.zeros(shape), settings, np.random.default_rng(0))
    assert found.count == 2
    for label, middle in ((1, 10), (2, 28)):
        pixels = np.argwhere(found.labels == label)
        np.testing.assert_allclose(pixels.mean(axis=0) + 0.5, [6, 12, middle], atol=0.3)
        assert len(pixels) == pytest.approx(4 / 3 * np.pi * 5**3, rel=0.25)


# ---- embeddings


def with_masks(seed=0):
    images, masks = discs(seed, 3)
    return LearningMovie(detections_from_masks(masks, images), images, masks, name="discs")


def test_features_are_means_over_masks(trained):
    movie = with_masks()
    table = embed_cellulus(trained[0], movie, device="cpu", tile_px=40)
    found = movie.detections
    assert table.key.tolist() == np.column_stack([found.frame, found.label]).tolist()
    assert (table.vector.shape, table.method) == ((len(found), SMALL.features), "cellulus")
    network, _, _ = load_cellulus(trained[0])
    for kind, seen in (("features", network.unet), ("offsets", network)):
        table = embed_cellulus(trained[0], movie, vector=kind, device="cpu")
        for row in (0, len(found) - 1):
            step = int(found.step[row])
            maps = dense_maps(seen, network.config, ScaledFrames(movie).image(step), CPU)
            own = maps[:, movie.masks.read(step) == found.label[row]]
            wanted = own.mean(axis=1) if kind == "features" else np.hstack([own.mean(axis=1), own.std(axis=1)])
            np.testing.assert_allclose(table.vector[row], wanted, atol=1e-3)


def test_a_movie_without_detections_has_no_vectors(trained):
    assert embed_cellulus(trained[0], disc_movie(), device="cpu").vector.shape == (0, 16)
    assert embed_cellulus(trained[0], disc_movie(), vector="offsets", device="cpu").vector.shape == (0, 4)
