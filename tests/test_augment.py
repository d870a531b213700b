"""Augmentation against pictures that are really turned and stretched, then measured again."""

import numpy as np
import pytest

from embeddings.augment import (
    Augmentation,
    AugmentSettings,
    adjust_intensity,
    augment,
    augment_level,
    dihedral_matrices,
    draw_augmentation,
    transform_inertia,
    transform_positions,
    transform_tokens,
)
from embeddings.tokens import TokenLayout
from tracker.errors import ConfigError, FeatureError
from tracker.regions import region_properties


def turn(degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def volume(plane: np.ndarray, z: float = 1.0) -> np.ndarray:
    matrix = np.diag([z, 1.0, 1.0])
    matrix[1:, 1:] = plane
    return matrix


ELLIPSE = np.diag([13.3, 27.1]), np.array([4.3, -6.8])
ELLIPSOID = np.array([[7.0, 1, 0], [0, 9.0, 2], [0, 0, 14.0]]), np.array([1.0, 3.0, -4.0])


def measured(shape: tuple[int, ...], axes: np.ndarray, centre: np.ndarray, matrix: np.ndarray) -> tuple:
    """Position from the middle of the picture, and tokens, of the pixels p with |axes^-1 (M^-1 p - centre)| <= 1."""
    middle = (np.array(shape) - 1) / 2
    pixels = np.moveaxis(np.indices(shape), 0, -1) - middle
    inside = np.linalg.norm((pixels @ np.linalg.inv(matrix).T - centre) @ np.linalg.inv(axes).T, axis=-1) <= 1
    found = region_properties(inside.astype(np.uint8), inside * np.float64(0.5))
    assert found.border_distance_px[0] > 5
    layout = TokenLayout(len(shape))
    tokens = np.zeros((1, layout.size), np.float32)
    tokens[:, layout.diameter] = found.equivalent_diameter_px
    tokens[:, layout.intensity] = found.intensity_relative
    tokens[:, layout.inertia] = found.inertia_tensor_px2.reshape(1, -1)
    return found.centroid_px - middle, tokens


PLANES = {
    "quarter": turn(90),
    "turned": turn(37),
    "flipped": np.diag([1.0, -1.0]) @ turn(20),
    "larger": 1.6 * np.eye(2),
    "stretched": np.diag([0.7, 1.8]),
    "sheared": np.array([[1.0, 0.4], [0, 1]]),
    "all": turn(70) @ np.diag([1.5, 0.8]) @ np.array([[1.0, 0.2], [-0.1, 1]]),
}


@pytest.mark.parametrize("name", PLANES)
def test_as_if_the_picture_were_turned_in_2d(name):
    agrees((201, 201), ELLIPSE, PLANES[name])


@pytest.mark.parametrize("name", PLANES)
def test_as_if_the_picture_were_turned_in_3d(name):
    agrees((61, 91, 91), ELLIPSOID, volume(PLANES[name]))


def test_as_if_a_volume_were_turned_about_another_axis():
    matrix = np.eye(3)
    matrix[:2, :2] = turn(33)
    agrees((71, 71, 71), ELLIPSOID, matrix @ volume(PLANES["all"], 1.2))


def agrees(shape: tuple[int, ...], region: tuple[np.ndarray, np.ndarray], matrix: np.ndarray) -> None:
    ndim, layout = len(shape), TokenLayout(len(shape))
    before, tokens = measured(shape, *region, np.eye(ndim))
    after, wanted = measured(shape, *region, matrix)
    found = transform_tokens(tokens, matrix)
    np.testing.assert_allclose(transform_positions(before, matrix, np.zeros(ndim)), after, atol=0.25)
    np.testing.assert_allclose(found[:, layout.diameter], wanted[:, layout.diameter], rtol=0.01)
    size = np.abs(wanted[:, layout.inertia]).max()
    np.testing.assert_allclose(found[:, layout.inertia], wanted[:, layout.inertia], atol=0.02 * size)
    assert found[:, layout.intensity] == wanted[:, layout.intensity] == 1
    assert found[:, layout.border] == 0
    assert tokens.dtype == found.dtype == np.float32


@pytest.mark.parametrize("ndim", [2, 3])
def test_tensor_from_the_very_pixels(ndim):
    rng = np.random.default_rng(1)
    pixels, matrix = rng.normal(size=(40, ndim)) * np.arange(1, ndim + 1), rng.normal(size=(ndim, ndim))

    def tensor(places):
        covariance = np.cov(places.T, bias=True)
        return (np.trace(covariance) * np.eye(ndim) - covariance)[None]

    np.testing.assert_allclose(transform_inertia(tensor(pixels), matrix), tensor(pixels @ matrix.T), rtol=1e-9)
    # M S M^T is the same for a similarity, and for no other map.
    similar = 1.3 * np.linalg.qr(matrix)[0]
    for one, same in ((similar, True), (matrix, False)):
        moved = one @ tensor(pixels) @ one.T
        assert np.allclose(transform_inertia(tensor(pixels), one), moved, rtol=1e-6) == same


def test_forth_and_back():
    rng = np.random.default_rng(2)
    tokens = rng.random((5, 7)).astype(np.float32)
    tokens[:, TokenLayout(2).inertia] = np.tile([[3.0, 1, 1, 2]], (5, 1))
    matrix = PLANES["all"]
    back = transform_tokens(transform_tokens(tokens, matrix), np.linalg.inv(matrix))
    np.testing.assert_allclose(back, tokens, rtol=1e-5)


def test_each_part_does_its_own():
    position, step = np.array([[10.0, 20], [30, 40], [30, 40]]), np.array([0, 1, 1])
    tokens = np.zeros((3, 7), np.float32)
    tokens[:, TokenLayout(2).intensity] = [0, 0.5, 1]
    tokens[:, TokenLayout(2).border] = [1, 0.2, 0]
    change = Augmentation(
        matrix=turn(90),
        centre_px=np.array([10.0, 10.0]),
        frame_shift_px=np.array([[1.0, 0], [0, 200]]),
        jitter_px=np.array([[0, 0], [0, 0], [0.5, -0.5]]),
        intensity_scale=2.0,
        intensity_shift=-0.25,
    )
    place, changed = augment(position, tokens, step, change)
    np.testing.assert_allclose(place, [[1, 10], [-20, 230], [-19.5, 229.5]], atol=1e-12)
    assert changed[:, TokenLayout(2).intensity].tolist() == [-0.25, 0.75, 1.75]
    assert changed[:, TokenLayout(2).border].tolist() == tokens[:, TokenLayout(2).border].tolist()
    assert tokens[:, TokenLayout(2).intensity].tolist() == [0, 0.5, 1]
    assert position.tolist() == [[10, 20], [30, 40], [30, 40]]


def test_no_detection_and_no_token():
    change = Augmentation(turn(10), np.zeros(2), np.zeros((3, 2)), np.zeros((0, 2)))
    place, tokens = augment(np.zeros((0, 2)), np.zeros((0, 7), np.float32), np.zeros(0, np.int64), change)
    assert place.shape == (0, 2)
    assert tokens.shape == (0, 7)
    assert transform_tokens(np.zeros((4, 0), np.float32), turn(10)).shape == (4, 0)
    assert adjust_intensity(np.zeros((4, 0), np.float32), 2, 2.0, 1.0).shape == (4, 0)


def test_eight_variants():
    for ndim in (2, 3):
        matrices = dihedral_matrices(ndim)
        assert len(np.unique(matrices.round().astype(int), axis=0)) == len(matrices) == 8
        np.testing.assert_array_equal(matrices[0], np.eye(ndim))
        np.testing.assert_array_equal(matrices @ matrices.transpose(0, 2, 1), np.tile(np.eye(ndim), (8, 1, 1)))
        assert (matrices[:, : ndim - 2, : ndim - 2] == 1).all()


def drawn(settings: AugmentSettings, ndim: int, seed: int = 0) -> Augmentation:
    return draw_augmentation(settings, np.random.default_rng(seed), np.full(ndim, 50.0), 4, 6)


def same(one: Augmentation, other: Augmentation) -> bool:
    return all(np.array_equal(value, vars(other)[name]) for name, value in vars(one).items())


def test_the_generator_decides():
    for ndim in (2, 3):
        assert same(drawn(AugmentSettings(drift=1.0), ndim), drawn(AugmentSettings(drift=1.0), ndim))
        assert not same(drawn(AugmentSettings(), ndim), drawn(AugmentSettings(), ndim, seed=1))


def test_z_stays_where_it_is():
    always = {"flip": 1.0, "affine": 1.0, "jitter": 1.0, "drift": 1.0}
    for seed in range(20):
        plane = drawn(AugmentSettings(**always), 3, seed)
        np.testing.assert_array_equal(plane.matrix[0], [1, 0, 0])
        np.testing.assert_array_equal(plane.matrix[:, 0], [1, 0, 0])
        assert (plane.frame_shift_px[:, 0] == 0).all()
        assert (plane.jitter_px[:, 0] == 0).all()
        full = drawn(AugmentSettings(**always, space="volume"), 3, seed)
        assert (full.matrix != 0).all()
        assert (full.jitter_px != 0).all()


@pytest.mark.parametrize(("ndim", "space"), [(2, "plane"), (3, "plane"), (3, "volume")])
def test_ranges(ndim, space):
    settings = AugmentSettings(affine=1.0, scale=(0.5, 0.8), jitter=1.0, jitter_px=2.0, drift=1.0, drift_px=7.0,
                               shift_px=30.0, intensity=1.0, shear=0.3, space=space)  # fmt: skip
    axes = 2 if space == "plane" else 3
    signs = set()
    for seed in range(60):
        change = drawn(settings, ndim, seed)
        volume_change = np.linalg.det(change.matrix)
        signs.add(np.sign(volume_change))
        # A shear and a rotation keep the volume.
        assert 0.5**axes <= abs(volume_change) <= 0.8**axes
        assert 0 <= change.frame_shift_px[0].min() <= change.frame_shift_px[0].max() <= 30
        drift = np.diff(change.frame_shift_px, axis=0)
        np.testing.assert_allclose(drift, np.tile(drift[:1], (3, 1)), atol=1e-12)
        assert 0 < np.abs(drift).max() <= 7
        assert 0.5 < np.abs(change.jitter_px).max() <= 2
        assert 0.5 <= change.intensity_scale <= 2
        assert abs(change.intensity_shift) <= 0.1
    assert signs == {-1, 1}


def test_levels():
    assert augment_level(0) is None
    position, tokens, step = np.array([[3.0, 4], [60, 70]]), np.ones((2, 7), np.float32), np.array([0, 3])
    first, settings = augment_level(1), augment_level(2)
    assert (settings.affine, settings.drift, augment_level(3).drift) == (0.8, 0.0, 0.3)
    for seed in range(10):
        change = draw_augmentation(first, np.random.default_rng(seed), np.full(2, 50.0), 4, 2)
        np.testing.assert_array_equal(np.abs(change.matrix), np.eye(2))
        place, changed = augment(position, tokens, step, change)
        np.testing.assert_allclose(np.abs(np.diff(place, axis=0)), [[57, 66]])
        np.testing.assert_array_equal(np.abs(changed), tokens)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flip": 1.5}, "augmentation: flip is a probability in [0, 1], found 1.5"),
        ({"jitter_px": -1.0}, "augmentation: jitter_px must not be negative, found -1.0"),
        ({"scale": (0.0, 2.0)}, "augmentation: scale is a range of positive numbers, found [0.0, 2.0]"),
    ],
)
def test_refuses_settings(changes, message):
    with pytest.raises(ConfigError) as error:
        AugmentSettings(**changes)
    assert str(error.value) == message


def test_refuses_other_levels_and_tokens():
    with pytest.raises(ConfigError) as error:
        augment_level(4)
    assert str(error.value) == "the level of augmentation is 0, 1, 2 or 3, found 4"
    with pytest.raises(FeatureError) as wrong:
        transform_tokens(np.zeros((2, 12), np.float32), np.eye(2))
    assert str(wrong.value) == (
        "augmentation knows the 7 tokens of a 2-D movie, or none, found an array of shape (2, 12); leave augmentation "
        "out (level 0) for other features"
    )
