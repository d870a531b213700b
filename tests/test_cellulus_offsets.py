"""Offsets of whole frames: tiles that leave no trace, and noise that tells what is certain."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from embeddings.inference.cellulus_offsets import NoiseSettings, dense_maps, noisy_offsets  # noqa: E402
from embeddings.nets.cellulus import seeded_cellulus  # noqa: E402
from embeddings.nets.cellulus_config import MiniUNetConfig  # noqa: E402
from tracker.errors import ConfigError  # noqa: E402

CPU = torch.device("cpu")


def made(**changes):
    config = MiniUNetConfig(**{"channels": 3, "growth": 2, "features": 4, **changes})
    return seeded_cellulus(config, 0), config


def image(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


@pytest.mark.parametrize(
    ("shape", "depth"), [((37, 50), 1), ((33, 45), 2), ((70, 61), 3), ((5, 21, 23), 1), ((1, 30), 1)]
)
def test_tiles_are_those_of_the_whole_frame(shape, depth):
    network, config = made(dimensions=len(shape), depth=depth)
    seen = image(*shape)
    whole = dense_maps(network, config, seen, CPU, tile_px=1000)
    assert whole.shape == (len(shape), *shape)
    for tile_px in (7, 16):
        np.testing.assert_allclose(dense_maps(network, config, seen, CPU, tile_px=tile_px), whole, atol=1e-5)


def test_the_middle_is_what_the_network_says():
    network, config = made()
    seen = image(40, 44)
    with torch.no_grad():
        inner = network(torch.from_numpy(seen)[None, None])[0].numpy()
    np.testing.assert_allclose(dense_maps(network, config, seen, CPU)[:, 8:-8, 8:-8], inner, atol=1e-5)


def test_a_mirrored_frame_has_the_offsets_of_its_mirror_image():
    """Beyond the edge lies the mirror image: two frames side by side, sharing the edge, are one."""
    network, config = made()
    seen = image(24, 30)
    both = np.hstack([seen[:, :0:-1], seen])  # the shared column is at 29; a shift by an odd number moves the halves
    wide = np.hstack([both[:, 1:], seen[:, -2:-3:-1]])
    here = dense_maps(network, config, seen, CPU)[:, :, :10]
    there = dense_maps(network, config, wide, CPU)[:, :, 28:38]
    np.testing.assert_allclose(here, there, atol=1e-5)


def test_mean_and_spread_are_those_of_the_passes():
    network, config = made()
    seen, noise = image(20, 24), NoiseSettings(repeats=3, values=(0.5, 1.0), share=0.1)
    mean, spread = noisy_offsets(network, config, seen, CPU, noise=noise, rng=np.random.default_rng(4))
    rng, passes = np.random.default_rng(4), []
    for value in (0.5, 1.0) * 3:
        noisy = seen.copy()
        noisy[rng.random(seen.shape, dtype=np.float32) < 0.1] = value
        passes.append(dense_maps(network, config, noisy, CPU))
    assert noise.passes == len(passes) == 6
    np.testing.assert_allclose(mean, np.mean(passes, axis=0), atol=1e-5)
    np.testing.assert_allclose(spread, np.std(passes, axis=0).sum(axis=0), atol=1e-5)
    assert spread.min() >= 0
    assert spread.max() > 0.01


def test_noise_depends_on_the_generator_alone():
    network, config = made()
    noise = NoiseSettings(repeats=1)
    one, same, other = (
        noisy_offsets(network, config, image(20, 20), CPU, noise=noise, rng=np.random.default_rng(seed), tile_px=tile)
        for seed, tile in ((0, 512), (0, 8), (1, 512))
    )
    np.testing.assert_allclose(one[1], same[1], atol=1e-5)
    assert not np.allclose(one[1], other[1], atol=1e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NoiseSettings(repeats=0), "noise_repeats must be at least 1, and passes at least 2; found 0"),
        (
            lambda: NoiseSettings(repeats=1, values=(1.0,)),
            "noise_repeats must be at least 1, and passes at least 2; found 1",
        ),
        (lambda: NoiseSettings(share=1.0), "noise_share must lie in (0, 1), found 1"),
        (lambda: dense_maps(*made(), image(20, 20), CPU, tile_px=0), "tile_px must be positive, found 0"),
    ],
)
def test_settings_out_of_range(make, message):
    with pytest.raises(ConfigError) as error:
        make()
    assert str(error.value) == message
