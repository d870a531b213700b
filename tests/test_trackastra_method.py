"""Trackastra's own training: learnt from the truth of one movie, it makes the tracking of another one better."""

import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from learning_movies import (  # noqa: E402
    BRIEF,
    RECIPE,
    aogm,
    candidates,
    fast_cells,
    learning_movie,
    scores_of,
    true_links,
)

from embeddings.learning_movie import LearningMovie  # noqa: E402
from embeddings.losses import association_loss  # noqa: E402
from embeddings.methods.load import load_tracking_model  # noqa: E402
from embeddings.methods.trackastra import SupervisedSettings, train_trackastra  # noqa: E402
from embeddings.methods.tracking import new_network, window_batches  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.nets.saved_transformer import load_model  # noqa: E402
from tracker.errors import ConfigError, InputError  # noqa: E402

LEARN = replace(RECIPE, training=replace(RECIPE.training, steps=200))


@pytest.fixture(scope="module")
def told():
    """The movie to learn from, with its truth."""
    return learning_movie(fast_cells(3), truth=True)


@pytest.fixture(scope="module")
def model(told, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trackastra")
    train_trackastra([told], folder, recipe=LEARN)
    return folder


def weights(folder):
    return load_model(folder)[0].state_dict()


def same(one, other) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_it_makes_tracking_of_another_movie_better(told, model):
    made = fast_cells(2)
    other = learning_movie(made)
    network = load_tracking_model(model, "model").network
    score, places = scores_of(network, other), aogm(made, other)
    assert places > 100
    assert aogm(made, other, score) < 0.5 * places
    true = true_links(made, candidates(other))
    assert score[true].mean() > 3 * score[~true].mean()
    assert aogm(fast_cells(3), told, scores_of(network, told)) < 0.5 * aogm(fast_cells(3), told)


def test_what_the_folder_says(told, model):
    about = json.loads((model / "model.json").read_text())["provenance"]
    assert about["method"] == "trackastra"
    assert about["trackastra"] == {"division_upweight": 2.0, "max_gap_frames": 2, "logit_weight": 0.01}
    assert about["started_from"] is False
    assert about["movies"] == [{"name": "movie 3", "detections": len(told.detections), "digest": told.digest}]
    loaded = load_tracking_model(model, "model")
    assert (loaded.method, loaded.logit_clamp) == ("trackastra", None)


def test_weights_depend_on_truth_and_settings(told, tmp_path):
    wrong = replace(told, truth=(torch.arange(len(told.detections)).numpy(), told.truth[1][:1].repeat(10**4)))
    runs = {
        "one": {},
        "again": {},
        "truth": {"movies": [wrong]},
        "gap": {"settings": SupervisedSettings(max_gap_frames=1)},
        "bare": {"settings": SupervisedSettings(logit_weight=1.0)},
        "softmax": {"recipe": replace(BRIEF, network=replace(BRIEF.network, normalisation="softmax"))},
    }
    for name, changes in runs.items():
        train_trackastra(folder=tmp_path / name, **{"movies": [told], "recipe": BRIEF, **changes})
    one = weights(tmp_path / "one")
    assert same(one, weights(tmp_path / "again"))
    assert not any(same(one, weights(tmp_path / name)) for name in list(runs)[2:])


def test_an_interrupted_training_goes_on_bit_for_bit(told, tmp_path):
    def press(shown):
        if shown.step == 2:
            raise KeyboardInterrupt

    train_trackastra([told], tmp_path / "whole", recipe=BRIEF)
    first = train_trackastra([told], tmp_path / "parts", recipe=BRIEF, watch=press)
    assert (first.stopped, first.steps) == ("interrupted", 2)
    assert train_trackastra([told], tmp_path / "parts", recipe=BRIEF, resume=True).stopped == "finished"
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))


# ---- weights to begin with


def test_it_begins_with_the_given_weights(told, model, tmp_path):
    """A learning rate of next to nothing leaves them as they are, and the network that was given stays itself."""
    start = load_tracking_model(model, "model").network
    before = {name: value.clone() for name, value in start.state_dict().items()}
    still = replace(BRIEF, training=replace(BRIEF.training, learning_rate=1e-12, weight_decay=0.0))
    train_trackastra([told], tmp_path / "still", recipe=still, start=start)
    for name, value in weights(tmp_path / "still").items():
        torch.testing.assert_close(value, before[name], atol=1e-9, rtol=0)
    train_trackastra([told], tmp_path / "on", recipe=BRIEF, start=start)
    assert not same(weights(tmp_path / "on"), before)
    assert same(start.state_dict(), before)
    assert not start.training
    assert json.loads((tmp_path / "on" / "model.json").read_text())["provenance"]["started_from"] is True


def test_a_start_of_other_sizes_is_refused(told, model, tmp_path):
    start = load_tracking_model(model, "model").network
    other = replace(BRIEF, network=replace(BRIEF.network, d_model=64), windows=replace(BRIEF.windows, n_frames=3))
    with pytest.raises(ModelError) as error:
        train_trackastra([told], tmp_path, recipe=other, start=start)
    assert str(error.value) == (
        "the model to begin with does not fit the movies and settings: d_model 32 instead of 64, window_frames 4 "
        "instead of 3"
    )
    points = LearningMovie(replace(told.detections, properties={}), truth=told.truth)
    with pytest.raises(ModelError) as error:
        train_trackastra([points], tmp_path, recipe=BRIEF, start=start)
    assert str(error.value) == ("the model to begin with does not fit the movies and settings: features 7 instead of 0")


# ---- the loss, and what is refused


def test_held_out_windows_are_judged_by_the_association_loss(told, tmp_path):
    """The one number that comes out of a training without randomness is that of the formula."""
    still = replace(
        BRIEF,
        validate=True,
        windows=replace(BRIEF.windows, n_frames=12),
        training=replace(BRIEF.training, steps=1, warmup_steps=0, learning_rate=1e-12, weight_decay=0.0),
    )
    settings = SupervisedSettings(division_upweight=5.0, logit_weight=0.5)
    done = train_trackastra([told], tmp_path, recipe=still, settings=settings)
    recipe = still.fitted([told])
    batch = window_batches(replace(recipe, augmentation=None), [told], target=True)[0]  # the one window, twice
    with torch.no_grad():
        logits = new_network(recipe.network, 0).eval()(batch.coordinates, batch.tokens, batch.padding)
        wanted = association_loss(
            logits, batch.target, batch.frame, batch.padding, division_upweight=5.0, logit_weight=0.5
        )
    assert batch.target.any()
    assert done.held_out_loss == pytest.approx(float(wanted), rel=1e-4)


def test_a_movie_without_truth(told, tmp_path):
    untold = learning_movie(fast_cells(2))
    with pytest.raises(InputError) as error:
        train_trackastra([told, untold], tmp_path, recipe=BRIEF)
    assert str(error.value) == ("learning from truth needs a truth, and movie 2 has none; give it, or learn without")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"division_upweight": -1.0}, "trackastra: division_upweight must be finite and not negative, found -1.0"),
        ({"logit_weight": float("nan")}, "trackastra: logit_weight must be finite and not negative, found nan"),
        ({"max_gap_frames": 0}, "trackastra: max_gap_frames must be at least 1, found 0"),
    ],
)
def test_settings_are_checked(changes, message):
    with pytest.raises(ConfigError) as error:
        SupervisedSettings(**changes)
    assert str(error.value) == message
