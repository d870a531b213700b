"""The loss of StarDist against its formula, and the network that it teaches."""

import math

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from embeddings.losses.star_shapes import mixed_star_loss, star_loss  # noqa: E402
from embeddings.nets.cellulus_config import MiniUNetConfig  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.nets.stardist import seeded_stardist  # noqa: E402
from embeddings.nets.stardist_config import StarDistConfig  # noqa: E402


def drawn(seed=0, crops=4, n_rays=3, shape=(4, 5)):
    """logits, rays, probability with unknown pixels, true rays: all float64."""
    random = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn((crops, *shape), generator=random, dtype=torch.float64)
    rays, true = (4 * torch.rand((crops, n_rays, *shape), generator=random, dtype=torch.float64) for _ in range(2))
    probability = torch.rand((crops, *shape), generator=random, dtype=torch.float64)
    probability[torch.rand((crops, *shape), generator=random) < 0.3] = 0.0
    probability[torch.rand((crops, *shape), generator=random) < 0.3] = -1.0
    return logits, rays, probability, true


def slow_loss(logits, rays, probability, true, weight):
    """The formula, pixel by pixel."""
    losses = []
    for crop, y, x in torch.argwhere(probability >= 0).tolist():
        p = float(probability[crop, y, x])
        sigmoid = 1 / (1 + math.exp(-float(logits[crop, y, x])))
        unsure = -p * math.log(sigmoid) - (1 - p) * math.log(1 - sigmoid)
        apart = [abs(float(a) - float(b)) for a, b in zip(rays[crop, :, y, x], true[crop, :, y, x], strict=True)]
        losses.append(unsure + weight * p * sum(apart) / len(apart))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("weight", [0.0, 0.2, 1.0])
def test_the_loss_is_its_formula(weight):
    given = drawn()
    assert float(star_loss(*given, ray_weight=weight)) == pytest.approx(slow_loss(*given, weight), abs=1e-12)


@pytest.mark.parametrize("a", [0.0, 0.25, 0.5, 1.0])
def test_two_kinds_of_labels(a):
    given, pseudo = drawn(), torch.tensor([False, True, True, False])
    sparse_part, pseudo_part = (slow_loss(*(part[own] for part in given), 0.2) for own in (~pseudo, pseudo))
    found = mixed_star_loss(*given, pseudo, pseudo_weight=a, ray_weight=0.2)
    assert float(found) == pytest.approx((1 - a) * sparse_part + a * pseudo_part, abs=1e-12)


@pytest.mark.parametrize("kind", [False, True])
def test_where_one_kind_is_missing_the_other_counts_alone(kind):
    given, pseudo = drawn(), torch.full((4,), kind)
    found = mixed_star_loss(*given, pseudo, pseudo_weight=0.25, ray_weight=0.2)
    assert float(found) == pytest.approx(slow_loss(*given, 0.2), abs=1e-12)


def test_the_gradient_is_that_of_the_loss():
    logits, rays, probability, true = drawn(crops=2)
    pseudo = torch.tensor([False, True])

    def loss(a, b):
        return mixed_star_loss(a, b, probability, true, pseudo, pseudo_weight=0.3, ray_weight=0.2)

    torch.autograd.gradcheck(loss, (logits.requires_grad_(), rays.requires_grad_()))


def test_unknown_pixels_and_rays_outside_of_objects_do_not_count():
    logits, rays, probability, true = drawn()
    logits.requires_grad_()
    rays.requires_grad_()
    star_loss(logits, rays, probability, true).backward()
    assert ((logits.grad == 0) == (probability < 0)).all()
    assert ((rays.grad != 0).any(dim=1) == (probability > 0)).all()


def test_nothing_known():
    logits, rays, probability, true = drawn()
    logits.requires_grad_()
    nothing = star_loss(logits, rays, torch.full_like(probability, -1), true)
    nothing.backward()
    assert float(nothing.detach()) == 0
    assert not logits.grad.any()


# ---- the network


def small(**changes):
    return StarDistConfig(MiniUNetConfig(**{"channels": 3, "growth": 2, "features": 4, "depth": 2}), **changes)


def test_its_channels_are_a_logit_and_rays_in_pixels():
    random = torch.Generator().manual_seed(1)
    images = torch.randn((2, 1, 52, 60), generator=random)
    found = {unit: seeded_stardist(small(n_rays=8, ray_px=unit), 0)(images) for unit in (1.0, 12.0)}
    assert found[1.0].shape == (2, 9, 12, 20)
    torch.testing.assert_close(found[12.0][:, :1], found[1.0][:, :1])
    torch.testing.assert_close(found[12.0][:, 1:], 12 * found[1.0][:, 1:])
    assert StarDistConfig().unet.lost_px == 46


def test_every_weight_has_a_gradient():
    network = seeded_stardist(small(), 0)
    network(torch.randn((2, 1, 56, 56), generator=torch.Generator().manual_seed(2))).square().sum().backward()
    assert all(bool(parameter.grad.abs().sum() > 0) for parameter in network.parameters())


def test_weights_depend_on_the_seed_alone():
    first, again, other = (seeded_stardist(small(), seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.0.weight"], other["head.0.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_rays": 2}, "StarDist: n_rays must be at least 3; found 2"),
        ({"ray_px": 0.0}, "StarDist: ray_px must be positive; found 0.0"),
        ({"ray_px": "long"}, "StarDist: ray_px must be positive; found 'long'"),
        ({"unet": MiniUNetConfig(dimensions=3)}, "StarDist: dimensions must be 2; found 3"),
    ],
)
def test_sizes_out_of_range(change, message):
    with pytest.raises(ModelError) as error:
        StarDistConfig(**change)
    assert str(error.value) == message


def test_a_config_survives_its_mapping():
    config = small(n_rays=8, ray_px=3.5)
    assert StarDistConfig.from_mapping(config.as_mapping(), "model.json") == config
    with pytest.raises(ModelError) as error:
        StarDistConfig.from_mapping({"n_rays": 3}, "model.json")
    assert str(error.value) == (
        "model.json: wanted a StarDist network with the keys n_rays, ray_px, unet, found n_rays"
    )
