"""Crops grow where cells are sparse, and the network's reach with them."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from embeddings.augment import augment_level  # noqa: E402
from embeddings.learning_movie import LearningMovie  # noqa: E402
from embeddings.methods.load import TrackingModel  # noqa: E402
from embeddings.methods.tracking import Recipe, growth, provenance, with_growth_note  # noqa: E402
from embeddings.nets.tracking_transformer import TrackingTransformer  # noqa: E402
from embeddings.nets.transformer_config import TransformerConfig  # noqa: E402
from embeddings.train import TrainingResult  # noqa: E402
from embeddings.windows import WindowSettings  # noqa: E402
from tracker.config import make_config  # noqa: E402
from tracker.detections import Detections  # noqa: E402
from tracker.learning.recipes import going_on, recipe  # noqa: E402


def movie(cells, side_px, frames=3, shape=True):
    """So many cells in each frame but the first, which is empty, over the whole of it."""
    rng = np.random.default_rng(0)
    place = rng.uniform(0, side_px - 1, (frames * cells, 2))
    place[0], place[1] = 0, side_px - 1  # the corners, for the box
    frame = np.repeat(np.arange(1, frames + 1), cells)
    label = np.tile(np.arange(1, cells + 1), frames)
    image_shape = (side_px, side_px) if shape else None
    return LearningMovie(Detections(frame, label, place, np.arange(frames + 1), np.ones(2), image_shape=image_shape))


def test_a_crop_grows_until_it_holds_enough():
    sparse = movie(20, 1000)  # 256 px hold 1.3 of them
    grown = growth(sparse, 256, 8)
    assert grown == pytest.approx(np.sqrt(8 / 20) * 1000 / 256)
    assert 20 * (256 * grown / 1000) ** 2 == pytest.approx(8)


def test_crowded_movies_stay():
    assert growth(movie(200, 1000), 256, 8) == 1


def test_never_beyond_the_frame():
    assert growth(movie(3, 1000), 250, 8) == 4


def test_points_without_an_image_take_the_box_around_them():
    assert growth(movie(20, 1001, shape=False), 256, 8) == pytest.approx(np.sqrt(8 / 20) * 1000 / 256)


def test_lengths_grow_together():
    recipe = Recipe(
        network=TransformerConfig(cutoff_px=256), windows=WindowSettings(crop_px=256),
        augmentation=replace(augment_level(2), shift_px=255), least_cells=8,
    )  # fmt: skip
    sparse, crowded = movie(20, 1000), movie(200, 1000)
    grown = growth(sparse, 256, 8)
    fitted = recipe.fitted([sparse])
    assert fitted.network.cutoff_px == pytest.approx(256 * grown)
    assert fitted.augmentation.shift_px == pytest.approx(255 * grown)
    assert fitted.windows.crop_px == int(np.ceil(256 * grown))
    assert recipe.fitted([sparse, crowded]).windows == recipe.windows  # as the most crowded needs it
    assert replace(recipe, least_cells=0).fitted([sparse]).windows == recipe.windows
    assert fitted.fitted([sparse]).windows == fitted.windows


def test_what_has_grown_is_told():
    recipe = Recipe(
        network=TransformerConfig(cutoff_px=256), windows=WindowSettings(crop_px=250),
        augmentation=replace(augment_level(2), shift_px=100), least_cells=8,
    )  # fmt: skip
    fitted = recipe.fitted([movie(3, 1000)])
    assert fitted.grown == fitted.fitted([movie(3, 1000)]).grown == 4
    (note,) = with_growth_note(DONE, fitted).notes
    assert note == (
        "cells are sparse: until a crop holds 8 of them a frame (windows.least_cells; 0: never), lengths grew 4 times, "
        "windows.crop_px to 1000, windows.shift_px to 400, network.cutoff_px to 1024"
    )
    (note,) = with_growth_note(DONE, replace(fitted, augmentation=None)).notes
    assert note.endswith("windows.crop_px to 1000, network.cutoff_px to 1024")
    assert with_growth_note(DONE, recipe.fitted([movie(200, 1000)])).notes == ()
    assert provenance("attrackt", [movie(3, 1000)], fitted, DONE, {})["grown"] == 4


# ---- to go on with a model


DONE = TrainingResult("finished", 4, 0.5, -1, float("nan"), 1.0, "cpu", ())
SIZES = TransformerConfig(2, 7, d_model=16, heads=2, encoder_layers=1, decoder_layers=1, position_channels=4,
                          feature_channels=2, cutoff_px=512, window_frames=3)  # fmt: skip
#: Crops of 200 px that grew to 400 in its training.
LEARNT = {"windows": {"n_frames": 3, "crop_px": 400}, "augmentation": {"shift_px": 90.0}, "grown": 2.0}


def continued(learnt, **windows):
    """The recipe of a config with these [windows], with a model of this provenance."""
    config = make_config({"data": {"segmentation": "seg"}, **({"windows": windows} if windows else {})})
    start = TrackingModel(TrackingTransformer(SIZES), "attrackt", learnt, "digest")
    found = going_on(recipe(config, 100), start, config)
    assert found.network == SIZES
    assert found.windows.n_frames == 3
    assert found.least_cells == 0
    return found


def lengths(learnt, **windows):
    found = continued(learnt, **windows)
    return found.windows.crop_px, None if found.augmentation is None else found.augmentation.shift_px


def test_going_on_with_the_lengths_of_the_model():
    assert lengths(LEARNT) == lengths(LEARNT, n_frames=9) == (400, 90)
    assert continued(LEARNT).grown == 2
    assert lengths({**LEARNT, "windows": {"crop_px": None}}) == (None, 90)  # whole frames
    assert lengths({**LEARNT, "augmentation": None}, augment=0) == (400, None)


def test_what_windows_sets_grows_as_the_model_has():
    assert lengths(LEARNT, crop_px=100) == (200, 90)
    assert lengths(LEARNT, shift_px=30.0) == (400, 60)
    assert lengths(LEARNT, crop_px=100, shift_px=30.0, least_cells=0) == (100, 30)
    assert lengths(LEARNT, crop_px=0) == (None, 90)


def test_a_model_that_does_not_say_how_it_has_learnt():
    """Its cut-off tells nothing: it may have been trained with any crops."""
    assert lengths({"release": "general_2d"}) == (256, 255)
    assert lengths({"release": "general_2d"}, crop_px=100) == (100, 255)
    assert continued({}).grown == 1
