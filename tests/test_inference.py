"""Scores of links against plain loops over windows, and against the public package's windows."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from inference_cases import all_links, moderate, network_for, slow_scores  # noqa: E402
from network_cases import public_config, small_config, unsettle, write_release  # noqa: E402
from window_cases import field, movie_of  # noqa: E402

from embeddings.augment import transform_tokens  # noqa: E402
from embeddings.inference import link_blocks, scores  # noqa: E402
from embeddings.inference.link_blocks import LinkBlocks  # noqa: E402
from embeddings.inference.scores import ScoreSettings, link_scores  # noqa: E402
from embeddings.nets.trackastra_checkpoint import load_trackastra  # noqa: E402
from embeddings.windows import TokenMovie  # noqa: E402

CASES = {
    "gaps 1 and 2": {},
    "one gap": {"gaps": (2,)},
    "a threshold": {"settings": {"threshold": 0.05}},
    "eight variants": {"settings": {"variants": 8}},
    "eight variants, a threshold": {"settings": {"variants": 8, "threshold": 0.05}, "gaps": (1,)},
    "children compete too": {"settings": {"competition": "both"}},
    "both, eight variants, a threshold": {
        "settings": {"competition": "both", "variants": 8, "threshold": 0.05},
        "gaps": (1,),
    },
    "both, no competition": {"settings": {"competition": "both"}, "network": {"normalisation": "none"}},
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
    monkeypatch.setattr(link_blocks, "BLOCK_TARGETS", 7)
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
        both="competition" in settings,
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
    for changes in (
        {"threshold": 0.05},
        {"variants": 8},
        {"competition": "both"},
        {"logit_clamp": 0.5},
        {"window_frames": 3},
    ):
        assert np.abs(link_scores(network, movie, links, ScoreSettings(**changes)) - plain).max() > 0.003, changes


def test_windows_of_a_wide_field_and_batches_give_the_same(monkeypatch):
    movie = moderate(field(n_frames=6, per_frame=260, shape=(1500, 1200)))
    network, links = network_for(movie, cutoff_px=60), all_links(movie, (1, 2))
    tiled = link_scores(network, movie, links)
    monkeypatch.setattr("embeddings.nets.tiled_geometry.LEAST_TOKENS", 10**9)
    monkeypatch.setattr(link_blocks, "BLOCK_TARGETS", 10**9)
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
    assert sum(len(block.rivals) * len(block.targets) for block in blocks) < 0.2 * 3000**2
    distance = np.linalg.norm(np.subtract(*movie.position_px[links.T]), axis=1)
    assert set(np.flatnonzero(distance <= 256)) <= {link for block in blocks for link in block.link}
    for block in blocks:
        assert (links[block.link, 0] == block.rivals[block.rival_slot]).all()
        assert (links[block.link, 1] == block.targets[block.target_slot]).all()


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
