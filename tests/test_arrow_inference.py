"""Features of whole frames, tile by tile, and what in them decides."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from tap_cases import SMALL, settled  # noqa: E402

import embeddings.inference.arrow_attribution as attribution  # noqa: E402
from embeddings.inference.arrow_attribution import arrow_attribution, pixel_votes  # noqa: E402
from embeddings.inference.arrow_features import dense_features  # noqa: E402
from tracker.errors import ConfigError  # noqa: E402

CPU = torch.device("cpu")


def image(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).random(shape, np.float32)


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("shape", [(81, 107), (30, 150), (9, 7)])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_tiles_change_nothing(levels, shape, batch_size):
    network = settled(replace(SMALL, levels=levels))
    whole = dense_features(network, image(*shape), CPU)
    assert whole.shape == (SMALL.features, *shape)
    smallest = 17 * 2**levels
    for tile in (smallest, smallest + 2**levels):
        found = dense_features(network, image(*shape), CPU, tile_px=tile, batch_size=batch_size)
        np.testing.assert_allclose(found, whole, atol=1e-5)


def test_the_whole_frame_is_the_networks_own():
    network = settled(SMALL)
    with torch.no_grad():
        wanted = network.features(torch.from_numpy(image(20, 30))[None])[0].numpy()
    np.testing.assert_allclose(dense_features(network, image(20, 30), CPU), wanted, atol=1e-6)


@pytest.mark.parametrize("decision", ["difference", "forward"])
@pytest.mark.parametrize("pixels", [2**18, 100])
def test_the_attribution_is_its_formula(decision, pixels, monkeypatch):
    monkeypatch.setattr(attribution, "_PIXELS", pixels)
    network = settled(SMALL)
    features = torch.randn(1, 2, SMALL.features, 17, 23, generator=torch.Generator().manual_seed(0)).requires_grad_()
    logits = network.judge(features)[0]
    decided = logits[0] if decision == "forward" else logits[0] - logits[1]
    (gradient,) = torch.autograd.grad(decided, features)
    slope = gradient.sum(dim=(-2, -1), keepdim=True)
    wanted = (slope * features.detach()).sum(dim=2)[0].numpy()
    first, second = features.detach()[0].numpy()
    found = arrow_attribution(network, first, second, CPU, decision=decision)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("decision", ["difference", "forward"])
def test_the_decision_is_the_mean_of_what_pixels_say(decision, monkeypatch):
    monkeypatch.setattr(attribution, "_PIXELS", 100)
    network = settled(SMALL)
    first, second = (dense_features(network, image(17, 23) * factor, CPU) for factor in (1.0, 0.5))
    found = pixel_votes(network, first, second, CPU, decision=decision)
    assert found.shape == (17, 23)
    with torch.no_grad():
        logits = network.judge(torch.from_numpy(np.stack([first, second]))[None])[0]
    decided = float(logits[0] - logits[1] if decision == "difference" else logits[0])
    assert found.mean() == pytest.approx(decided, rel=1e-4)
    assert found.std() > 1e-3
    if decision == "difference":
        np.testing.assert_allclose(pixel_votes(network, second, first, CPU), -found, atol=1e-6)


def test_in_the_other_order_the_attribution_is_swapped_and_turns_its_sign():
    network = settled(SMALL)
    first, second = (dense_features(network, image(16, 20) * factor, CPU) for factor in (1.0, 0.5))
    found = arrow_attribution(network, first, second, CPU)
    swapped = arrow_attribution(network, second, first, CPU)
    np.testing.assert_allclose(swapped, -found[::-1], atol=1e-6)
    assert np.abs(found.sum(axis=0)).max() > 1e-3


def test_where_nothing_changes_the_differences_cancel():
    network = settled(SMALL)
    dense = dense_features(network, image(16, 20), CPU)
    found = arrow_attribution(network, dense, dense, CPU)
    np.testing.assert_allclose(found.sum(axis=0), 0, atol=1e-6)
    assert np.abs(found).max() > 1e-3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tile_px": 32}, "tile_px must be a multiple of 2, at least 34 for this network; found 32"),
        ({"tile_px": 35}, "tile_px must be a multiple of 2, at least 34 for this network; found 35"),
        ({"batch_size": 0}, "batch_size must be positive, found 0"),
    ],
)
def test_what_is_refused(given, message):
    with pytest.raises(ConfigError) as error:
        dense_features(settled(SMALL), image(9, 9), CPU, **given)
    assert str(error.value) == message
