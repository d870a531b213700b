"""The loss of time arrow prediction against slow loops over its formula, and its gradient."""

import math

import pytest

torch = pytest.importorskip("torch", reason="losses need the extra learn")

from embeddings.losses.time_arrow import decorrelation_loss, time_arrow_loss  # noqa: E402


def case(scale=0.5):
    random = torch.Generator().manual_seed(3)
    logits = torch.randn(3, 2, generator=random, dtype=torch.float64)
    features = scale * torch.randn(3, 2, 4, 2, 3, generator=random, dtype=torch.float64)
    return logits, torch.tensor([0, 1, 1]), features


def slow_alike(channels, temperature):
    """A_ii of channels as lists of pixels."""
    alike = []
    for i, own in enumerate(channels):
        products = [sum(a * b for a, b in zip(own, other, strict=True)) / temperature for other in channels]
        highest = max(products)
        weights = [math.exp(product - highest) for product in products]
        alike.append(weights[i] / sum(weights))
    return alike


def slow_decorrelation(features, temperature, over):
    losses = []
    for pair in features.tolist():
        flat = [[[value for row in channel for value in row] for channel in image] for image in pair]
        if over == "image":
            losses += [-math.log(a + 1e-10) for image in flat for a in slow_alike(image, temperature)]
        else:
            stacked = [first + second for first, second in zip(*flat, strict=True)]
            losses.append(-math.log(sum(slow_alike(stacked, temperature))) / len(stacked))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("over", ["image", "pair"])
@pytest.mark.parametrize("temperature", [0.2, 1.5])
def test_decorrelation_is_its_formula(over, temperature):
    _, _, features = case()
    found = decorrelation_loss(features, temperature=temperature, over=over)
    assert found.item() == pytest.approx(slow_decorrelation(features, temperature, over), rel=1e-9)


@pytest.mark.parametrize("over", ["image", "pair"])
def test_the_loss_is_its_formula(over):
    logits, swapped, features = case()
    wanted = 0.0
    for (zero, one), label in zip(logits.tolist(), swapped.tolist(), strict=True):
        wanted -= (zero, one)[label] - math.log(math.exp(zero) + math.exp(one))
    wanted = wanted / 3 + 0.3 * slow_decorrelation(features, 0.2, over)
    for labels in (swapped, swapped.bool()):
        found = time_arrow_loss(logits, labels, features, decorrelation_weight=0.3, over=over)
        assert found.item() == pytest.approx(wanted, rel=1e-9)


def test_without_weight_the_features_do_not_count():
    logits, swapped, features = case()
    plain = time_arrow_loss(logits, swapped, features, decorrelation_weight=0.0)
    assert plain == time_arrow_loss(logits, swapped, features * math.nan, decorrelation_weight=0.0)
    assert plain == torch.nn.functional.cross_entropy(logits, swapped)


@pytest.mark.parametrize("over", ["image", "pair"])
def test_gradient(over):
    logits, swapped, features = case()

    def loss(logits, features):
        return time_arrow_loss(logits, swapped, features, decorrelation_weight=0.5, over=over)

    assert torch.autograd.gradcheck(loss, (logits.requires_grad_(), features.requires_grad_()))


def test_swapped_pairs_with_swapped_labels_lose_the_same():
    logits, swapped, features = case()
    other = time_arrow_loss(logits.flip(1), 1 - swapped, features.flip(1))
    torch.testing.assert_close(other, time_arrow_loss(logits, swapped, features))


def test_alike_channels_lose_more_than_different_ones():
    different = torch.eye(4).view(1, 1, 4, 2, 2).repeat(1, 2, 1, 1, 1)
    alike = torch.ones(1, 2, 4, 2, 2)
    for over in ("image", "pair"):
        assert decorrelation_loss(different, over=over) < decorrelation_loss(alike, over=over)
    assert decorrelation_loss(alike).item() == pytest.approx(math.log(4), rel=1e-6)


@pytest.mark.parametrize("over", ["image", "pair"])
def test_large_and_half_precise_features_stay_finite(over):
    _, _, features = case(scale=30.0)
    half = features.bfloat16().requires_grad_()
    loss = decorrelation_loss(half, over=over)
    assert loss.dtype == torch.float32
    loss.backward()
    assert bool(torch.isfinite(loss))
    assert bool(torch.isfinite(half.grad).all())
