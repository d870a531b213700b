"""Where the field of view lies for each pixel: against a slow loop, dense against targeted, shifts, borders."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from mae_cases import SMALL, noise  # noqa: E402

from embeddings.inference.field_of_view import FieldOfView, dense_embeddings, pixel_embeddings  # noqa: E402
from embeddings.inference.mask_pixels import labelled_pixels, sample_pixels  # noqa: E402
from embeddings.nets.mae import seeded_mae  # noqa: E402
from embeddings.nets.mae_config import MaeConfig  # noqa: E402
from tracker.errors import ConfigError  # noqa: E402

CPU = torch.device("cpu")
ODD = replace(SMALL, image_px=15, central_tokens=1)  # 5 x 5 tokens, the one in the middle gives embeddings


@pytest.fixture(scope="module")
def network():
    return seeded_mae(SMALL, 0).eval()


@pytest.fixture(scope="module")
def dense(network):
    image = noise(17, 31)
    return image, *dense_embeddings(network, image, CPU)


def every_pixel(*shape: int) -> np.ndarray:
    return np.argwhere(np.ones(shape, bool))


@pytest.mark.parametrize("config", [MaeConfig(), SMALL, ODD], ids=["published", "small", "odd"])
def test_the_pixel_is_the_centre_of_its_patch_in_the_middle(config):
    view = FieldOfView.of(config)
    pixel = every_pixel(45, 43)
    start, token = view.place(pixel)
    row, column = np.divmod(token, view.grid)
    centre = start + np.column_stack([row, column]) * config.patch_px + config.patch_px // 2
    np.testing.assert_array_equal(centre, pixel)
    left_over = (view.grid - config.central_tokens) // 2
    for along in (row, column):
        assert set(along) == set(range(left_over, view.grid - left_over))


def test_the_published_geometry():
    view = FieldOfView.of(MaeConfig())
    assert (view.grid, view.first_token, view.block_px, view.reach_px) == (16, 6, 20, 32)
    start, token = view.place(np.array([[0, 0], [0, 19], [4, 20], [24, 12]]))
    assert start.tolist() == [[-32, -32], [-32, -28], [-28, -12], [-8, -30]]
    assert token.tolist() == [6 * 16 + 6, 6 * 16 + 9, 6 * 16 + 6, 6 * 16 + 8]


def test_a_block_takes_one_field_per_shift():
    view = FieldOfView.of(MaeConfig())
    assert len(np.unique(view.place(every_pixel(20, 20))[0], axis=0)) == 25


def test_dense_is_the_slow_loop(network, dense):
    image, found, passes = dense
    reach, size = 2 * 3 + 1, 24
    padded = np.pad(image, size)
    for y, x in [(0, 0), (16, 30), (0, 30), (5, 12), (11, 11), (12, 12), (13, 29)]:
        row, column = y % 12 // 3, x % 12 // 3
        top, left = size + y - row * 3 - reach, size + x - column * 3 - reach
        field = torch.from_numpy(padded[top : top + size, left : left + size].copy())
        with torch.no_grad():
            token = network.encode(field[None, None])[0, (2 + row) * 8 + 2 + column]
        np.testing.assert_allclose(found[y, x], token.numpy(), atol=1e-5)
    assert found.shape == (17, 31, 16)
    assert passes == 9 * 2 * 3


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_targeted_is_dense(network, dense, batch_size):
    image, found, _ = dense
    pixel = np.array([[16, 30], [0, 0], [3, 3], [5, 12], [0, 0], [9, 6], [4, 4], [11, 30]])
    vector, passes = pixel_embeddings(network, image, pixel, CPU, batch_size)
    np.testing.assert_allclose(vector, found[pixel[:, 0], pixel[:, 1]], atol=1e-5)
    assert passes == 5  # (0, 0), (3, 3) and (9, 6) share a field


def test_all_pixels_take_no_more_fields_than_dense(network, dense):
    image, found, passes = dense
    vector, targeted = pixel_embeddings(network, image, every_pixel(*image.shape), CPU)
    np.testing.assert_allclose(vector.reshape(found.shape), found, atol=1e-5)
    assert targeted <= passes


def test_no_pixel(network):
    vector, passes = pixel_embeddings(network, noise(17, 31), np.zeros((0, 2), np.int64), CPU)
    assert (vector.shape, passes) == ((0, 16), 0)


def test_centroids_take_over_a_hundred_times_fewer_fields():
    """A frame of 1100 x 700 px with 200 cells, counted without a network."""
    view = FieldOfView.of(MaeConfig())
    rows, columns = view.blocks((700, 1100))
    pixel = np.random.default_rng(0).integers(0, (700, 1100), size=(200, 2))
    assert 25 * rows * columns == 48_125
    assert 25 * rows * columns > 100 * len(np.unique(view.place(pixel)[0], axis=0))


# ---- shifted image, shifted embedding


@pytest.mark.parametrize("shift", [(12, 0), (0, 12), (24, 12)])
def test_a_shift_by_blocks(network, shift):
    image = noise(40, 40)
    found, _ = dense_embeddings(network, image, CPU)
    shifted = np.zeros((40 + shift[0], 40 + shift[1]), np.float32)
    shifted[shift[0] :, shift[1] :] = image
    moved, _ = dense_embeddings(network, shifted, CPU)
    np.testing.assert_allclose(moved[shift[0] :, shift[1] :], found, atol=1e-5)


@pytest.mark.parametrize("shift", [(1, 0), (0, 1), (2, 5), (7, 4)])
def test_any_shift_with_one_token_in_the_middle(shift):
    """Around an image is 0: borders are as if the image lay in a larger empty one."""
    network = seeded_mae(ODD, 0).eval()
    image = noise(11, 14)
    found, _ = dense_embeddings(network, image, CPU)
    larger = np.zeros((30, 31), np.float32)
    larger[shift[0] : shift[0] + 11, shift[1] : shift[1] + 14] = image
    moved, _ = dense_embeddings(network, larger, CPU)
    np.testing.assert_allclose(moved[shift[0] : shift[0] + 11, shift[1] : shift[1] + 14], found, atol=1e-5)
    assert np.abs(found[0, 0] - found[5, 5]).max() > 1e-2


def test_a_part_of_an_image_is_the_same_inside(network):
    """Further than a field from where it was cut, nothing changes."""
    image = noise(72, 60)
    pixel = np.array([[36, 36], [38, 39], [47, 36]])
    whole, _ = pixel_embeddings(network, image, pixel, CPU)
    part, _ = pixel_embeddings(network, image[12:, 12:], pixel - 12, CPU)
    np.testing.assert_allclose(part, whole, atol=1e-5)


@pytest.mark.parametrize("pixel", [[-1, 0], [17, 0], [0, 31]])
def test_pixels_outside_are_refused(network, pixel):
    with pytest.raises(ConfigError) as error:
        pixel_embeddings(network, noise(17, 31), np.array([pixel]), CPU)
    assert str(error.value) == "pixels must lie inside of the image of (17, 31) pixels"


@pytest.mark.parametrize(
    "embed", [dense_embeddings, lambda *given: pixel_embeddings(*given[:2], every_pixel(1, 1), *given[2:])]
)
def test_no_batch(network, embed):
    with pytest.raises(ConfigError) as error:
        embed(network, noise(17, 31), CPU, 0)
    assert str(error.value) == "batch_size must be positive, found 0"


# ---- which pixels


def test_labelled_pixels():
    mask = np.array([[0, 3, 3], [7, 0, 3], [7, 5, 0]], np.uint16)
    pixel, owner = labelled_pixels(mask, np.array([3, 7, 9]))
    assert pixel.tolist() == [[0, 1], [0, 2], [1, 0], [1, 2], [2, 0]]
    assert owner.tolist() == [0, 0, 1, 0, 1]
    assert labelled_pixels(mask, np.zeros(0, np.int64))[0].shape == (0, 2)


def test_a_sample_is_shared_by_few_fields():
    view, rng = FieldOfView.of(MaeConfig()), np.random.default_rng(0)
    pixel = every_pixel(20, 20) + 7
    owner = np.zeros(400, np.int64)
    taken = sample_pixels(pixel, owner, 16, 5, rng)
    assert len(np.unique(taken)) == 16
    assert len(np.unique(view.place(pixel[taken])[0], axis=0)) == 4  # one shift, the four blocks around
    again = sample_pixels(pixel, owner, 16, 5, np.random.default_rng(0))
    np.testing.assert_array_equal(again, taken)
    assert len(sample_pixels(pixel, owner, 1000, 5, rng)) == 400


def test_every_pixel_is_taken_as_often():
    pixel = np.concatenate([every_pixel(3, 4), every_pixel(5, 2) + 30, every_pixel(1, 2) + 60])
    owner = np.repeat([0, 1, 2], [12, 10, 2])
    rng = np.random.default_rng(0)
    count = np.zeros(24)
    for _ in range(2000):
        taken = sample_pixels(pixel, owner, 4, 3, rng)
        assert np.bincount(owner[taken]).tolist() == [4, 4, 2]
        count[taken] += 1
    np.testing.assert_allclose(count / 2000, np.repeat([4 / 12, 4 / 10, 1], [12, 10, 2]), atol=0.04)
