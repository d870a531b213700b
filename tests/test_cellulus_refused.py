"""What Cellulus refuses, and how it says so."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from autoencoder_cases import copy_model  # noqa: E402
from cellulus_cases import PAIRS, SEGMENT, SHORT, TINY, disc_movie, volumes  # noqa: E402

from embeddings.cellulus_crops import PairSampling  # noqa: E402
from embeddings.methods.cellulus import embed_cellulus, load_cellulus, train_cellulus  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from tracker.errors import ConfigError, MovieError  # noqa: E402

BRIEF = {"config": TINY, "crop_px": (40,), "pairs": PAIRS, "batch_size": 2}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cellulus")
    return folder, train_cellulus([disc_movie()], folder, **BRIEF, settings=SHORT)


def test_images_are_needed(trained, tmp_path):
    blind = replace(disc_movie(), images=None)
    for attempt in (
        lambda: embed_cellulus(trained[0], blind),
        lambda: train_cellulus([blind], tmp_path, **BRIEF, settings=SHORT),
    ):
        with pytest.raises(ConfigError) as error:
            attempt()
        assert str(error.value) == "Cellulus needs data.images: give the images of discs"


def test_no_movie(tmp_path):
    with pytest.raises(ConfigError) as error:
        train_cellulus([], tmp_path)
    assert str(error.value) == "Cellulus needs at least one movie to learn from, found none"


def test_movies_of_both_kinds(tmp_path):
    with pytest.raises(ConfigError) as error:
        train_cellulus([disc_movie(), volumes()], tmp_path, **BRIEF, settings=SHORT)
    assert str(error.value) == (
        "movies that are learnt together must be all 2-D or all 3-D: train on one kind at a time"
    )


def test_a_model_of_other_axes(trained):
    with pytest.raises(ConfigError) as error:
        embed_cellulus(trained[0], volumes())
    assert str(error.value) == (
        f"the model in {trained[0]} has learnt from 2-D images, and those of volumes are 3-D: train another on them"
    )


CROP = (
    "crop_px must be {} or larger by a multiple of 2, as the network halves the image and loses 8 px on each side, and "
    "pairs of pixels need {} px of the rest; found {}. Nearest is {}; less is possible with a smaller pair_radius_px"
)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"temperature": 0.0}, "temperature must be positive and offset_weight at least 0, found 0 and 1e-05"),
        ({"crop_px": (41,)}, CROP.format(28, 12, 41, 40)),
        ({"crop_px": (8,)}, CROP.format(28, 12, 8, 28)),
        ({"crop_px": (26,)}, CROP.format(28, 12, 26, 28)),  # the network would take it
        ({"crop_px": (26,), "pairs": PairSampling(0.1, 10.0)}, CROP.format(36, 20, 26, 36)),
        ({"crop_px": (40, 40, 40)}, "crop_px needs one number, or 2, found [40, 40, 40]"),
    ],
)  # fmt: skip
def test_arguments_of_training(tmp_path, given, message):
    with pytest.raises(ConfigError) as error:
        train_cellulus([disc_movie()], tmp_path, **{**BRIEF, **given}, settings=SHORT)
    assert str(error.value) == message


def test_frames_smaller_than_a_crop(tmp_path):
    with pytest.raises(MovieError, match="Cellulus learns from crops of 252 x 252 px, but the frames of images are 96"):
        train_cellulus([disc_movie()], tmp_path, settings=SHORT)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("object_size_px", 0.0, "segmentation: object_size_px must be positive; found 0.0"),
        ("clustering", "best", "segmentation: clustering must be one of mean_shift, seeds, greedy; found 'best'"),
        ("refinement", "both", "segmentation: refinement must be one of none, cell, nucleus; found 'both'"),
        ("fit_share", 0.0, "segmentation: fit_share must be above 0 and at most 1; found 0.0"),
        ("uncertainty", -1.0, "segmentation: uncertainty must be positive; found -1.0"),
    ],
)
def test_settings_of_segmenting(key, value, message):
    with pytest.raises(ConfigError) as error:
        replace(SEGMENT, **{key: value})
    assert str(error.value) == message


def test_arguments_of_embedding(trained):
    with pytest.raises(ConfigError) as error:
        embed_cellulus(trained[0], disc_movie(), vector="both")
    assert str(error.value) == "vector must be one of features, offsets, found 'both'"


@pytest.mark.parametrize("change", [{"frames": {}}, {"cellulus": {"channels": 3}}, {"frames": {"zoom": 2.0}}])
def test_a_damaged_description_is_refused(trained, tmp_path, change):
    copy_model(trained[0], tmp_path, change)
    with pytest.raises(ModelError):
        load_cellulus(tmp_path)
