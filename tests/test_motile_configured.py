"""Classes written for motile in a config, and motile itself as the solver."""

import tomllib
from pathlib import Path

import pytest

from tracker.config import Config, make_config
from tracker.config_text import render_config
from tracker.errors import ConfigError, PinConflictError
from tracker.pipeline import run
from tracker.prepare import prepare
from tracker.stopwatch import Stopwatch

CLASSES = '''
import ilpy
from motile.constraints import Constraint
from motile.costs import Cost, Weight
from motile.variables import EdgeSelected, NodeSplit, Variable


class Dislike(Cost):
    """A cost of every edge into a label."""

    def __init__(self, label, weight=1.0, constant=0.0):
        self.label, self.weight = label, Weight(weight)

    def apply(self, solver):
        for (u, v), index in solver.get_variables(EdgeSelected).items():
            if solver.graph.nodes[v]["label"] == self.label:
                solver.add_variable_cost(index, 1.0, self.weight)


class AtMost(Constraint):
    """So many edges in all."""

    def __init__(self, edges):
        self.edges = edges

    def instantiate(self, solver):
        yield sum(solver.get_variables(EdgeSelected).values()) <= self.edges


class Slack(Variable):
    """One number, at least 3.25."""

    variable_type = ilpy.VariableType.Continuous

    @staticmethod
    def instantiate(solver):
        return [0]

    @staticmethod
    def instantiate_constraints(solver):
        yield solver.get_variables(Slack)[0] >= 3.25


class PriceOfSlack(Cost):
    def __init__(self, weight):
        self.weight = Weight(weight)

    def apply(self, solver):
        solver.add_variable_cost(solver.get_variables(Slack)[0], 1.0, self.weight)


def no_class():
    return None
'''

# Three cells side by side move by 1 per frame, the third divides in frame 2.
POINTS = "id,t,y,x\n" + "".join(
    f"{10 * t + cell},{t},{10 * cell},{t}\n" for t in range(4) for cell in (1, 2, 3)
) + "24,2,33,2\n34,3,34,3\n"  # fmt: skip


def config(folder: Path, *terms: dict[str, object], **sections: object) -> Config:
    if not (folder / "own_costs_of_a_test.py").exists():
        (folder / "own_costs_of_a_test.py").write_text(CLASSES)
        (folder / "walk.csv").write_text(POINTS)
    ours = ({"on": "link", "feature": "distance", "weight": 0.1}, {"on": "link", "feature": "constant", "weight": -1.0})
    costs = {"preset": "none", "appear": 1.0, "disappear": 1.0, "terms": [*ours, *terms]}
    given = {"data": {"points": "walk.csv"}, "costs": costs, "output": {"path": "result"}, **sections}
    return make_config(given).at(folder)


DISLIKE = {"motile": "own_costs_of_a_test:Dislike", "label": 11, "weight": 7.5}


@pytest.mark.parametrize("divisions", ["pair", "split", "none"])
def test_motile_as_the_engine_finds_the_same(tmp_path: Path, divisions: str) -> None:
    sections = {"candidates": {"divisions": divisions}}
    wanted = run(config(tmp_path, **sections), overwrite=True)
    found = run(config(tmp_path, solver={"engine": "motile"}, **sections), overwrite=True)
    assert found.solution.objective == pytest.approx(wanted.solution.objective, abs=1e-4)
    assert found.lineage.links.tolist() == wanted.lineage.links.tolist()
    assert found.report["proof"] == "motile: SCIP"


@pytest.mark.parametrize("engine", ["flow", "motile"])
def test_a_cost_and_a_constraint_of_ones_own(tmp_path: Path, engine: str) -> None:
    plain = run(config(tmp_path), overwrite=True)
    disliked = run(config(tmp_path, DISLIKE, solver={"engine": engine}), overwrite=True)
    labels = plain.lineage.detections.label
    assert (labels[plain.lineage.links[:, 1]] == 11).any()
    assert not (labels[disliked.lineage.links[:, 1]] == 11).any()
    two = {"motile": "own_costs_of_a_test:AtMost", "edges": 2}
    few = run(config(tmp_path, two, solver={"engine": engine}), overwrite=True)
    assert len(few.lineage.links) == 2 < len(plain.lineage.links)
    assert few.report["status"] == "optimal"
    assert few.report["config"]["costs"]["motile"][0]["arguments"] == {"edges": 2}


@pytest.mark.parametrize("engine", ["flow", "motile"])
def test_a_number_of_ones_own_counts_as_much_as_it_is(tmp_path: Path, engine: str) -> None:
    plain = run(config(tmp_path), overwrite=True).solution.objective
    slack = {"motile": "own_costs_of_a_test:PriceOfSlack", "weight": 2.0}
    found = run(config(tmp_path, slack, solver={"engine": engine}), overwrite=True).solution
    assert found.objective == pytest.approx(plain + 6.5, abs=1e-4)
    assert found.bound <= found.objective + 1e-6


def test_written_and_read_back(tmp_path: Path) -> None:
    given = config(tmp_path, {**DISLIKE, "nested": {"a b": [1, 2]}})
    text = render_config(given)
    assert 'motile = "own_costs_of_a_test:Dislike"' in text
    assert make_config(tomllib.loads(text)).model_dump() == given.model_dump()


@pytest.mark.parametrize(
    ("term", "wanted"),
    [
        ({"motile": "no_such_module_here:Cost"}, "cannot be imported: No module named 'no_such_module_here'"),
        ({"motile": "own_costs_of_a_test:Missing"}, "the module has no Missing$"),
        ({"motile": "own_costs_of_a_test:no_class"}, "must be a class of motile costs or constraints$"),
        (
            {"motile": "own_costs_of_a_test:Dislike", "lable": 1},
            "does not take lable: .* Keys of the term are",
        ),
    ],
)
def test_classes_that_cannot_be_used(tmp_path: Path, term: dict[str, object], wanted: str) -> None:
    with pytest.raises(ConfigError, match=wanted):
        run(config(tmp_path, term))


def test_what_needs_margins_refuses(tmp_path: Path) -> None:
    given = config(tmp_path, DISLIKE)
    with pytest.raises(ConfigError, match="are for `track run`; this works with the costs and the program of"):
        prepare(given, Stopwatch())
    with pytest.raises(ConfigError, match="what a choice is worth is unknown where motile solves"):
        run(config(tmp_path, DISLIKE, output={"path": "result", "margins": "exact"}))
    with pytest.raises(ConfigError, match=r"terms\.0|motile"):
        config(tmp_path, {"motile": "no colon"})
    rewarded = config(tmp_path, solver={"engine": "motile"})
    costs = rewarded.costs.model_copy(update={"appear": -1.0})
    with pytest.raises(ConfigError, match="needs costs of appearing and disappearing of 0 or more"):
        run(rewarded.model_copy(update={"costs": costs}).at(tmp_path))


@pytest.mark.parametrize("engine", ["flow", "motile"])
def test_pins_and_constraints_that_contradict(tmp_path: Path, engine: str) -> None:
    (tmp_path / "pins.csv").write_text("kind,t,label,t2,label2,t3,label3,value,note\nlink,0,1,1,11,,,true,\n")
    given = config(
        tmp_path,
        {"motile": "own_costs_of_a_test:AtMost", "edges": 0},
        annotations={"pins": ["pins.csv"]},
        solver={"engine": engine},
    )
    wanted = r"Fixed of EdgeSelected\(\(0, 3\)\) = True" if engine == "flow" else "motile finds no lineage that honours"
    with pytest.raises(PinConflictError, match=wanted):
        run(given)
