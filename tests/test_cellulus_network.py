"""The mini U-Net of Cellulus: what it loses, what it sees, and the loss that its offsets are learnt with."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from embeddings.losses.object_centric import object_centric_loss  # noqa: E402
from embeddings.nets.cellulus import CellulusNetwork, MiniUNet, seeded_cellulus  # noqa: E402
from embeddings.nets.cellulus_config import MiniUNetConfig  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402


def small(**changes) -> MiniUNetConfig:
    return MiniUNetConfig(**{"channels": 3, "growth": 2, "features": 4, **changes})


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# ---- sizes


@pytest.mark.parametrize(("depth", "convolved", "lost"), [(1, 8, 8), (2, 20, 20), (3, 44, 46)])
def test_what_is_lost(depth, convolved, lost):
    config = small(depth=depth)
    assert (config.convolved_px, config.lost_px, config.field_of_view_px) == (convolved, lost, 2 * lost)
    network = MiniUNet(config)
    for side in range(2 * lost, 2 * lost + 17):
        if config.fits(side):
            assert network(noise(1, 1, side, side)).shape == (1, 4, side - 2 * lost, side - 2 * lost)
    assert [side for side in range(2 * lost + 17) if config.fits(side)] == list(
        range(2 * lost + 2**depth, 2 * lost + 17, 2**depth)
    )


def test_the_published_sizes():
    config = MiniUNetConfig()
    assert config.fits(252)
    assert 252 - 2 * config.lost_px == 236
    assert config.field_of_view_px == 16
    assert MiniUNetConfig(depth=3).lost_px == 46


@pytest.mark.parametrize("shape", [(24, 30), (20, 22, 18)])
def test_offsets_have_one_channel_per_axis(shape):
    config = small(dimensions=len(shape), inputs=2)
    network = seeded_cellulus(config, 0)
    images = noise(2, 2, *shape)
    inner = tuple(side - 16 for side in shape)
    assert network.lost_px == network.unet.lost_px == 8
    assert network.features(images).shape == (2, 4, *inner)
    offsets = network(images)
    assert offsets.shape == (2, len(shape), *inner)
    offsets.square().sum().backward()
    assert all(bool(parameter.grad.abs().sum() > 0) for parameter in network.parameters())


@pytest.mark.parametrize("depth", [1, 2])
def test_a_shift_of_the_image_shifts_the_offsets(depth):
    config = small(depth=depth)
    network, step = seeded_cellulus(config, 1), config.multiple_px
    side = 2 * config.lost_px + 5 * step
    image = noise(1, 1, side + step, side + step)
    with torch.no_grad():
        here, moved = network(image[..., :side, :side]), network(image[..., step:, step:])
    torch.testing.assert_close(here[..., step:, step:], moved[..., :-step, :-step])


def test_no_pixel_sees_further_than_the_pixels_lost():
    config = small()
    network = seeded_cellulus(config, 1)
    image = noise(1, 1, 40, 40).requires_grad_()
    network(image)[0, :, 12, 12].sum().backward()  # the pixel 20, 20 of the image
    seen = image.grad[0, 0].abs() > 0
    rows = torch.nonzero(seen.any(dim=1)).flatten()
    assert 20 - 9 <= int(rows.min()) < 20 - 5
    assert 20 + 5 < int(rows.max()) <= 20 + 9


def test_weights_depend_on_the_seed_alone():
    first, again, other = (seeded_cellulus(small(), seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.0.weight"], other["head.0.weight"])
    state = torch.random.get_rng_state()
    seeded_cellulus(small(), 2)
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dimensions": 4}, "mini U-Net: dimensions must be 2 or 3; found 4"),
        ({"channels": 0}, "mini U-Net: channels must be at least 1; found 0"),
        ({"depth": 0}, "mini U-Net: depth must lie in 1 .. 5; found 0"),
        ({"features": 2.5}, "mini U-Net: features must be at least 1; found 2.5"),
        ({"growth": True}, "mini U-Net: growth must be at least 1; found True"),
    ],
)
def test_sizes_out_of_range(change, message):
    with pytest.raises(ModelError) as error:
        small(**change)
    assert str(error.value) == message


def test_a_config_survives_its_mapping():
    config = small(depth=2)
    assert MiniUNetConfig.from_mapping(config.as_mapping(), "model.json") == config
    with pytest.raises(ModelError) as error:
        MiniUNetConfig.from_mapping({"channels": 3}, "model.json")
    assert str(error.value) == (
        "model.json: wanted a mini U-Net with the keys channels, depth, dimensions, features, growth, inputs, found "
        "channels"
    )


# ---- the loss


def slow_loss(offsets, anchor, reference, temperature, weight):
    """The formula, pair by pair."""
    pairs, lengths = [], []
    for crop, (own, others) in enumerate(zip(anchor.tolist(), reference.tolist(), strict=True)):
        for i, near in zip(own, others, strict=True):
            r_i = [float(offsets[(crop, axis, *i)]) for axis in range(len(i))]
            for j in near:
                r_j = [float(offsets[(crop, axis, *j)]) for axis in range(len(j))]
                gap = [a + b - c - d for a, b, c, d in zip(i, r_i, j, r_j, strict=True)]
                pairs.append(1 - math.exp(-sum(value**2 for value in gap) / temperature))
                lengths.append(math.hypot(*r_i))
    return sum(pairs) / len(pairs) + weight * sum(lengths) / len(lengths)


def drawn(shape, seed=0):
    rng = np.random.default_rng(seed)
    axes = len(shape)
    anchor = np.stack([rng.integers(0, side, (2, 5)) for side in shape], axis=-1)
    reference = np.stack([rng.integers(0, side, (2, 5, 3)) for side in shape], axis=-1)
    return 2 * noise(2, axes, *shape, seed=seed).double(), torch.from_numpy(anchor), torch.from_numpy(reference)


@pytest.mark.parametrize("shape", [(6, 7), (4, 5, 6)])
def test_the_loss_is_its_formula(shape):
    offsets, anchor, reference = drawn(shape)
    for temperature, weight in ((10.0, 1e-5), (3.0, 0.5)):
        found = object_centric_loss(offsets, anchor, reference, temperature=temperature, offset_weight=weight)
        assert float(found) == pytest.approx(slow_loss(offsets, anchor, reference, temperature, weight), abs=1e-12)


def test_perfect_offsets_cost_nothing_and_distance_costs_more():
    """All pixels point at one place; then they are pulled away from it; never more than 1."""
    place = torch.stack(torch.meshgrid(torch.arange(6.0), torch.arange(6.0), indexing="ij"))
    _, anchor, reference = drawn((6, 6))
    perfect = (2.5 - place).repeat(2, 1, 1, 1)
    losses = [
        float(object_centric_loss(perfect + spread * noise(2, 2, 6, 6), anchor, reference, offset_weight=0.0))
        for spread in (0.0, 0.3, 1.0, 100.0)
    ]
    assert losses[0] == pytest.approx(0, abs=1e-6)
    assert sorted(losses) == losses
    assert losses[-1] <= 1.0


def test_channels_are_in_the_order_of_the_axes():
    """Two pixels one above the other: only the first channel, y, brings them together."""
    anchor, reference = torch.tensor([[[2, 3]]]), torch.tensor([[[[4, 3]]]])
    for axis, better in ((0, True), (1, False)):
        offsets = torch.zeros(1, 2, 6, 6)
        offsets[0, axis, 2, 3] = 2.0
        apart = float(object_centric_loss(torch.zeros(1, 2, 6, 6), anchor, reference, offset_weight=0.0))
        assert (float(object_centric_loss(offsets, anchor, reference, offset_weight=0.0)) < apart) == better


def test_no_gradient_through_the_reference():
    offsets, anchor, reference = drawn((6, 7))
    offsets.requires_grad_()
    object_centric_loss(offsets, anchor, reference).backward()
    own = torch.zeros(2, 6, 7, dtype=torch.bool)
    for crop in range(2):
        own[crop, anchor[crop, :, 0], anchor[crop, :, 1]] = True
    assert bool((offsets.grad.abs().sum(dim=1) > 0)[own].all())
    assert not bool((offsets.grad.abs().sum(dim=1) > 0)[~own].any())


def test_the_gradient_is_that_of_the_loss():
    """By differences, of the anchors alone: the references are held still."""
    offsets, anchor, reference = drawn((4, 5))
    held = torch.full((2, 4, 5), False)
    for crop in range(2):
        held[crop, reference[crop, ..., 0], reference[crop, ..., 1]] = True
    free = ~held.unsqueeze(1).expand_as(offsets)
    assert bool(free.any())

    def loss(values):
        return object_centric_loss(torch.where(free, values, offsets), anchor, reference, offset_weight=0.1)

    torch.autograd.gradcheck(loss, offsets.clone().requires_grad_())


def test_offsets_of_zero_have_a_gradient():
    offsets = torch.zeros(1, 2, 6, 6, requires_grad=True)
    object_centric_loss(offsets, torch.tensor([[[2, 3]]]), torch.tensor([[[[4, 3]]]])).backward()
    assert bool(torch.isfinite(offsets.grad).all())


def test_a_network_is_a_module_of_both_parts():
    network = CellulusNetwork(small())
    assert {name.split(".")[0] for name, _ in network.named_parameters()} == {"unet", "head"}
