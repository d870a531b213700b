"""Attrackt: without a single link it learns scores that make tracking better."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from learning_movies import (  # noqa: E402
    BRIEF,
    RECIPE,
    aogm,
    attrackt_model,
    candidates,
    fast_cells,
    learning_movie,
    looks,
    scores_of,
    true_links,
)

from embeddings.methods.attrackt import (  # noqa: E402
    AttracktSettings,
    load_reconstruction,
    train_attrackt,
)
from embeddings.methods.load import load_tracking_model  # noqa: E402
from embeddings.methods.tracking import new_network  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.nets.saved_transformer import load_model  # noqa: E402
from embeddings.table import NodeEmbeddings  # noqa: E402
from embeddings.training.errors import TrainingError  # noqa: E402
from tracker.detections import Detections  # noqa: E402
from tracker.errors import ConfigError, InputError  # noqa: E402

HIDDEN = AttracktSettings(hidden=16)


@pytest.fixture(scope="module")
def cells():
    return learning_movie(fast_cells())


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return looks(tmp_path_factory)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return attrackt_model(tmp_path_factory)


def weights(folder):
    return load_model(folder)[0].state_dict()


def same(one, other) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def refused(message, *given, error=InputError, **options):
    with pytest.raises(error) as raised:
        train_attrackt(*given, **{"recipe": BRIEF, "settings": HIDDEN, **options})
    assert str(raised.value) == message


# ---- what it is for


def test_scores_make_tracking_better(cells, model):
    """Better than places alone, which an untrained network cannot do, and no truth was there to learn from."""
    assert cells.truth is None
    made = fast_cells()
    trained = load_tracking_model(model, "model")
    assert (trained.method, trained.logit_clamp) == ("attrackt", 20.0)
    score = scores_of(trained.network, cells)
    untrained = scores_of(new_network(RECIPE.fitted([cells]).network, 0).eval(), cells)
    places = aogm(made, cells)
    assert places > 100
    assert aogm(made, cells, untrained) > 90
    assert aogm(made, cells, score) < 50
    true = true_links(made, candidates(cells))
    assert score[true].mean() > 3 * score[~true].mean()
    assert untrained[true].mean() < 1.5 * untrained[~true].mean()


def test_a_movie_it_has_not_seen_is_tracked_better_too(model):
    made = fast_cells(3)
    other = learning_movie(made)
    assert aogm(made, other, scores_of(load_tracking_model(model, "model").network, other)) < 0.8 * aogm(made, other)


def test_what_the_folder_says(cells, table, model):
    about = json.loads((model / "model.json").read_text())["provenance"]
    assert about["method"] == "attrackt"
    assert about["attrackt"] == {"transitive_weight": 0.1, "hidden": 32, "standardise": False}
    assert about["movies"] == [{"name": "movie 2", "detections": len(cells.detections), "digest": cells.digest}]
    assert about["embeddings"] == [table.method] == ["autoencoder"]
    assert (about["stopped"], about["steps"], about["logit_clamp"]) == ("finished", 250, 20.0)
    kept = load_reconstruction(model)
    assert kept.max_gap_frames == 3
    assert kept.encode.expand.weight.shape == (32, 16)
    with pytest.raises(ModelError, match="holds a network of the kind reconstruction, wanted tracking_transformer"):
        load_model(model / "reconstruction")


# ---- no label, and always the same


def test_a_truth_changes_nothing(cells, table, tmp_path):
    """Not even which windows are drawn, wherever a caller's movie brings one."""
    told = learning_movie(fast_cells(), truth=True)
    shuffled = np.random.default_rng(0).permutation(told.truth[0])
    for name, movie in (("none", cells), ("true", told), ("wrong", replace(told, truth=(shuffled, told.truth[1])))):
        train_attrackt([movie], [table], tmp_path / name, recipe=BRIEF, settings=HIDDEN)
    assert same(weights(tmp_path / "none"), weights(tmp_path / "true"))
    assert same(weights(tmp_path / "none"), weights(tmp_path / "wrong"))
    message = "windows with divisions cannot be favoured: movie 2 has no truth; give it, or favour detections"
    favoured = replace(BRIEF, sampler=replace(BRIEF.sampler, favour="divisions"))
    refused(message, [told], [table], tmp_path / "favoured", recipe=favoured)


def test_weights_depend_on_seed_vectors_and_lambda(cells, table, tmp_path):
    runs = {
        "one": {},
        "again": {},
        "seed": {"recipe": replace(BRIEF, training=replace(BRIEF.training, seed=1))},
        "lambda": {"settings": replace(HIDDEN, transitive_weight=1.0)},
        "none": {"settings": replace(HIDDEN, transitive_weight=0.0)},
        "standardised": {"settings": replace(HIDDEN, standardise=True)},
    }
    for name, changes in runs.items():
        train_attrackt([cells], [table], tmp_path / name, **{"recipe": BRIEF, "settings": HIDDEN, **changes})
    one = weights(tmp_path / "one")
    assert same(one, weights(tmp_path / "again"))
    assert not any(same(one, weights(tmp_path / name)) for name in list(runs)[2:])


def test_an_interrupted_training_goes_on_bit_for_bit(cells, table, tmp_path):
    def press(shown):
        if shown.step == 4:
            raise KeyboardInterrupt

    given = {"recipe": BRIEF, "settings": HIDDEN}
    train_attrackt([cells], [table], tmp_path / "whole", **given)
    first = train_attrackt([cells], [table], tmp_path / "parts", **given, watch=press)
    assert (first.stopped, first.steps) == ("interrupted", 4)
    assert not same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    with pytest.raises(TrainingError, match=r"cannot be resumed: hidden was 16 and is now 8"):
        train_attrackt(
            [cells], [table], tmp_path / "parts", recipe=BRIEF, settings=AttracktSettings(hidden=8), resume=True
        )
    assert train_attrackt([cells], [table], tmp_path / "parts", **given, resume=True).stopped == "finished"
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    loaded = [load_reconstruction(tmp_path / name).state_dict() for name in ("whole", "parts")]
    assert same(*loaded)


def test_the_best_weights_on_whole_windows_are_kept(cells, table, tmp_path):
    """A learning rate that breaks everything: the first look was the best, and what is kept is of then."""
    wild = replace(BRIEF, validate=True, training=replace(BRIEF.training, validate_steps=2, learning_rate=0.3))
    done = train_attrackt([cells], [table], tmp_path / "best", recipe=wild, settings=HIDDEN)
    assert 2 <= done.best_step < 6
    last = replace(wild, validate=False)
    assert train_attrackt([cells], [table], tmp_path / "last", recipe=last, settings=HIDDEN).best_step == -1
    assert not same(weights(tmp_path / "best"), weights(tmp_path / "last"))


# ---- what is refused


def test_embeddings_that_do_not_fit(cells, table, tmp_path):
    refused("every movie needs embeddings; there are 1 movies and 0 tables", [cells], [], tmp_path)
    lacking = NodeEmbeddings(table.key[3:], table.vector[3:])
    frame, label = table.key[:3].T
    names = ", ".join(f"{t}:{one}" for t, one in zip(frame, label, strict=True))
    message = f"every detection of movie 2 needs a finite vector; none for frame:label {names}. Embed this movie again"
    refused(message, [cells], [lacking], tmp_path)
    broken = table.vector.copy()
    broken[:3, 1] = [np.nan, np.inf, -np.inf]
    refused(message, [cells], [NodeEmbeddings(table.key, broken)], tmp_path)
    short = NodeEmbeddings(table.key, table.vector[:, :5])
    message = "the embeddings of all movies must be equally long, found 16, 5"
    refused(message, [cells, cells], [table, short], tmp_path)
    assert not list(tmp_path.iterdir())


def test_movies_that_do_not_fit(cells, table, tmp_path):
    refused("there is no movie to learn from", [], [], tmp_path)
    long = replace(BRIEF, windows=replace(BRIEF.windows, n_frames=20))
    refused(
        "a window of 20 frames needs a movie at least as long, but movie 2 has 12 frames; use a longer movie or a "
        "smaller window",
        [cells], [table], tmp_path, recipe=long,
    )  # fmt: skip
    found = cells.detections
    nothing = np.zeros(0, np.int64)
    empty = replace(
        cells,
        detections=Detections(nothing, nothing, np.zeros((0, 2)), found.frames, found.scale),
        name="an empty movie",
    )
    table = NodeEmbeddings(np.zeros((0, 2), np.int64), np.zeros((0, 16), np.float32))
    refused("there are no detections in an empty movie; look at its masks or points", [empty], [table], tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transitive_weight": -1.0}, "attrackt: transitive_weight must be finite and not negative, found -1.0"),
        ({"transitive_weight": np.inf}, "attrackt: transitive_weight must be finite and not negative, found inf"),
        ({"hidden": 0}, "attrackt: hidden must be at least 1, found 0"),
    ],
)
def test_settings_are_checked(changes, message):
    with pytest.raises(ConfigError) as error:
        AttracktSettings(**changes)
    assert str(error.value) == message
