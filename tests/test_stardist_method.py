"""StarDist on few labels: that it learns objects, the same by seed, resumed; what it refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from autoencoder_cases import copy_model  # noqa: E402
from memory_movie import MemoryMovie  # noqa: E402
from stardist_cases import SETTINGS, SHORT, SMALL, TINY, annotated, disc_movie, discs, found_by_a_program  # noqa: E402

from embeddings.cellulus_frames import images_alone  # noqa: E402
from embeddings.frame_images import FrameImages  # noqa: E402
from embeddings.inference.star_polygons import StarSettings  # noqa: E402
from embeddings.methods.stardist import _mean_ray_px, find_stars, load_stardist, train_stardist  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.nets.stardist import seeded_stardist  # noqa: E402
from embeddings.star_crops import StarBatch  # noqa: E402
from embeddings.training.errors import TrainingError  # noqa: E402
from tracker.errors import ConfigError  # noqa: E402
from tracker.mask_accuracy import mask_accuracy  # noqa: E402

CPU = torch.device("cpu")
BRIEF = {"config": TINY, "crop_px": 40, "batch_size": 2}


def taught(folder, movie):
    done = train_stardist([movie], folder, config=SMALL, crop_px=96, batch_size=4, settings=SETTINGS)
    return folder, done


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """By a tenth of the objects and by what a program found."""
    return taught(tmp_path_factory.mktemp("stardist"), disc_movie())


def accuracy(network, seed=7):
    """F1 and SEG on two frames of another movie."""
    images, masks = discs(seed, 2)
    frames = FrameImages(images_alone(images, images.frames, "discs"), "StarDist")
    found = {step: find_stars(network, frames.image(step), StarSettings(), CPU) for step in range(2)}
    return mask_accuracy(MemoryMovie(found, "found"), masks)


def weights(folder):
    return load_stardist(folder)[0].state_dict()


# ---- it learns


def test_a_tenth_of_the_objects_and_pseudo_labels_beat_the_pseudo_labels(trained):
    """The program missed every fourth object and drew the others too small."""
    _, masks = discs(7, 2)
    program = mask_accuracy(found_by_a_program(masks), masks)
    network = load_stardist(trained[0])[0]
    learnt, untrained = accuracy(network), accuracy(seeded_stardist(network.config, 0))
    assert learnt.f1 > max(program.f1, 0.9)
    assert learnt.seg > program.seg
    assert untrained.f1 < 0.2


def test_a_tenth_of_the_objects_alone_is_enough(tmp_path):
    _, masks = discs()
    drawn = [np.unique(mask).tolist() for mask in annotated(masks).pixels.values()]
    assert sum(len(set(own) - {0, 999}) for own in drawn) == 4
    folder, _ = taught(tmp_path, disc_movie(pseudo=False))
    assert accuracy(load_stardist(folder)[0]).f1 > 0.9


def test_segmenting_is_the_same_each_time_and_in_tiles(trained):
    network, _ = load_stardist(trained[0])
    image = FrameImages(disc_movie().movie, "StarDist").image(1)
    first = find_stars(network, image, StarSettings(), CPU)
    assert first.max() > 3
    for tile_px in (512, 40):
        np.testing.assert_array_equal(find_stars(network, image, StarSettings(tile_px=tile_px), CPU), first)


def test_the_folder_says_where_the_model_comes_from(trained):
    folder, done = trained
    about = json.loads((folder / "model.json").read_text())
    assert about["network"] == "stardist"
    stored = about["config"]["stardist"]
    assert (stored["unet"], stored["n_rays"]) == (SMALL.unet.as_mapping(), 16)
    assert 5 < stored["ray_px"] < 11
    kept = about["provenance"]
    assert (kept["method"], kept["stopped"], kept["steps"]) == ("stardist", "finished", SETTINGS.steps)
    assert kept["held_out_loss"] == done.held_out_loss
    assert kept["loss"] == {"pseudo_weight": 0.5, "ray_weight": 1.0}
    (movie,) = kept["movies"]
    assert (movie["images"], movie["pseudo"], movie["sparse"]) == ("images", "pseudo", "sparse")
    assert (movie["pseudo_frames"], len(movie["held_out_frames"])) == (5, 1)
    assert movie["digest"] == disc_movie().digest


# ---- training


@pytest.mark.parametrize("kinds", [{}, {"sparse": False}, {"pseudo": False}])
@pytest.mark.parametrize("a", [0.0, 0.5, 1.0])
def test_every_mixture_of_labels(tmp_path, kinds, a):
    done = train_stardist([disc_movie(**kinds)], tmp_path, **BRIEF, settings=SHORT, pseudo_weight=a)
    assert (done.stopped, done.steps) == ("finished", 6)
    assert np.isfinite(done.loss)


def test_the_seed(tmp_path):
    movies = [disc_movie(0), disc_movie(1, sparse=False)]
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        train_stardist(movies, tmp_path / name, **BRIEF, settings=replace(SHORT, seed=seed))
    one, same, other = (weights(tmp_path / name) for name in ("one", "same", "other"))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["head.0.weight"], other["head.0.weight"])


def test_an_interrupted_training_goes_on(tmp_path):
    def press(shown):
        if shown.step == 4:
            raise KeyboardInterrupt

    movies = [disc_movie()]
    train_stardist(movies, tmp_path / "whole", **BRIEF, settings=SHORT)
    first = train_stardist(movies, tmp_path / "parts", **BRIEF, settings=SHORT, watch=press)
    assert (first.stopped, first.steps) == ("interrupted", 4)
    again = {**BRIEF, "settings": SHORT, "resume": True}
    with pytest.raises(TrainingError, match=r"cannot be resumed: pseudo_weight was 0.5 and is now 0.1"):
        train_stardist(movies, tmp_path / "parts", **again, pseudo_weight=0.1)
    with pytest.raises(TrainingError, match="cannot be resumed: movie 1 was"):
        train_stardist([disc_movie(background_px=31.0)], tmp_path / "parts", **again)
    assert train_stardist(movies, tmp_path / "parts", **again).stopped == "finished"
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_what_is_learnt_depends_on_what_is_asked(tmp_path):
    changes = [{}, {"vary": False}, {"pseudo_weight": 0.2}, {"ray_weight": 0.0}, {"crop_px": 42}]
    found = set()
    for number, change in enumerate(changes):
        train_stardist([disc_movie()], tmp_path / str(number), **{**BRIEF, **change}, settings=SHORT)
        found.add(weights(tmp_path / str(number))["head.2.weight"].numpy().tobytes())
    assert len(found) == len(changes)


def test_the_unit_of_rays():
    probability, rays = np.array([[[0.5, 0.0], [-1.0, 1.0]]]), np.array([[[[2.0, 9.0], [9.0, 5.0]]]])
    pseudo = np.array([True])
    assert _mean_ray_px(StarBatch(rays, probability, rays, pseudo)) == 3.5
    assert _mean_ray_px(StarBatch(rays, 0 * probability, rays, pseudo)) == 1.0  # no object, no length


# ---- what is refused


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"crop_px": 41},
         "crop_px must be 18 or larger by a multiple of 2, as the network halves the image and loses 8 px on each side"
         "; found 41. Nearest is 40"),
        ({"crop_px": 8},
         "crop_px must be 18 or larger by a multiple of 2, as the network halves the image and loses 8 px on each side"
         "; found 8. Nearest is 18"),
        ({"ray_weight": -1.0}, "ray_weight must be at least 0, found -1"),
        ({"pseudo_weight": 2.0}, "pseudo_weight must lie in [0, 1], found 2"),
        ({"batch_size": 1},
         "batch_size must be at least 2, as half of a batch has sparse labels and half pseudo labels; found 1"),
    ],
)  # fmt: skip
def test_arguments_of_training(tmp_path, given, message):
    with pytest.raises(ConfigError) as error:
        train_stardist([disc_movie()], tmp_path, **{**BRIEF, **given}, settings=SHORT)
    assert str(error.value) == message


def test_no_movie(tmp_path):
    with pytest.raises(ConfigError) as error:
        train_stardist([], tmp_path)
    assert str(error.value) == "StarDist needs at least one movie to learn from, found none"


@pytest.mark.parametrize("change", [{"stardist": {"n_rays": 3}}, {"stardist": 3}])
def test_a_damaged_description_is_refused(trained, tmp_path, change):
    copy_model(trained[0], tmp_path, change)
    with pytest.raises(ModelError):
        load_stardist(tmp_path)
