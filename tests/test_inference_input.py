"""Links, networks and settings that inference refuses; movies with next to nothing in them; what it leaves alone."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from inference_cases import all_links, moderate, network_for, slow_scores  # noqa: E402
from network_cases import small_network  # noqa: E402
from window_cases import field, movie_of  # noqa: E402

from embeddings.inference.scores import ScoreSettings, link_scores  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.training.errors import TrainingError  # noqa: E402
from tracker.errors import ConfigError, InputError  # noqa: E402


def test_windows_without_links_are_left_out_and_progress_counts_the_others():
    movie = moderate(movie_of([[(10.0, 10.0), (20.0, 30.0)]] * 30))
    network, told = network_for(movie), []
    links = np.array([[2, 4], [40, 43]])  # steps 1 to 2 and 20 to 21
    looked = []
    network.register_forward_pre_hook(lambda *_: looked.append("forward"))
    embed = network.embed
    network.embed = lambda coordinates, *rest: looked.append(len(coordinates)) or embed(coordinates, *rest)
    found = link_scores(network, movie, links, progress=lambda done, total: told.append((done, total)))
    assert looked == [5]  # starts 0, 1 and 18, 19, 20 hold them; 4 frames a window
    assert told == [(5, 5)]
    np.testing.assert_allclose(found, slow_scores(network, movie, links, 4), rtol=0, atol=1e-5)


def test_a_link_beyond_the_cutoff_has_score_0():
    movie = moderate(movie_of([[(10.0, 10.0), (300.0, 30.0)]] * 4))
    found = link_scores(network_for(movie), movie, np.array([[0, 3], [0, 2], [3, 4]]))
    assert found[[0, 2]].tolist() == [0.0, 0.0]
    assert found[1] > 0


def test_no_links_need_no_network():
    nothing = np.empty((0, 2), np.int64)
    for places in ([[(1.0, 2.0)]], [[], []], [[], [(1.0, 2.0)], []]):
        movie = movie_of(places)
        found = link_scores(network_for(movie), movie, nothing)
        assert (found.shape, found.dtype) == ((0,), np.float32)


def test_the_network_stays_as_it_was():
    movie = moderate(field(n_frames=4, per_frame=5))
    network = network_for(movie, dropout=0.5).train()
    links = all_links(movie, (1,))
    first = link_scores(network, movie, links)
    assert network.training
    assert np.array_equal(link_scores(network, movie, links), first)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("links", "message"),
    [
        ([[0, 1, 2]], "links must be (E, 2) whole numbers, found (1, 3) of int64"),
        ([[0.0, 1.0]], "links must be (E, 2) whole numbers, found (1, 2) of float64"),
        ([[0, 2], [0, 10], [-1, 3]], "links must name rows 0 to 9 of the movie, but these do not: (0, 10), (-1, 3)"),
        (
            [[0, 2], [2, 0], [2, 3]],
            "links must lead from a parent to a child in a later step of the movie, but these rows do not: (2, 0), "
            "(2, 3)",
        ),
    ],
)
def test_links_that_are_none(links, message):
    movie = moderate(movie_of([[(10.0, 10.0), (20.0, 30.0)]] * 5))
    with pytest.raises(InputError) as error:
        link_scores(network_for(movie), movie, np.array(links))
    assert str(error.value) == message


def test_a_link_longer_than_a_window():
    movie = moderate(movie_of([[(10.0, 10.0)]] * 6))
    with pytest.raises(ConfigError) as error:
        link_scores(network_for(movie), movie, np.array([[0, 1], [1, 5]]))
    assert str(error.value) == (
        "links over 4 frames never lie in a window of 4 frames: make candidates.max_frame_gap at most 3, or name a "
        "model with longer windows"
    )


def test_a_network_for_other_movies():
    movie, links = movie_of([[(10.0, 10.0)]] * 2), np.array([[0, 1]])
    with pytest.raises(ModelError) as error:
        link_scores(small_network(dimensions=3), movie, links)
    assert str(error.value) == ("the network is for 3-D movies, cells is 2-D: name a model trained on 2-D movies")
    with pytest.raises(ModelError) as error:
        link_scores(small_network(features=3), movie, links)
    assert str(error.value) == (
        "the network was made for 3 features per detection, cells has 7: name a model trained with these"
    )
    movie = movie_of([[(10.0, 10.0)]] * 2, tokens=np.zeros((2, 3), np.float32))
    with pytest.raises(ConfigError) as error:
        link_scores(small_network(features=3), movie, links, ScoreSettings(variants=8))
    assert str(error.value) == (
        "scores: variants = 8 turns the 7 tokens of a 2-D movie, or none, and cells has 3 other features; set "
        "variants = 1"
    )


def test_places_alone_can_be_turned():
    movie = movie_of([[(10.0, 10.0), (30.0, 10.0)]] * 4, tokens=np.zeros((8, 0), np.float32))
    network, links = small_network(features=0), np.array([[0, 2], [1, 2]])
    found = link_scores(network, movie, links, ScoreSettings(variants=8))
    assert found.min() > 0
    assert found.sum() < 1


def test_weights_that_are_not_finite():
    movie = moderate(movie_of([[(10.0, 10.0)]] * 5))
    network = network_for(movie)
    with torch.no_grad():
        network.head_x.fc2.bias[0] = torch.nan
    with pytest.raises(ModelError) as error:
        link_scores(network, movie, np.array([[1, 2]]))
    assert str(error.value) == (
        "the network gives scores that are not finite in the windows from step 0 on: its weights or the tokens are not "
        "finite; train it again with a lower learning rate"
    )


def test_out_of_memory_names_the_keys(monkeypatch):
    movie = moderate(movie_of([[(10.0, 10.0)]] * 5))
    network = network_for(movie)

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(network, "embed", fail)
    with pytest.raises(
        TrainingError, match=r"^cpu ran out of memory scoring links\. Score them on the CPU \(associations"
    ):
        link_scores(network, movie, np.array([[3, 4]]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window_frames": 1}, "scores: window_frames must be at least 2, found 1"),
        ({"variants": 4}, "scores: variants must be 1 or 8, found 4"),
        ({"threshold": 1.0}, "scores: threshold must be in [0, 1), found 1.0"),
        ({"logit_clamp": 0.0}, "scores: logit_clamp must be a number > 0, found 0.0"),
        ({"max_pairs": 0}, "scores: max_pairs must be at least 1, found 0"),
    ],
)
def test_settings_that_make_no_sense(changes, message):
    with pytest.raises(ConfigError) as error:
        ScoreSettings(**changes)
    assert str(error.value) == message


def test_a_device_there_is_not():
    movie = moderate(movie_of([[(10.0, 10.0)]] * 2))
    with pytest.raises(ConfigError, match=r"^device = 'abacus' cannot be used here"):
        link_scores(network_for(movie), movie, np.array([[0, 1]]), ScoreSettings(device="abacus"))
