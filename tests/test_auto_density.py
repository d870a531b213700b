"""Densities against scipy and against their integrals; crowding by hand."""

import numpy as np
import pytest
from auto_movies import detections
from scipy.integrate import quad
from scipy.stats import multivariate_t

from tracker.auto.density import crowding, log_sphere, log_student


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(("scale", "tail"), [(1.0, 4.0), (0.03, 2.0), (250.0, 10.0)])
def test_log_student_is_the_multivariate_t(axes, scale, tail):
    places = np.random.default_rng(axes).normal(0, 3 * scale, (50, axes))
    expected = multivariate_t(np.zeros(axes), scale**2 * np.eye(axes), df=tail).logpdf(places)
    np.testing.assert_allclose(log_student((places**2).sum(axis=1), scale, tail, axes), expected, rtol=1e-12)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_log_student_integrates_to_one(axes):
    def shell(radius):
        return np.exp(log_sphere(axes) + log_student(radius**2, 1.7, 3.0, axes)) * radius ** (axes - 1)

    assert quad(shell, 0, np.inf)[0] == pytest.approx(1.0, abs=1e-6)


def test_log_student_takes_a_scale_per_step():
    both = log_student(np.array([4.0, 9.0]), np.array([1.0, 2.0]), 4.0, 2)
    np.testing.assert_allclose(both, [log_student(4.0, 1.0, 4.0, 2), log_student(9.0, 2.0, 4.0, 2)])


def test_surface_of_the_unit_sphere():
    np.testing.assert_allclose(np.exp([log_sphere(axes) for axes in (1, 2, 3)]), [2, 2 * np.pi, 4 * np.pi])


def test_crowding_of_a_row_of_eight():
    """The 6 nearest of place 0 reach to 6, of place 3 to 4 (3, 2, 1 on its left), of place 7 to 6."""
    nearest, log_crowd = crowding(detections([[0.0, x] for x in range(8)]))
    np.testing.assert_array_equal(nearest, 1.0)
    reach = np.array([6, 5, 4, 3, 3, 4, 5, 6])
    np.testing.assert_allclose(log_crowd, np.log(6 / (np.pi * reach**2)))


def test_crowding_of_few_counts_all_others():
    nearest, log_crowd = crowding(detections([[0, 0, 0], [0, 0, 2], [0, 0, 5]]))
    np.testing.assert_array_equal(nearest, [2, 2, 3])
    np.testing.assert_allclose(log_crowd, np.log(2 / (4 / 3 * np.pi * np.array([5, 3, 5]) ** 3)))


def test_alone_in_a_frame_is_the_median_of_the_others():
    """Two frames of pairs, 2 and 6 apart, and a lone cell: the median of 2 2 6 6."""
    nearest, log_crowd = crowding(detections([[0, 0], [0, 2]], [[0, 0]], [[0, 0], [0, 6]]))
    np.testing.assert_array_equal(nearest, [2, 2, 4, 6, 6])
    two, six = -np.log(np.pi * np.array([4, 36]))
    np.testing.assert_allclose(log_crowd, [two, two, (two + six) / 2, six, six])


@pytest.mark.parametrize(("places", "reach"), [([[0, 0], [3, 4]], 5.0), ([[2, 2], [2, 2]], 1.0)])
def test_alone_everywhere_the_next_is_as_far_as_the_movie_reaches(places, reach):
    nearest, log_crowd = crowding(detections(*[[place] for place in places]))
    np.testing.assert_array_equal(nearest, reach)
    np.testing.assert_allclose(log_crowd, -np.log(np.pi * reach**2))


def test_all_at_one_place():
    nearest, log_crowd = crowding(detections([[1, 1]] * 3))
    np.testing.assert_array_equal(nearest, 1.0)
    np.testing.assert_allclose(log_crowd, -np.log(np.pi))


def test_no_detections():
    assert [len(column) for column in crowding(detections([], []))] == [0, 0]
