"""Probabilities and rays of label images, against the definition pixel by pixel."""

import math

import numpy as np
import pytest
from cellulus_cases import discs

from embeddings.star_targets import edge_distances, ray_directions, star_distances, star_probabilities


def slow_distances(labels, n_rays):
    """One step after the other along each ray of each pixel, as StarDist defines it."""
    found = np.zeros((n_rays, *labels.shape))
    for y, x in np.argwhere(labels > 0).tolist():
        for k in range(n_rays):
            sine, cosine = math.sin(2 * math.pi * k / n_rays), math.cos(2 * math.pi * k / n_rays)
            n = 1
            while True:
                i, j = y + round(n * sine), x + round(n * cosine)
                inside = 0 <= i < labels.shape[0] and 0 <= j < labels.shape[1]
                if not inside or labels[i, j] != labels[y, x]:
                    break
                n += 1
            too_far = 1 - 0.5 / max(abs(sine), abs(cosine))
            found[k, y, x] = math.hypot((n - too_far) * sine, (n - too_far) * cosine)
    return found


def slow_edges(labels):
    found = np.zeros(labels.shape)
    everywhere = np.argwhere(np.ones(labels.shape, bool))
    for y, x in np.argwhere(labels > 0).tolist():
        other = everywhere[labels.ravel() != labels[y, x]]
        found[y, x] = np.sqrt(((other - [y, x]) ** 2).sum(axis=1).min())
    return found


def speckled(seed, shape=(17, 23)):
    """Patches of random labels, some of them unknown, in touch with each other and with the edge."""
    rng = np.random.default_rng(seed)
    coarse = rng.choice([-1, 0, 0, 3, 7, 70000], (5, 5))
    labels = np.kron(coarse, np.ones((5, 6), int))[: shape[0], : shape[1]]
    labels[rng.random(shape) < 0.05] = 0
    return labels


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_rays", [4, 5, 16])
def test_rays_of_any_image(seed, n_rays):
    labels = speckled(seed)
    np.testing.assert_allclose(star_distances(labels, n_rays), slow_distances(labels, n_rays), rtol=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_distances_of_any_image(seed):
    labels = speckled(seed)
    np.testing.assert_allclose(edge_distances(labels), slow_edges(labels))
    found = star_probabilities(labels)
    assert ((found == -1) == (labels == -1)).all()
    assert ((found > 0) == (labels > 0)).all()
    for label in (3, 7, 70000):
        own = labels == label
        np.testing.assert_allclose(found[own], slow_edges(labels)[own] / slow_edges(labels)[own].max(), rtol=1e-6)


def test_discs():
    labels = discs(0, 1)[1].read(0).astype(np.int64)
    np.testing.assert_allclose(edge_distances(labels), slow_edges(labels))
    np.testing.assert_allclose(star_distances(labels, 16), slow_distances(labels, 16), rtol=1e-5)


def test_a_square_written_down():
    labels = np.zeros((7, 7), int)
    labels[1:6, 1:6] = 4
    # Along the diagonal the places 1, 2, 3 away are those of the pixels 1, 1, 2 on; 4 away, of the third, is outside.
    assert star_distances(labels, 8)[:, 3, 3].tolist() == pytest.approx(4 * [2.5, 3 + math.sqrt(0.5)], rel=1e-6)
    assert star_distances(labels, 4)[:, 1, 2].tolist() == [3.5, 4.5, 1.5, 0.5]  # right, down, left, up
    assert edge_distances(labels)[3].tolist() == [0, 1, 2, 3, 2, 1, 0]
    assert star_probabilities(labels)[3].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1, 2 / 3, 1 / 3, 0])


def test_directions():
    np.testing.assert_allclose(ray_directions(4), [[0, 1], [1, 0], [0, -1], [-1, 0]], atol=1e-12)


def test_the_margin_is_cut_off_and_looked_through():
    labels = discs(0, 1)[1].read(0).astype(np.int64)
    np.testing.assert_array_equal(star_distances(labels, 16, 30), star_distances(labels, 16)[:, 30:-30, 30:-30])
    np.testing.assert_array_equal(star_probabilities(labels, 30), star_probabilities(labels)[30:-30, 30:-30])


def test_the_edge_of_the_image_ends_rays_but_is_no_border():
    labels = np.ones((3, 5), int)
    labels[:, 4] = 0
    assert star_distances(labels, 4)[:, 1, 1].tolist() == [2.5, 1.5, 1.5, 1.5]
    assert edge_distances(labels)[0].tolist() == [4, 3, 2, 1, 0]


def test_one_object_all_over():
    """As if there were background around it."""
    assert edge_distances(np.full((3, 5), 9))[1].tolist() == [1, 2, 2, 2, 1]
    assert star_probabilities(np.full((3, 5), 9)).max() == 1


@pytest.mark.parametrize("value", [0, -1])
def test_nothing_in_it(value):
    labels = np.full((4, 6), value)
    assert not star_distances(labels, 16).any()
    assert (star_probabilities(labels) == value).all()
