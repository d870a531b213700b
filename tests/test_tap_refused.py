"""Time arrow prediction: what it refuses, and in which words."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from autoencoder_cases import copy_model  # noqa: E402
from memory_movie import MemoryMovie  # noqa: E402
from tap_cases import GENTLE, PAIRS, SHORT, SMALL, growing, points  # noqa: E402

from embeddings.methods.tap import division_scores, embed_tap, load_tap, train_tap  # noqa: E402
from embeddings.methods.tap_accuracy import arrow_accuracy  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from tracker.detections import Detections  # noqa: E402
from tracker.errors import ConfigError, MovieError  # noqa: E402

GIVEN = {"config": SMALL, "pairs": PAIRS, "augmentation": GENTLE}


@pytest.fixture(scope="module")
def unseen():
    return growing(2, 12, still=True)


@pytest.fixture(scope="module")
def trained(unseen, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tap") / "model"
    return folder, train_tap([unseen], folder, **GIVEN, settings=replace(SHORT, steps=1), batch_size=4)


def refused(error, message, attempt):
    with pytest.raises(error) as found:
        attempt()
    assert str(found.value) == message


def test_a_movie_of_one_frame(unseen, trained, tmp_path):
    found = unseen.detections
    own = found.frame == 0
    lone = replace(
        points(unseen),
        detections=Detections(found.frame[own], found.label[own], found.position[own], np.array([0]), found.scale),
    )
    message = (
        "time arrow prediction compares frames of one movie and needs at least 2, but movie 2 has 1: give a longer "
        "movie, or a smaller gap between the frames"
    )
    for attempt in (train_tap, lambda *_, **__: division_scores(trained[0], lone)):
        refused(MovieError, message, lambda attempt=attempt: attempt([lone], tmp_path, **GIVEN, settings=SHORT))
    refused(MovieError, message, lambda: arrow_accuracy(trained[0], lone))
    assert len(embed_tap(trained[0], lone).vector) == 16


def test_a_movie_without_images(unseen, trained, tmp_path):
    blind = replace(unseen, images=None)
    message = "time arrow prediction needs data.images: give the images of movie 2"
    refused(ConfigError, message, lambda: train_tap([blind], tmp_path, **GIVEN, settings=SHORT))
    refused(ConfigError, message, lambda: embed_tap(trained[0], blind))
    refused(ConfigError, message, lambda: division_scores(trained[0], blind))


def test_volumes(unseen, trained, tmp_path):
    volumes = MemoryMovie({t: image[None] for t, image in unseen.images.pixels.items()}, "stack.tif")
    deep = replace(points(unseen), images=volumes)
    for attempt in (
        lambda: train_tap([deep], tmp_path, **GIVEN, settings=SHORT),
        lambda: embed_tap(trained[0], deep),
        lambda: division_scores(trained[0], deep),
    ):
        with pytest.raises(
            ConfigError, match=r"^time arrow prediction is for 2-D movies, but the images stack.tif have 3"
        ):
            attempt()


def test_nan_in_the_images_names_the_frame(unseen, trained, tmp_path):
    pixels = {t: image.astype(np.float32) for t, image in unseen.images.pixels.items()}
    pixels[4][5, 6] = np.nan
    broken = replace(unseen, images=MemoryMovie(pixels, "images"))
    for attempt in (
        lambda: train_tap([broken], tmp_path, **GIVEN, settings=SHORT),
        lambda: embed_tap(trained[0], broken),
        lambda: division_scores(trained[0], broken),
    ):
        with pytest.raises(MovieError, match=r"1 are NaN or infinite in frame t = 4 of images"):
            attempt()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"config": replace(SMALL, levels=5)}, "crop_px must be a multiple of 32 for 5 levels, found 16"),
        (
            {"temperature": 0.0},
            "temperature must be positive and decorrelation_weight at least 0, found 0 and 0.01",
        ),
        ({"decorrelation": "frame"}, "decorrelation must be one of image, pair, found 'frame'"),
        ({"movies": []}, "time arrow prediction needs at least one movie to learn from, found none"),
    ],
)
def test_settings_that_make_no_sense(unseen, tmp_path, given, message):
    given = {"movies": [unseen], **GIVEN, **given}
    refused(ConfigError, message, lambda: train_tap(folder=tmp_path, settings=SHORT, **given))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"role": "third"}, "role must be one of first, second, both, found 'third'"),
        ({"evidence": "x"}, "evidence must be one of frame, change, votes, found 'x'"),
        ({"decision": "x"}, "decision must be one of difference, forward, found 'x'"),
        ({"pool": "sum"}, "pool must be one of mean, max, found 'sum'"),
    ],
)
def test_scores_that_there_are_not(unseen, trained, given, message):
    refused(ConfigError, message, lambda: division_scores(trained[0], unseen, **given))


@pytest.mark.parametrize("change", [{"pairs": {}}, {"tap": {"levels": 1}}, {"pairs": None}])
def test_a_damaged_description_is_refused(trained, tmp_path, change):
    copy_model(trained[0], tmp_path, change)
    with pytest.raises(ModelError):
        load_tap(tmp_path)
