"""Presets: their terms, their constants, what replaces them, and that each of them tracks."""

from pathlib import Path

import numpy as np
import pytest
from session_cases import write_cells

from embeddings.table import Associations
from tracker.config import Config, CostSettings, make_config
from tracker.costs import resolve_terms
from tracker.errors import FeatureError
from tracker.features import known_features
from tracker.inputs import read_inputs
from tracker.pipeline import run
from tracker.presets import PRESETS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A movie of points that have a radius, the same without, and a score for all pairs in successive frames."""
    place = write_cells(tmp_path_factory.mktemp("movie"))
    lines = (place / "points.csv").read_text().splitlines()
    bare = [",".join(line.split(",")[:4]) for line in lines]  # id,t,y,x
    (place / "places.csv").write_text("\n".join(bare) + "\n")
    found = read_inputs(make_config({"data": {"points": "points.csv"}}, folder=place)).detections
    position, links, scores = found.position, [], []
    for step in range(len(found.frames) - 1):
        for u in np.flatnonzero(found.step == step):
            for v in np.flatnonzero(found.step == step + 1):
                links.append(((found.frame[u], found.label[u]), (found.frame[v], found.label[v])))
                scores.append(np.exp(-np.linalg.norm(position[u] - position[v]) / 5))
    Associations(np.array(links), np.array(scores)).save(place / "scores.npz")
    return place


def config_of(folder: Path, preset: str, points: str = "points.csv") -> Config:
    content = {"data": {"points": points}, "costs": {"preset": preset}, "output": {"path": f"out_{preset}"}}
    if preset == "trackastra":
        content["associations"] = {"path": "scores.npz"}
    if preset == "none":
        content["costs"] |= {"terms": [{"on": "link", "feature": "distance"}], "appear": 20.0, "disappear": 20.0}
    return make_config(content, folder=folder)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_names_features_that_exist_and_tracks(folder: Path, preset: str) -> None:
    for on, feature, _, _ in (*PRESETS[preset].terms, *PRESETS[preset].scores):
        assert feature in known_features(on)  # type: ignore[arg-type]
    done = run(config_of(folder, preset))
    assert done.solution.status == "optimal"
    assert len(done.lineage.links) > 0.8 * (len(done.lineage.detections) - 7)  # 7 cells at the start


def test_constants_are_those_of_the_preset_unless_given() -> None:
    costs = make_config({"data": {"points": "x"}, "costs": {"preset": "trackastra", "appear": 2.0}}).costs
    assert (costs.appear, costs.disappear, costs.division) == (2.0, 0.5, 0.25)
    assert (CostSettings().appear, CostSettings().disappear, CostSettings().division) == (1.0, 1.0, 0.0)


def test_terms_on_divisions_count_with_pairs_alone() -> None:
    settings = CostSettings(preset="nuclei")
    kinds = [term.on for term in resolve_terms(settings, has_association=False, has_pairs=False)]
    assert set(kinds) == {"link"}
    assert {term.on for term in resolve_terms(settings, has_association=False, has_pairs=True)} == {"link", "division"}


def test_what_measures_the_movie() -> None:
    measuring = [name for name in PRESETS if CostSettings.model_validate({"preset": name}).measures]
    assert measuring == ["auto", "embryo"]


def test_a_preset_says_what_it_lacks(folder: Path) -> None:
    with pytest.raises(FeatureError, match="needs sizes"):
        run(config_of(folder, "nuclei", "places.csv"), overwrite=True)


def test_the_documentation_names_every_preset() -> None:
    text = (Path(__file__).parents[1] / "docs" / "presets.md").read_text()
    for name in PRESETS:
        assert f"| `{name}`" in text
