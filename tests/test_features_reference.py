"""The table of docs/features.md is the code: every feature, on what, and what it needs."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from memory_movie import MemoryMovie

from tracker.auto.model import MovieModel
from tracker.candidates import build_candidates
from tracker.config import make_config
from tracker.config_measured import Measured
from tracker.detections import Detections
from tracker.errors import FeatureError
from tracker.features import FEATURES, compute_feature
from tracker.features.context import FeatureContext

TEXT = (Path(__file__).parents[1] / "docs" / "features.md").read_text()
ROWS = [
    tuple(cell.strip(" `") for cell in re.split(r"(?<!\\)\|", line)[1:-1])
    for line in TEXT.splitlines()
    if line.startswith("| `")
]
FAMILIES = ("link", "division", "detection")
MASK = np.zeros((6, 6), np.uint16)
MASK[1, 1:3], MASK[4, 4] = 1, 2
NUMBERS = Measured(
    step_scale=1, step_tail=4, midpoint_steps=2, separation=0.4, separation_spread=0.3, division_rate=0.01,
    appear_rate=0.01, disappear_rate=0.01, edge_appear_rate=0.1, edge_disappear_rate=0.1, edge_px=5, missed_rate=0.01,
    link_outliers=0.1, division_outliers=0.1,
)  # fmt: skip
INPUTS = {
    "positions": {},
    "masks": {
        "masks": MemoryMovie({0: MASK, 1: MASK}),
        "area_px": np.array([2.0, 1, 2, 1]),
        "inertia_tensor_px2": np.tile(np.diag([1.0, 2.0]), (4, 1, 1)),
    },
    "sizes": {"radius": np.array([2.0, 1, 2, 1])},
    "images": {"intensity_mean": np.array([5.0, 6, 7, 8])},
    "local motion": {"flow": np.zeros((4, 2))},
    "measured movie": {"movie": MovieModel(NUMBERS, np.zeros((4, 2)))},
    "embeddings": {"embedding": np.zeros((4, 3))},
    "associations": {"association": np.zeros(4)},
    "division scores": {"division_score": np.zeros(4)},
}


def context(needs):
    given = dict(INPUTS[needs])
    own = {name: given.pop(name) for name in list(given) if name in FeatureContext.__dataclass_fields__}
    detections = Detections(
        np.array([0, 0, 1, 1]),
        np.array([1, 2, 1, 2]),
        np.array([[1, 1.5], [4, 4], [1, 1.5], [4, 4]]),
        np.arange(2),
        np.ones(2),
        properties=given,
    )
    return FeatureContext(build_candidates(detections), **own)


def test_every_feature_is_in_the_table():
    listed = [row[:2] for row in ROWS]
    assert len(set(listed)) == len(listed)
    assert set(listed) == {
        (name, family) for name, module in FEATURES.items() for family in FAMILIES if hasattr(module, family)
    }


def test_every_row_is_complete():
    for row in ROWS:
        assert len(row) == 6, row
        assert all(row), row
        assert row[4] in ("+", "-", "?"), row


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[1]}.{row[0]}")
def test_what_a_feature_needs(row):
    name, family, needs = row[0], row[1], row[5]
    column = compute_feature(context(needs), family, name)
    assert np.isfinite(column).all()
    assert len(column) > 0
    if needs != "positions":
        with pytest.raises(FeatureError, match=f"^feature '{name}' needs "):
            compute_feature(context("positions"), family, name)


def test_every_need_is_explained():
    explained = set(re.findall(r"\*\*([a-z ]+)\*\*", TEXT))
    assert explained == set(INPUTS) == {row[5] for row in ROWS}


def test_the_example_is_a_config():
    (example,) = re.findall(r"^```toml\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    config = make_config({"data": {"segmentation": "masks"}, **tomllib.loads(example)})
    assert config.costs.terms[0].feature in FEATURES
    assert config.features.flow == "neighbors"
