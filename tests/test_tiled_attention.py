"""Attention by tiles equals attention over all pairs; how detections are cut into tiles."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from network_cases import small_network  # noqa: E402

from embeddings.nets import tiled_geometry as tiles_module  # noqa: E402
from embeddings.nets.pair_geometry import PairGeometry  # noqa: E402
from embeddings.nets.tiled_geometry import TiledGeometry, tiled_geometry  # noqa: E402
from embeddings.nets.tiles import cut_tiles, in_chunks, pad_rows, within_reach  # noqa: E402


def wide(dimensions=2, count=700, side=1200.0, seed=0):
    """One window of detections over a field far wider than the cut-off, in clumps, with features."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.rand(1, count, dimensions, generator=generator) * side
    place[:, : count // 4] = place[:, : count // 4] / 8 + 300  # crowded
    place[:, -5:] = torch.tensor([side, 3.0, 700.0][-dimensions:])  # at one place
    if dimensions == 3:
        place[..., 0] /= 10
    frame = torch.randint(3, 7, (1, count, 1), generator=generator).float()
    return torch.cat((frame, place), dim=-1), torch.randn(1, count, 3, generator=generator)


def logits_and_geometries(network, coordinates, features, monkeypatch):
    """Logits by tiles and densely, and that each really went its way."""
    kinds = []
    choose = network._geometry
    monkeypatch.setattr(network, "_geometry", lambda *given: kinds.append(choose(*given)) or kinds[-1])
    with torch.inference_mode():
        tiled = network(coordinates, features)
        dense = network(coordinates, features, torch.zeros(coordinates.shape[:2], dtype=torch.bool))
    assert [type(kind) for kind in kinds] == [TiledGeometry, PairGeometry]
    return tiled, dense, kinds[0]


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("positional", ["rope", "bias", "none"])
@pytest.mark.parametrize("term", ["v0", "v1"])
def test_tiles_give_the_same_logits(monkeypatch, dimensions, positional, term):
    network = small_network(dimensions=dimensions, positional=positional, distance_term=term)
    coordinates, features = wide(dimensions)
    monkeypatch.setattr(tiles_module, "TILE_QUERIES", 40)
    monkeypatch.setattr(tiles_module, "CHUNK_PAIRS", 10_000)
    tiled, dense, geometry = logits_and_geometries(network, coordinates, features, monkeypatch)
    assert len(geometry.chunks) > 5
    assert geometry.kept
    assert dense.std() > 0.1
    torch.testing.assert_close(tiled, dense, rtol=0, atol=1e-5)


@pytest.mark.parametrize("positional", ["rope", "bias"])
def test_tiles_whose_pairs_do_not_fit_into_memory(monkeypatch, positional):
    network = small_network(positional=positional)
    coordinates, features = wide(side=150.0)  # nearly all pairs are near
    with torch.inference_mode():
        assert tiled_geometry(coordinates, cutoff_px=100.0, distance_term="v0") is None
    monkeypatch.setattr(tiles_module, "KEPT_PAIRS", 100_000)
    monkeypatch.setattr(tiles_module, "CHUNK_PAIRS", 100_000)
    tiled, dense, geometry = logits_and_geometries(network, coordinates, features, monkeypatch)
    assert not geometry.kept
    torch.testing.assert_close(tiled, dense, rtol=0, atol=1e-5)


def test_tiles_in_mixed_precision_stay_close(monkeypatch):
    network = small_network()
    coordinates, features = wide()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = network(coordinates, features).float()
    tiled, _, _ = logits_and_geometries(network, coordinates, features, monkeypatch)
    assert (mixed - tiled).abs().max() < 0.1 * tiled.abs().max()


def test_only_a_wide_window_in_inference_is_cut():
    network = small_network()
    coordinates, _ = wide()
    with torch.inference_mode():
        assert isinstance(network._geometry(coordinates, None), TiledGeometry)
        assert isinstance(network._geometry(coordinates[:, :500], None), PairGeometry)
        assert isinstance(network._geometry(coordinates.expand(2, -1, -1), None), PairGeometry)
        crowded = coordinates * torch.tensor([1.0, 0.1, 0.1])
        assert isinstance(network._geometry(crowded, None), PairGeometry)
        network.train()
        assert isinstance(network._geometry(coordinates, None), PairGeometry)
        network.eval()
    assert isinstance(network._geometry(coordinates, None), PairGeometry)


@pytest.mark.parametrize("count", [0, 1, 5, 64, 1000])
def test_every_detection_is_in_one_tile(count):
    plane = np.random.default_rng(0).random((count, 2)) * [100, 30]
    plane[count // 2 :] = 7.0  # one place
    groups = cut_tiles(plane, 6)
    assert sorted(row for group in groups for row in group) == list(range(count))
    sizes = [len(group) for group in groups]
    assert max(sizes, default=0) <= 6
    assert max(sizes, default=0) - min(sizes, default=0) <= 1
    assert all((np.diff(group) > 0).all() for group in groups)


def test_tiles_are_cut_across_their_longer_side():
    plane = np.array([[0, 0], [0, 90], [5, 1], [5, 91]], np.float32)
    assert [group.tolist() for group in cut_tiles(plane, 2)] == [[0, 2], [1, 3]]


def test_within_reach_is_every_detection_near_the_box_and_no_far_one():
    rng = np.random.default_rng(1)
    plane, others = rng.random((200, 2)) * 300, rng.random((300, 2)) * 300
    groups = cut_tiles(plane, 20)
    reach = within_reach(groups, plane, others, 40.0)
    for group, near in zip(groups, reach, strict=True):
        low, high = plane[group].min(axis=0), plane[group].max(axis=0)
        distance = np.hypot(*np.maximum(np.maximum(low - others, others - high), 0).T)
        assert set(np.flatnonzero(distance <= 40)) <= set(near) <= set(np.flatnonzero(distance <= 40.1))
        assert (np.diff(near) > 0).all()
    assert sum(map(len, reach)) < 0.6 * len(groups) * len(others)
    assert [near.tolist() for near in within_reach(groups[:1], plane, others[:0], 40.0)] == [[]]


def test_padding_rows_and_chunks_of_like_size():
    index, real = pad_rows([np.array([4, 6, 7]), np.array([], np.int64), np.array([2])])
    assert index.tolist() == [[4, 6, 7], [0, 0, 0], [2, 0, 0]]
    assert real.tolist() == [[True, True, True], [False] * 3, [True, False, False]]
    heights, widths = np.array([2, 3, 2, 1, 50]), np.array([10, 4, 11, 10, 9])
    chunks = [chunk.tolist() for chunk in in_chunks(heights, widths, 66)]
    assert chunks == [[1], [4], [3, 0, 2]]
    assert list(in_chunks(heights[:0], widths[:0], 5)) == []
