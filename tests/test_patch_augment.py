"""Augmentation of patches: where each pixel comes from, and that no corner is ever empty."""

import math

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from embeddings.patch_augment import PatchAugmentation, augment_patches, warp_patches  # noqa: E402
from tracker.errors import ConfigError  # noqa: E402

STILL = PatchAugmentation(scale=(1.0, 1.0), shift=0.0, contrast=(1.0, 1.0), brightness=0.0, noise=0.0)
ONE = torch.eye(2)[None]
NOWHERE = torch.zeros(1, 2)


def crop(*shape: int):
    return torch.rand(1, *shape, generator=torch.Generator().manual_seed(1))


def test_unchanged_it_is_the_middle():
    whole = crop(12, 14)
    patch = warp_patches(whole, (4, 6), ONE, NOWHERE)
    torch.testing.assert_close(patch, whole[None, :, 4:8, 4:10])


def test_a_shift_is_in_pixels_along_y_and_x():
    whole = crop(12, 12)
    patch = warp_patches(whole, (4, 4), ONE, torch.tensor([[1.0, -2.0]]))
    torch.testing.assert_close(patch, whole[None, :, 5:9, 2:6])


def test_a_quarter_turn_goes_around_the_centre_pixel():
    whole = crop(12, 12)
    patch = warp_patches(whole, (4, 4), torch.tensor([[[0.0, -1.0], [1.0, 0.0]]]), NOWHERE)
    for y in range(-2, 2):
        for x in range(-2, 2):
            assert patch[0, 0, 2 + y, 2 + x].item() == pytest.approx(whole[0, 6 - x, 6 + y].item(), abs=1e-5)


def test_half_the_scale_looks_twice_as_far():
    ramp = torch.arange(16.0).expand(1, 16, 16)
    patch = warp_patches(ramp, (4, 4), 2 * ONE, NOWHERE)
    torch.testing.assert_close(patch[0, 0, 0], torch.tensor([4.0, 6.0, 8.0, 10.0]))


def test_planes_stay_planes():
    whole = crop(4, 24, 24)
    views = augment_patches(whole.expand(3, -1, -1, -1), (4, 8, 8), STILL)
    assert views.shape == (3, 1, 4, 8, 8)
    flat = torch.arange(4.0).view(1, 4, 1, 1).expand(5, 4, 24, 24)
    torch.testing.assert_close(augment_patches(flat, (4, 8, 8), STILL)[:, 0], flat[:, :, :8, :8])


@pytest.mark.parametrize("patch_px", [(8, 8), (8, 16), (4, 16, 16), (64, 64)])
def test_no_corner_is_empty(patch_px):
    drawn = PatchAugmentation(contrast=(1.0, 1.0), brightness=0.0, noise=0.0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        views = augment_patches(torch.ones(300, *drawn.crop_px(patch_px)), patch_px, drawn)
    torch.testing.assert_close(views, torch.ones(300, 1, *patch_px))


def test_the_crop_is_just_large_enough():
    assert STILL.crop_px((64, 64)) == (94, 94)  # half a diagonal is 45.3
    assert PatchAugmentation().crop_px((8, 64, 64)) == (8, 112, 112)


def test_every_angle_flip_scale_and_shift_comes_up():
    side = 41
    y, x = torch.meshgrid(torch.arange(side) - 20.0, torch.arange(side) - 20.0, indexing="ij")
    drawn = PatchAugmentation(shift=0.2, contrast=(1.0, 1.0), brightness=0.0, noise=0.0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        down = augment_patches(y.expand(400, -1, -1), (8, 8), drawn)[:, 0]
        torch.manual_seed(0)
        right = augment_patches(x.expand(400, -1, -1), (8, 8), drawn)[:, 0]
    # The pictures are where each pixel comes from, so that their slopes are the matrix.
    matrix = torch.stack(
        [
            torch.stack([source[:, 5, 4] - source[:, 4, 4], source[:, 4, 5] - source[:, 4, 4]], dim=1)
            for source in (down, right)
        ],
        dim=1,
    )
    size = torch.linalg.det(matrix)
    assert 0.4 < (size > 0).double().mean() < 0.6
    scale = 1 / size.abs().sqrt()
    assert 0.9 - 1e-3 < scale.min() < 0.92
    assert 1.08 < scale.max() < 1.1 + 1e-3
    angle = torch.atan2(matrix[:, 1, 0], matrix[:, 0, 0])
    assert torch.histc(angle, 8, -math.pi, math.pi).min() > 25
    for shift in (down[:, 4, 4], right[:, 4, 4]):
        assert shift.min() < -1.4
        assert shift.max() > 1.4
        assert shift.abs().max() <= 1.6


def test_light_is_relative_to_the_contrast_of_the_patch():
    board = (torch.arange(24) % 2).float().view(1, 24, 1).expand(200, 24, 24)
    lit = PatchAugmentation(scale=(1.0, 1.0), shift=0.0, contrast=(0.5, 0.5), brightness=0.0, noise=0.0)
    noisy = PatchAugmentation(scale=(1.0, 1.0), shift=0.0, contrast=(1.0, 1.0), brightness=0.5, noise=0.5)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = augment_patches(board, (8, 8), STILL)
        torch.manual_seed(0)
        torch.testing.assert_close(augment_patches(board, (8, 8), lit), plain / 2)
        torch.manual_seed(0)
        change = augment_patches(1e-4 * board, (8, 8), noisy) - 1e-4 * plain
    spread = 1e-4 * plain.flatten(1).std(dim=1, correction=0)
    shift = change.flatten(1).mean(dim=1) / spread
    noise = change.flatten(1).std(dim=1) / spread
    assert shift.min() < -0.4
    assert shift.max() > 0.4
    assert noise.min() < 0.1
    assert 0.4 < noise.max() < 0.7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": (1.1, 0.9)}, "scale is a range of positive numbers, found [1.1, 0.9]"),
        ({"contrast": (0.0, 1.0)}, "contrast is a range of positive numbers, found [0.0, 1.0]"),
        ({"noise": -1.0}, "noise must not be negative, found -1.0"),
    ],
)
def test_ranges_are_checked(changes, message):
    with pytest.raises(ConfigError) as error:
        PatchAugmentation(**changes)
    assert str(error.value) == f"augmentation of patches: {message}"
