"""Augmentation of pairs: what is done to both frames alike, and what to each."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from embeddings.arrow_augment import PairAugmentation, augment_pairs, middle  # noqa: E402
from tracker.errors import ConfigError  # noqa: E402

ALWAYS = PairAugmentation(probability=1.0)
OF_EACH = {"frame_shift": 0.0, "frame_scale": (1.0, 1.0), "frame_gain": (1.0, 1.0), "frame_offset": 0.0, "noise": 0.0}
OF_BOTH = {"scale": (1.0, 1.0), "elastic": 0.0, "gain": (1.0, 1.0), "offset": 0.0}


def crops(count=6, side=36):
    random = torch.Generator().manual_seed(0)
    small = torch.rand(count, 2, side // 4, side // 4, generator=random)
    return torch.nn.functional.interpolate(small, size=(side, side), mode="bilinear")


def augmented(pairs, settings, seed=0):
    torch.manual_seed(seed)
    return augment_pairs(pairs, 24, settings)


def test_without_any_the_middle_is_shown():
    pairs = crops()
    shown = augmented(pairs, PairAugmentation(probability=0.0))
    assert shown.shape == (6, 2, 24, 24)
    torch.testing.assert_close(shown, pairs[:, :, 6:30, 6:30], atol=1e-5, rtol=0)
    assert torch.equal(middle(pairs, 24), pairs[:, :, 6:30, 6:30])


def test_what_is_done_to_both_frames_keeps_twins_twins():
    twins = crops()[:, :1].repeat(1, 2, 1, 1)
    shown = augmented(twins, replace(ALWAYS, **OF_EACH))
    torch.testing.assert_close(shown[:, 0], shown[:, 1], atol=1e-5, rtol=0)
    assert not torch.allclose(shown[:, 0], middle(twins, 24)[:, 0], atol=0.05)
    apart = augmented(twins, ALWAYS)
    assert all(not torch.allclose(one, other, atol=1e-3) for one, other in apart)


def test_turned_pairs_are_seen_turned_around_the_middle():
    settings = replace(ALWAYS, **OF_EACH, **OF_BOTH)
    plain = crops()
    shown = augmented(plain, settings)
    turned = augmented(plain.rot90(2, dims=(2, 3)), settings)
    torch.testing.assert_close(turned, shown.rot90(2, dims=(2, 3)), atol=1e-4, rtol=0)


def test_intensities_change_linearly():
    flat = torch.full((200, 2, 36, 36), 0.5)
    shown = augmented(flat, replace(ALWAYS, noise=0.0))
    torch.testing.assert_close(shown, shown[..., :1, :1].expand_as(shown), atol=1e-5, rtol=0)
    value = shown[:, :, 0, 0]
    assert value.min() >= (0.5 * 0.9 - 0.05) * 0.8 - 0.1 - 1e-5
    assert value.max() <= (0.5 * 1.11 + 0.05) * 1.25 + 0.1 + 1e-5
    assert value.std() > 0.05
    assert (value[:, 0] - value[:, 1]).abs().max() > 0.05


def test_half_of_the_pairs_are_changed():
    settings = PairAugmentation(**{**OF_EACH, "scale": (1.0, 1.0), "elastic": 0.0, "offset": 0.0}, gain=(1.2, 1.2))
    value = augmented(torch.ones(400, 2, 36, 36), settings)[:, :, 0, 0]
    assert 150 < int((value[:, 0] > 1.1).sum()) < 250
    torch.testing.assert_close(value[:, 0], value[:, 1])


def test_it_depends_on_the_seed_alone():
    pairs = crops()
    assert torch.equal(augmented(pairs, ALWAYS), augmented(pairs, ALWAYS))
    assert not torch.equal(augmented(pairs, ALWAYS), augmented(pairs, ALWAYS, seed=1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probability": 1.5}, "probability must lie in [0, 1], found 1.5"),
        ({"scale": (0.0, 1.0)}, "scale is a range of positive numbers, found [0.0, 1.0]"),
        ({"frame_gain": (1.2, 1.0)}, "frame_gain is a range of positive numbers, found [1.2, 1.0]"),
        ({"noise": -0.1}, "noise must not be negative, found -0.1"),
    ],
)
def test_ranges_are_checked(changes, message):
    with pytest.raises(ConfigError) as error:
        PairAugmentation(**changes)
    assert str(error.value) == f"augmentation of pairs: {message}"
