"""The time arrow network: its sizes, its symmetry, how far it sees."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from tap_cases import SMALL, settled  # noqa: E402

from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.nets.tap import seeded_tap  # noqa: E402
from embeddings.nets.tap_config import TapConfig  # noqa: E402

DEEPER = replace(SMALL, levels=2, aggregate="sum")


@pytest.mark.parametrize("config", [SMALL, DEEPER], ids=["mean", "sum"])
def test_shapes_and_gradients(config):
    network = seeded_tap(config, 0)
    logits, features = network(torch.rand(3, 2, 16, 24))
    assert logits.shape == (3, 2)
    assert features.shape == (3, 2, config.features, 16, 24)
    (logits[:, 0].sum() + features.square().sum()).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_the_published_sizes():
    network = seeded_tap(TapConfig(), 0)
    assert sum(weights.numel() for weights in network.parameters()) == pytest.approx(1.95e6, rel=0.005)
    head = [*network.head.parameters(), *network.norms.parameters(), *network.vote.parameters()]
    assert sum(weights.numel() for weights in head) == 2 * (2 * 32 * 32 + 32 + 64) + 2 * 32 + 1


@pytest.mark.parametrize("config", [SMALL, DEEPER], ids=["mean", "sum"])
def test_swapped_frames_swap_the_logits_exactly(config):
    network, pairs = settled(config), torch.rand(5, 2, 16, 16)
    with torch.no_grad():
        logits, features = network(pairs)
        swapped, swapped_features = network(pairs.flip(1))
    assert not torch.allclose(logits[:, 0], logits[:, 1])
    assert torch.equal(swapped, logits.flip(1))
    assert torch.equal(swapped_features, features.flip(1))


def test_swapped_frames_swap_the_logits_in_training_too():
    pairs = torch.rand(5, 2, 16, 16)
    logits, swapped = (seeded_tap(SMALL, 0)(one)[0] for one in (pairs, pairs.flip(1)))
    torch.testing.assert_close(swapped, logits.flip(1))


def test_mean_and_sum_differ():
    mean, total = settled(SMALL), settled(replace(SMALL, aggregate="sum"))
    total.load_state_dict(mean.state_dict())
    pairs = torch.rand(2, 2, 16, 16)
    assert not torch.allclose(mean(pairs)[0], total(pairs)[0])


@pytest.mark.parametrize("config", [SMALL, DEEPER, TapConfig(channels=2, features=2)])
def test_no_pixel_beyond_the_reach_matters(config):
    network, reach = settled(config), config.reach_px
    side = 2 * reach + 2 * config.multiple_px
    pictures = torch.rand(1, side, side).repeat(2, 1, 1)
    pictures[1, 0, 0] += 10
    with torch.no_grad():
        one, other = network.features(pictures)
    changed = (one != other).any(dim=0).nonzero()
    assert 4 * config.multiple_px < int(changed.max()) <= reach


def test_weights_depend_on_the_seed_alone():
    before = torch.get_rng_state()
    one, same, other = (seeded_tap(SMALL, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["unet.down.0.0.weight"], other["unet.down.0.0.weight"])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": 0}, "channels must be at least 1; found 0"),
        ({"channels": "32"}, "channels must be at least 1; found '32'"),
        ({"levels": 7}, "levels must lie in 1 .. 6; found 7"),
        ({"features": 1}, "features must be at least 2; found 1"),
        ({"aggregate": "max"}, "aggregate must be one of mean, sum; found 'max'"),
    ],
)
def test_sizes_are_checked(changes, message):
    with pytest.raises(ModelError) as error:
        TapConfig(**changes)
    assert str(error.value) == f"time arrow network: {message}"


def test_sizes_go_to_a_file_and_back():
    assert TapConfig.from_mapping(DEEPER.as_mapping(), "here") == DEEPER
    with pytest.raises(ModelError) as error:
        TapConfig.from_mapping({"levels": 3}, "here")
    assert str(error.value) == (
        "here: wanted a time arrow network with the keys aggregate, channels, features, levels, found levels"
    )
