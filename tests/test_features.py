"""Every feature on a case small enough for the back of an envelope, and what is said when one cannot be computed."""

import re

import numpy as np
import pytest

from tracker.candidates import build_candidates
from tracker.detections import Detections
from tracker.errors import ConfigError, FeatureError
from tracker.features import FEATURES, Family, compute_feature, known_features, unknown_feature
from tracker.features import embedding_distance as embedding_distance_module
from tracker.features.context import FeatureContext
from tracker.features.standardise import Standardiser

# A parent of 10 px and grey level 100 at (0, 0); children at (3, 4) and (0, -2); one more cell two frames later.
FRAME = [5, 6, 6, 7]
POSITION = [[0.0, 0.0], [0.0, -2.0], [3.0, 4.0], [3.0, 16.0]]
AREA = [10.0, 4.0, 8.0, 16.0]
INTENSITY = [100.0, 90.0, 130.0, 100.0]
EMBEDDING = [[0.0, 0.0], [3.0, 4.0], [3.0, -4.0], [0.0, 1.0]]
SCORE = [0.25, 0.75, 0.5, 0.0, 1.0]
LINKS = [[0, 1], [0, 2], [0, 3], [1, 3], [2, 3]]
DIVISIONS = [[0, 1, 2], [0, 1, 3], [0, 2, 3]]


def context(**changes) -> FeatureContext:
    properties = {"area_px": AREA, "intensity_mean": INTENSITY, **changes.pop("properties", {})}
    detections = Detections(
        np.array(FRAME),
        np.array([1, 3, 7, 2]),
        np.array(POSITION),
        np.array([5, 6, 7]),
        np.ones(2),
        properties={name: np.array(column, float) for name, column in properties.items() if column is not None},
    )
    graph = build_candidates(detections, max_frame_gap=2)
    assert (graph.links.tolist(), graph.divisions.tolist()) == (LINKS, DIVISIONS)
    given = {"embedding": np.array(EMBEDDING), "association": np.array(SCORE), **changes}
    return FeatureContext(graph, **given)


@pytest.mark.parametrize(
    ("family", "name", "wanted"),
    [
        ("link", "distance", [2, 5, np.hypot(3, 16), np.hypot(3, 18), 12]),
        # midpoints (1.5, 1), (1.5, 7), (3, 10)
        ("division", "distance", [np.hypot(1.5, 1), np.hypot(1.5, 7), np.hypot(3, 10)]),
        ("link", "area_ratio", [4 / 10, 8 / 10, 10 / 16, 4 / 16, 8 / 16]),
        ("division", "area_ratio", [10 / 12, 10 / 20, 10 / 24]),
        ("link", "intensity_difference", [10, 30, 0, 10, 30]),
        ("division", "intensity_difference", [10, 5, 15]),
        ("link", "embedding_distance", [5, 5, 1, np.hypot(3, 3), np.hypot(3, 5)]),
        ("division", "embedding_distance", [3, np.hypot(1.5, 2.5), np.hypot(1.5, 1.5)]),
        ("link", "association", SCORE),
        ("division", "association", [0.5, 0.375, 0.625]),
        ("link", "frame_gap", [0, 0, 1, 0, 0]),
        ("division", "frame_gap", [0, 1, 1]),
        ("link", "constant", [1] * 5),
        ("division", "constant", [1] * 3),
        ("detection", "constant", [1] * 4),
        ("detection", "area_px", AREA),
        ("detection", "intensity_mean", INTENSITY),
    ],
)
def test_by_hand(family: Family, name, wanted):
    found = compute_feature(context(), family, name)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_features_of_each_family():
    """What each of them is and needs: tests/test_features_reference.py."""
    divisions_only = {
        "division_axis", "division_opposition", "division_score", "division_surprise", "division_symmetry",
        "mother_intensity",
    }  # fmt: skip
    assert known_features("detection") == ["constant"]
    assert known_features("division") == sorted(FEATURES)
    assert known_features("link") == sorted(set(FEATURES) - divisions_only)


def test_distance_is_in_the_unit_and_in_three_dimensions():
    position = np.array([[0.0, 0, 0], [4, 0, 3], [0, 12, 3]])
    detections = Detections(np.array([0, 1, 1]), np.arange(1, 4), position, np.arange(2), np.array([4.0, 1, 1]))
    found = FeatureContext(build_candidates(detections))
    np.testing.assert_allclose(compute_feature(found, "link", "distance"), [5, np.sqrt(153)])
    np.testing.assert_allclose(compute_feature(found, "division", "distance"), [7])


def test_embedding_distance_does_not_depend_on_the_chunks(monkeypatch):
    families: list[Family] = ["link", "division"]
    whole = [compute_feature(context(), family, "embedding_distance") for family in families]
    monkeypatch.setattr(embedding_distance_module, "_ROWS_PER_CHUNK", 2)
    for family, column in zip(families, whole, strict=True):
        np.testing.assert_array_equal(compute_feature(context(), family, "embedding_distance"), column)


def test_no_candidates():
    detections = Detections(
        np.array([0]),
        np.array([1]),
        np.zeros((1, 2)),
        np.array([0]),
        np.ones(2),
        properties={"area_px": np.ones(1), "intensity_mean": np.ones(1), "inertia_tensor_px2": np.ones((1, 2, 2))},
    )
    alone = FeatureContext(
        build_candidates(detections),
        _NoMasks(),
        embedding=np.zeros((1, 3)),
        association=np.empty(0),
        division_score=np.zeros(1),
        flow=np.zeros((1, 2)),
    )
    families: list[Family] = ["link", "division"]
    for family in families:
        for name in set(known_features(family)) - {"surprise"}:
            assert compute_feature(alone, family, name).shape == (0,)


class _NoMasks:
    """Masks that nobody should look at."""

    name, frames, shape, dtype = "none", np.array([0]), (1, 1), np.dtype("uint8")

    def read(self, frame):
        raise AssertionError(frame)


def message_of(family: Family, name, kind, **changes):
    with pytest.raises(kind) as error:
        compute_feature(context(**changes), family, name)
    return str(error.value)


@pytest.mark.parametrize(
    ("family", "name", "message"),
    [
        ("link", "distanse", "unknown link feature 'distanse'; did you mean 'distance'? Known: area_ratio, "),
        ("division", "overlaps", "unknown division feature 'overlaps'; did you mean 'overlap'? Known: area_ratio, "),
        ("detection", "distance", "unknown detection feature 'distance'; it exists on links. Known: area_px, const"),
        ("detection", "aera_px", "unknown detection feature 'aera_px'; did you mean 'area_px'? Known: area_px, const"),
        ("link", "zzz", "unknown link feature 'zzz'. Known: area_ratio, association, association_surprise, constant, "),
    ],
)
def test_unknown_feature(family: Family, name, message):
    assert message_of(family, name, ConfigError).startswith(message)


def test_unknown_feature_lists_each_once():
    listed = unknown_feature("zzz", "detection", ["constant", "area_px"])
    assert listed == "unknown detection feature 'zzz'. Known: area_px, constant"


@pytest.mark.parametrize("family", ["link", "division"])
@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        (
            "intensity_difference",
            {"properties": {"intensity_mean": None}},
            "feature 'intensity_difference' needs the detection property 'intensity_mean', which this input does not "
            "have (it has: area_px); give data.images",
        ),
        (
            "area_ratio",
            {"properties": {"area_px": None, "intensity_mean": None}},
            "feature 'area_ratio' needs the detection property 'area_px', which this input does not have "
            "(it has: none); give data.segmentation instead of points",
        ),
        ("overlap", {}, "feature 'overlap' needs masks; give data.segmentation instead of points"),
        (
            "embedding_distance",
            {"embedding": None},
            "feature 'embedding_distance' needs node embeddings; give embeddings.model or embeddings.path",
        ),
        (
            "association",
            {"association": None},
            "feature 'association' needs scores; give associations.model, associations.path or associations.geff",
        ),
    ],
)
def test_what_a_feature_needs(family: Family, name, changes, message):
    assert message_of(family, name, FeatureError, **changes) == message


@pytest.mark.parametrize(
    ("family", "name", "changes", "named"),
    [
        (
            "link",
            "intensity_difference",
            {"properties": {"intensity_mean": [1, np.nan, 1, 1]}},
            "5:1 -> 6:3, 6:3 -> 7:2",
        ),
        (
            "division",
            "intensity_difference",
            {"properties": {"intensity_mean": [1, 1, np.inf, 1]}},
            "5:1 -> 6:3 -> 6:7, 5:1 -> 6:7 -> 7:2",
        ),
        ("detection", "area_px", {"properties": {"area_px": [np.nan, 1, np.nan, 1]}}, "5:1, 6:7"),
        ("link", "association", {"association": np.array([np.nan, 0, 1, np.inf, 1])}, "5:1 -> 6:3, 6:3 -> 7:2"),
        ("link", "area_ratio", {"properties": {"area_px": [0, 0, 1, 1]}}, "5:1 -> 6:3"),
    ],
)
def test_not_finite(family: Family, name, changes, named):
    wanted = f"{family} feature {name!r} must be finite, found NaN or infinity at {named}. Mend the input there, or "
    assert message_of(family, name, FeatureError, **changes) == wanted + "remove the term"


def test_properties_with_more_than_one_number():
    with pytest.raises(
        FeatureError, match=re.escape("detection property 'box' has shape (4,), wanted one number each")
    ):
        compute_feature(context(properties={"box": np.zeros((4, 4))}), "detection", "box")


def test_standardiser():
    column = np.array([1.0, 2.0, 3.0, 6.0])
    measured = Standardiser.measure(column)
    assert (measured.mean, measured.std) == (3.0, np.sqrt(14 / 4))  # population: divided by 4, not by 3
    np.testing.assert_allclose(measured(column), (column - 3) / np.sqrt(3.5))
    np.testing.assert_allclose(measured(np.array([10.0])), [7 / np.sqrt(3.5)])  # remembered, not measured anew


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e9, 1e-9])
def test_a_constant_column_has_no_scores(value):
    column = np.full(1001, value)
    assert Standardiser.measure(column)(column).tolist() == [0.0] * 1001


def test_an_empty_column():
    measured = Standardiser.measure(np.empty(0))
    assert (measured.mean, measured.std) == (0.0, 0.0)
    assert measured(np.empty(0)).shape == (0,)


@pytest.mark.parametrize("unit", [1e-15, 1.0, 1e12])
def test_scores_do_not_depend_on_the_unit(unit):
    column = np.array([1.0, 2.0, 3.0, 6.0])
    np.testing.assert_allclose(Standardiser.measure(column * unit)(column * unit), (column - 3) / np.sqrt(3.5))
