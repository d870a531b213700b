"""Scores of links against plain loops over windows, and against the public package's windows."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from network_cases import public_config, small_config, small_network, unsettle, write_release  # noqa: E402
from window_cases import field, movie_of  # noqa: E402

from embeddings.augment import dihedral_matrices, transform_tokens  # noqa: E402
from embeddings.inference import link_blocks, scores  # noqa: E402
from embeddings.inference.link_blocks import LinkBlocks  # noqa: E402
from embeddings.inference.scores import ScoreSettings, link_scores  # noqa: E402
from embeddings.losses.parental_softmax import parental_softmax  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.nets.trackastra_checkpoint import load_trackastra  # noqa: E402
from embeddings.training.errors import TrainingError  # noqa: E402
from embeddings.windows import TokenMovie  # noqa: E402
from tracker.errors import ConfigError, InputError  # noqa: E402


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def moderate(movie: TokenMovie) -> TokenMovie:
    """The movie with tokens of the size of a network's input; those of `window_cases` count upwards."""
    rng = np.random.default_rng(5)
    return TokenMovie(
        movie.position_px,
        rng.random(movie.tokens.shape).astype(np.float32) * 5,
        movie.starts,
        movie.low_px,
        movie.high_px,
    )


def network_for(movie, **changes):
    return small_network(dimensions=movie.ndim, features=movie.tokens.shape[1], **changes)


def all_links(movie: TokenMovie, gaps: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Three quarters of all pairs of frames so far apart, shuffled."""
    step = movie.step_of(np.arange(len(movie)))
    delay = step - step[:, None]
    links = np.argwhere(np.isin(delay, gaps))
    rng = np.random.default_rng(seed)
    return rng.permutation(links)[: 3 * len(links) // 4]


def turned_about(movie: TokenMovie, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places and tokens as of the turned picture: counted from the corner of the turned box."""
    inside = movie.position_px.copy()
    inside[:, -2:] -= movie.low_px
    side = np.zeros(movie.ndim)
    side[-2:] = movie.high_px - movie.low_px
    corner = np.minimum(matrix @ side, 0)
    low = np.zeros(movie.ndim)
    low[-2:] = movie.low_px
    return inside @ matrix.T - corner + np.abs(matrix) @ low, transform_tokens(movie.tokens, matrix)


def slow_scores(network, movie, links, n_frames, variants=1, threshold=0.0, logit_clamp=None) -> np.ndarray:
    """The definition: every window over all pairs, every link in every window on its own."""
    config = network.config
    n_frames = min(n_frames, movie.n_frames)
    seen: list[list[float]] = [[] for _ in links]
    for matrix in dihedral_matrices(movie.ndim)[:variants]:
        place, tokens = turned_about(movie, matrix)
        for start in range(movie.n_frames - n_frames + 1):
            rows = np.arange(movie.starts[start], movie.starts[start + n_frames])
            if not len(rows):
                continue
            step = torch.from_numpy(movie.step_of(rows) - start)[None]
            where = torch.from_numpy(place[rows]).float()[None]
            coordinates = torch.cat((step[..., None].float(), where), dim=-1)
            padding = torch.zeros_like(step, dtype=torch.bool)  # so that all pairs are gone through
            with torch.no_grad():
                logits = network(coordinates, torch.from_numpy(tokens[rows])[None], padding)
            if logit_clamp is not None:
                logits = logits.clamp(-logit_clamp, logit_clamp)
            allowed = torch.cdist(where, where) <= config.cutoff_px
            phi = parental_softmax(logits, step, allowed=allowed, mode=config.normalisation)[0]
            for number, (parent, child) in enumerate(links - rows[0]):
                if 0 <= parent < len(rows) and 0 <= child < len(rows) and phi[parent, child] >= threshold:
                    seen[number].append(float(phi[parent, child]))
    return np.array([np.mean(values) if values else 0.0 for values in seen])


CASES = {
    "gaps 1 and 2": {},
    "one gap": {"gaps": (2,)},
    "a threshold": {"settings": {"threshold": 0.05}},
    "eight variants": {"settings": {"variants": 8}},
    "eight variants, a threshold": {"settings": {"variants": 8, "threshold": 0.05}, "gaps": (1,)},
    "clamped": {"settings": {"logit_clamp": 0.5}},
    "three frames": {"settings": {"window_frames": 3}},
    "shorter than a window": {"settings": {"window_frames": 20}, "gaps": (1, 2, 5)},
    "3-D": {"movie": {"shape": (20, 300, 200)}},
    "3-D, eight variants": {"movie": {"shape": (20, 300, 200)}, "settings": {"variants": 8}, "gaps": (1,)},
    "softmax": {"network": {"normalisation": "softmax"}},
    "linear": {"network": {"normalisation": "linear"}},
    "none": {"network": {"normalisation": "none"}},
    "many small blocks": {"settings": {"max_pairs": 50}},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_scores_by_their_definition(case, monkeypatch):
    monkeypatch.setattr(link_blocks, "BLOCK_CHILDREN", 7)
    movie = moderate(field(n_frames=9, per_frame=12, **({"shape": (300, 200)} | case.get("movie", {}))))
    network = network_for(movie, **case.get("network", {}))
    links = all_links(movie, case.get("gaps", (1, 2)))
    settings = {"window_frames": 4, "device": "cpu"} | case.get("settings", {})
    found = link_scores(network, movie, links, ScoreSettings(**settings))
    wanted = slow_scores(
        network,
        movie,
        links,
        settings["window_frames"],
        **{key: value for key, value in settings.items() if key in ("variants", "threshold", "logit_clamp")},
    )
    assert found.dtype == np.float32
    assert wanted.std() > 0.02
    assert len(links) > 100
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


def test_each_setting_changes_the_scores():
    """So that the cases above tell something."""
    movie = moderate(field(n_frames=9, per_frame=12, shape=(300, 200)))
    network, links = network_for(movie), all_links(movie, (1, 2))
    plain = link_scores(network, movie, links)
    for changes in ({"threshold": 0.05}, {"variants": 8}, {"logit_clamp": 0.5}, {"window_frames": 3}):
        assert np.abs(link_scores(network, movie, links, ScoreSettings(**changes)) - plain).max() > 0.003, changes


def test_windows_of_a_wide_field_and_batches_give_the_same(monkeypatch):
    movie = moderate(field(n_frames=6, per_frame=260, shape=(1500, 1200)))
    network, links = network_for(movie, cutoff_px=60), all_links(movie, (1, 2))
    tiled = link_scores(network, movie, links)
    monkeypatch.setattr("embeddings.nets.tiled_geometry.LEAST_TOKENS", 10**9)
    monkeypatch.setattr(link_blocks, "BLOCK_CHILDREN", 10**9)
    alone = link_scores(network, movie, links)
    monkeypatch.setattr(scores, "SMALL_TOKENS", 10**9)
    monkeypatch.setattr(scores, "BATCH_TOKENS", 10**9)
    together = link_scores(network, movie, links, ScoreSettings(max_pairs=10**8))
    assert tiled.max() > 0.1
    np.testing.assert_allclose(tiled, alone, rtol=0, atol=1e-5)
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)


def test_children_of_a_wide_field_meet_near_parents_only():
    movie = field(n_frames=2, per_frame=3000, shape=(4000, 4000))
    links = np.stack([np.arange(3000), np.arange(3000) + 3000], axis=1)
    blocks = list(LinkBlocks(movie, links, 256.0).of_window(0, 2))
    assert sum(len(block.parents) * len(block.children) for block in blocks) < 0.2 * 3000**2
    distance = np.linalg.norm(np.subtract(*movie.position_px[links.T]), axis=1)
    assert set(np.flatnonzero(distance <= 256)) <= {link for block in blocks for link in block.link}
    for block in blocks:
        assert (links[block.link, 0] == block.parents[block.parent_slot]).all()
        assert (links[block.link, 1] == block.children[block.child_slot]).all()


def test_eight_variants_do_not_care_how_the_movie_lies():
    movie = moderate(movie_of([[(20.0, 30.0), (100.0, 140.0), (210.0, 90.0)]] * 5, (260, 170)))
    network, links = network_for(movie, cutoff_px=256), all_links(movie, (1,))
    transpose = np.array([[0.0, 1.0], [1.0, 0.0]])
    copy = TokenMovie(
        movie.position_px[:, ::-1].copy(),
        transform_tokens(movie.tokens, transpose),
        movie.starts,
        movie.low_px[::-1].copy(),
        movie.high_px[::-1].copy(),
    )
    one, other = (link_scores(network, each, links, ScoreSettings(variants=8)) for each in (movie, copy))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)
    one, other = (link_scores(network, each, links) for each in (movie, copy))
    assert np.abs(one - other).max() > 1e-3


@pytest.mark.filterwarnings("ignore:Changing the sparsity structure")  # theirs
@pytest.mark.parametrize("threshold", [0.05, 0.2])
@pytest.mark.parametrize("normalisation", ["quiet_softmax", "softmax", "linear", "none"])
def test_equal_scores_as_the_public_package(tmp_path, threshold, normalisation):
    public = pytest.importorskip("trackastra.model", reason="the referee is the package trackastra")
    from trackastra.data.wrfeat import WRFeatures, build_windows
    from trackastra.model.predict import predict_windows

    rng = np.random.default_rng(2)
    # On half pixels distances are exact however they are computed.
    counts = [9, 11, 10, 12, 8, 10]
    movie = moderate(movie_of([[tuple(place) for place in rng.integers(0, 500, (n, 2)) / 2] for n in counts]))
    config = small_config(features=7, window_frames=4, normalisation=normalisation, cutoff_px=100)
    theirs = public.TrackingTransformer(**public_config(config)).eval()
    unsettle(theirs)
    write_release(tmp_path, theirs)
    frames = [
        WRFeatures(
            movie.position_px[rows].astype(np.float32),
            np.arange(len(rows)) + 1,
            np.full(len(rows), step),
            {"all": movie.tokens[rows]},
        )
        for step, rows in enumerate(np.split(np.arange(len(movie)), movie.starts[1:-1]))
    ]
    windows = build_windows(frames, config.window_frames, progbar_class=quiet, as_torch=True)
    for start, one in enumerate(windows):
        one["coords"] = one["coords"] + start  # the public network takes the first frame's number off all places
    found = predict_windows(
        windows, frames, theirs, delta_t=2, edge_threshold=threshold, spatial_dim=2, progbar_class=quiet
    )
    links = np.argwhere(np.ones((len(movie), len(movie))))
    delay = np.subtract(*movie.step_of(links).T[::-1])
    links = links[(delay > 0) & (delay <= 2)]
    wanted = np.zeros((len(movie), len(movie)))
    for (parent, child), weight in found["weights"]:
        wanted[parent, child] = weight
    assert (wanted > 0).sum() > 20
    settings = ScoreSettings(threshold=threshold)
    ours = link_scores(load_trackastra(tmp_path), movie, links, settings)
    np.testing.assert_allclose(ours, wanted[tuple(links.T)], rtol=0, atol=1e-4)


def quiet(steps, **_words):
    return steps


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
        "links over 4 frames never lie in a window of 4 frames: make candidates.max_frame_gap at most 3, or the window "
        "longer (window_frames)"
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
    with pytest.raises(TrainingError, match=r"cpu ran out of memory at step 1\. Make max_pairs or window_frames small"):
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
