"""Colours of tracks: fixed for an id, neighbours apart in colour and in grey, daughters near their mothers."""

import numpy as np
import pytest

from tracker.track_colours import as_bytes, colour_table, track_colours


def lightness(colours: np.ndarray) -> np.ndarray:
    """Relative luminance, as a grey print shows it."""
    return colours @ np.array([0.2126, 0.7152, 0.0722])


def test_colours_are_fixed_and_tell_neighbours_apart() -> None:
    colours = track_colours(np.arange(1000))
    assert colours.shape == (1000, 3)
    assert 0 <= colours.min() < colours.max() <= 1
    assert np.ptp(colours[0]) < 1e-3  # 0 is no track: grey
    np.testing.assert_array_equal(track_colours([7, 3]), colours[[7, 3]])
    assert np.linalg.norm(np.diff(colours[1:], axis=0), axis=1).min() > 0.3
    # Of any five successive tracks, two at least are far apart in a grey print.
    five = np.lib.stride_tricks.sliding_window_view(lightness(colours[1:]), 5)
    assert np.ptp(five, axis=1).min() > 0.15
    assert as_bytes(np.array([0.0, 0.5, 1.0])).tolist() == [0, 128, 255]


def test_daughters_have_the_hue_of_their_mother_and_a_lightness_of_their_own() -> None:
    # 1 divides into 3 and 5, 5 into 2 and 4; 6 stands alone.
    colours = colour_table([0, 5, 1, 5, 1, 0])
    assert colours.shape == (7, 3)
    np.testing.assert_allclose(colours[[0, 1, 6]], track_colours([0, 1, 6]), atol=1e-12)

    def hue(rgb: np.ndarray) -> float:
        """Turns, by the projection on the two colour axes."""
        return float(np.arctan2(np.sqrt(3) * (rgb[1] - rgb[2]), 2 * rgb[0] - rgb[1] - rgb[2]) / (2 * np.pi)) % 1

    def apart(a: int, b: int) -> float:
        return abs((hue(colours[a]) - hue(colours[b]) + 0.5) % 1 - 0.5)

    assert max(apart(1, 3), apart(1, 5), apart(5, 2), apart(5, 4)) < 0.12 < apart(1, 6)
    assert min(apart(3, 5), apart(2, 4)) > 0.03
    assert abs(np.diff(lightness(colours[[3, 5]]))[0]) > 0.02


def test_mothers_in_a_circle_are_refused() -> None:
    with pytest.raises(ValueError, match="circle"):
        colour_table([2, 1])
    assert colour_table([]).shape == (1, 3)
