"""ASCENT's network: its sizes, its sets, and that padding is never looked at."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from ascent_cases import SMALL  # noqa: E402

from embeddings.nets.ascent import AscentBatch, seeded_ascent  # noqa: E402
from embeddings.nets.ascent_config import AscentConfig  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402

PADDING = torch.tensor([[False, False, True, False], [True, False, True, True], [True] * 4])


def batch(channels=1, seed=0):
    """Four detections in sets of three, one and none, with padding between them."""
    generator = torch.Generator().manual_seed(seed)
    patches = torch.randn(4, channels, 16, 16, generator=generator)
    return AscentBatch(patches, torch.randn(4, 3, generator=generator), PADDING)


@pytest.fixture
def network():
    return seeded_ascent(SMALL, 0).eval()


def test_the_published_sizes():
    config = AscentConfig()
    network = seeded_ascent(config, 0)
    count = {name: sum(part.numel() for part in child.parameters()) for name, child in network.named_children()}
    d, wide = 384, 256
    block = 3 * d * (d + 1) + d * (d + 1) + 4 * d * (d + 1) + d * (4 * d + 1) + 4 * d
    assert count["encoder"] == 12 * block + (3 * 16**2 + 1) * d + d + (1 + 16) * d + 2 * d
    assert count["visual"] == wide * (d + 1)
    assert count["position"] == wide * (3 + 1) + 2 * wide * (wide + 1) + 2 * 2 * wide
    layer = 4 * wide * (wide + 1) + 512 * (wide + 1) + wide * (512 + 1) + 4 * wide
    assert count["layers"] == 4 * layer
    assert count["projection"] == count["visual_norm"] == 0
    projected = seeded_ascent(replace(config, projection=1024), 0)
    assert sum(part.numel() for part in projected.projection.parameters()) == 1024 * (wide + 1) + wide * 1025


@pytest.mark.parametrize("channels", [1, 3])
def test_shapes_and_zeros_where_padding_is(network, channels):
    found = network(batch(channels))
    assert found.shape == (3, 4, 16)
    assert found.isfinite().all()
    assert (found[PADDING] == 0).all()
    assert (found[~PADDING] != 0).any(dim=1).all()


def test_sets_do_not_see_each_other_and_padding_is_nothing(network):
    both = batch()
    found = network(both)
    alone = network(AscentBatch(both.patches[:3], both.position[:3], torch.zeros(1, 3, dtype=torch.bool)))
    torch.testing.assert_close(found[0, [0, 1, 3]], alone[0], atol=1e-5, rtol=1e-4)
    single = network(AscentBatch(both.patches[3:], both.position[3:], torch.zeros(1, 1, dtype=torch.bool)))
    torch.testing.assert_close(found[1, 1], single[0, 0], atol=1e-5, rtol=1e-4)


def test_members_of_a_set_see_each_other(network):
    one, other = batch(), batch()
    other.patches[0] += 1
    before, after = network(one), network(other)
    assert not torch.allclose(before[0, 3], after[0, 3], atol=1e-4)
    torch.testing.assert_close(before[1], after[1], atol=1e-5, rtol=1e-4)


def test_the_order_in_a_set_is_nothing(network):
    given = batch()
    order = torch.tensor([2, 0, 1, 3])
    turned = network(AscentBatch(given.patches[order], given.position[order], PADDING))
    torch.testing.assert_close(turned[0, [0, 1, 3]], network(given)[0, [3, 0, 1]], atol=1e-5, rtol=1e-4)


def test_without_layers_each_is_on_its_own():
    network = seeded_ascent(replace(SMALL, set_layers=0), 0).eval()
    one, other = batch(), batch()
    other.patches[0] += 1
    torch.testing.assert_close(network(one)[0, 3], network(other)[0, 3])


@pytest.mark.parametrize("positions", ["relative", "physical", "none"])
def test_positions_count_where_they_are_asked(positions):
    network = seeded_ascent(replace(SMALL, positions=positions), 0).eval()
    given = batch()
    moved = network(given._replace(position=given.position + 1))
    assert torch.allclose(moved, network(given)) == (positions == "none")


def test_a_single_plane_stands_for_three(network):
    given = batch()
    torch.testing.assert_close(network(given), network(given._replace(patches=given.patches.repeat(1, 3, 1, 1))))


@pytest.mark.parametrize(
    "changes", [{}, {"pool": "class"}, {"projection": 8}, {"positions": "none"}, {"visual_norm": False}]
)
def test_learning_gives_every_weight_a_gradient(changes):
    network = seeded_ascent(replace(SMALL, **changes), 0).train()
    found = network(batch())
    (found * torch.linspace(-1, 2, found.numel()).view(found.shape)).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
    # Nothing reaches what only shifts the input of a batch norm, or all keys alike.
    still = {name for name, parameter in network.named_parameters() if not parameter.grad.abs().sum() > 1e-6}
    assert all(name.endswith("bias") for name in still), still


def test_dropout_is_for_learning_alone():
    network = seeded_ascent(replace(SMALL, dropout=0.5), 0)
    assert not torch.equal(network.train()(batch()), network(batch()))
    assert torch.equal(network.eval()(batch()), network(batch()))


def test_the_seed_decides_the_weights():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, same, other = (seeded_ascent(SMALL, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["visual.weight"], other["visual.weight"])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"token_px": 0}, "token_px must be at least 1; found 0"),
        ({"patch_px": 24}, "patch_px must be even and a multiple of token_px = 16; found 24"),
        ({"patch_px": 15, "token_px": 5}, "patch_px must be even and a multiple of token_px = 5; found 15"),
        ({"depth": 0}, "depth must be at least 1; found 0"),
        ({"heads": 5}, "heads must divide width = 384; found 5"),
        ({"mlp_ratio": 0}, "mlp_ratio must be at least 1; found 0"),
        ({"pool": "max"}, "pool must be one of class, mean; found 'max'"),
        ({"set_heads": 3}, "set_heads must divide embedding = 256; found 3"),
        ({"positions": "here"}, "positions must be one of relative, physical, none; found 'here'"),
        ({"set_layers": -1}, "set_layers must be at least 0; found -1"),
        ({"feed_forward": 0}, "feed_forward must be at least 1; found 0"),
        ({"dropout": 1.0}, "dropout must lie in [0, 1); found 1.0"),
        ({"projection": -1}, "projection must be at least 0; found -1"),
    ],
)
def test_sizes_that_cannot_be(changes, problem):
    with pytest.raises(ModelError) as error:
        AscentConfig(**changes)
    assert str(error.value) == f"ASCENT network: {problem}"


def test_sizes_from_a_file():
    assert AscentConfig.from_mapping(SMALL.as_mapping(), "model.json") == SMALL
    with pytest.raises(ModelError, match=r"^model.json: wanted an ASCENT network with the keys .*, found width$"):
        AscentConfig.from_mapping({"width": 3}, "model.json")
    with pytest.raises(ModelError, match=r"^model.json: a size of the ASCENT network is of the wrong type"):
        AscentConfig.from_mapping({**SMALL.as_mapping(), "depth": "deep"}, "model.json")
