"""Crops grow where cells are sparse, and the network's reach with them."""

from dataclasses import replace

import numpy as np
import pytest

from embeddings.augment import augment_level
from embeddings.learning_movie import LearningMovie
from embeddings.methods.tracking import Recipe, growth
from embeddings.nets.transformer_config import TransformerConfig
from embeddings.windows import WindowSettings
from tracker.config_learning import Network
from tracker.detections import Detections
from tracker.learning.recipes import going_on


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


def test_going_on_grows_as_the_model_did():
    start = TransformerConfig(cutoff_px=512, window_frames=3)
    recipe = going_on(Recipe(windows=WindowSettings(crop_px=100), least_cells=8), start, Network())
    assert recipe.network == start
    assert recipe.windows == WindowSettings(3, 200)
    assert recipe.least_cells == 0
