"""The order of play: whatever route is taken, the answer is the same, and what is proven is said."""

import time
from dataclasses import replace

import highspy
import numpy as np
import pytest

from tracker.errors import ConfigError, InputError, NoSolutionError, PinConflictError, SolverError
from tracker.ilp import relax as relax_module
from tracker.ilp import solve as solve_module
from tracker.ilp.backends import SolverSettings
from tracker.ilp.block import Block
from tracker.ilp.bounds import apply_pins
from tracker.ilp.greedy import greedy
from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import TrackingProblem, make_problem
from tracker.ilp.relax import safe_bound
from tracker.ilp.rows import constraint_matrix, right_hand_side
from tracker.ilp.solve import solve


def crowd(
    seed: int, *, n_frames: int = 5, per_frame: int = 12, keep: bool = False, split: bool = False
) -> TrackingProblem:
    """Cells at random places, every pair of neighbouring frames linked, costs from distances: many near ties."""
    rng = np.random.default_rng(seed)
    place = rng.random((n_frames, per_frame, 2))
    rows = np.arange(n_frames * per_frame).reshape(n_frames, per_frame)
    links, link_cost, divisions, division_cost = [], [], [], []
    for step in range(n_frames - 1):
        for u in range(per_frame):
            distance = np.linalg.norm(place[step, u] - place[step + 1], axis=1)
            near = np.sort(np.argsort(distance)[:6])
            links += [(rows[step, u], rows[step + 1, v]) for v in near]
            link_cost += [4 * distance[v] - 1.2 for v in near]
            for first, v in enumerate(near):
                for w in near[first + 1 :]:
                    middle = 0.5 * (place[step + 1, v] + place[step + 1, w])
                    divisions.append((rows[step, u], rows[step + 1, v], rows[step + 1, w]))
                    division_cost.append(4 * np.linalg.norm(place[step, u] - middle) - 1.2)
    count = n_frames * per_frame
    return make_problem(
        count,
        np.array(links),
        None if split else np.array(divisions),
        link_cost=np.array(link_cost),
        division_cost=None if split else np.array(division_cost),
        appear_cost=np.where(np.arange(count) < per_frame, 0.0, 0.9),
        disappear_cost=np.where(np.arange(count) >= count - per_frame, 0.0, 0.9),
        split_cost=0.4 if split else None,
        keep=keep,
    )


@pytest.fixture
def without_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave relaxations as fractional as they are, and components never one cluster from the start."""
    monkeypatch.setattr(relax_module, "violated_cuts", lambda block, values, packing: None)
    monkeypatch.setattr("tracker.ilp.repair._WHOLE_ROWS", 0)


@pytest.mark.usefixtures("without_cuts")
@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("keep", [False, True])
def test_local_proofs_agree_with_one_integer_program(split: bool, keep: bool) -> None:
    proofs = set()
    for seed in range(12):
        problem = crowd(seed, keep=keep, split=split)
        ours = solve(problem)
        whole = solve(problem, SolverSettings(backend="scip"))
        assert ours.status == whole.status == "optimal"
        assert ours.objective == pytest.approx(whole.objective, abs=1e-6)
        assert ours.bound <= ours.objective
        proofs.add(ours.proof)
    # With every detection kept, splits are a network flow, whose relaxation is integral.
    assert (split and keep) or "reduced-cost fixing" in proofs, "test invalid: every relaxation was integral"


def test_cuts_close_gaps_and_keep_the_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    proofs = []
    for seed in range(30):
        problem = crowd(seed, keep=True)
        tightened = solve(problem)
        with monkeypatch.context() as patched:
            patched.setattr(relax_module, "violated_cuts", lambda block, values, packing: None)
            plain = solve(problem)
        assert tightened.objective == pytest.approx(plain.objective, abs=1e-9)
        proofs.append((plain.proof, tightened.proof))
    assert ("reduced-cost fixing", "integral LP") in proofs, "test invalid: cuts closed no gap"


@pytest.mark.parametrize("batch_rows", [1, 50, 10**9])
def test_batches_do_not_change_the_answer(batch_rows: int) -> None:
    problem = crowd(3, keep=True)
    expected = solve(problem, SolverSettings(threads=1))
    found = solve(problem, SolverSettings(batch_rows=batch_rows, threads=2))
    assert found.objective == pytest.approx(expected.objective, abs=1e-9)


def test_dominance_does_not_change_the_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped = {False: 0, True: 0}
    for seed in range(6):
        for split in (False, True):
            problem = crowd(seed, split=split)
            reduced = solve(problem)
            with monkeypatch.context() as patched:
                patched.setattr(solve_module, "dominated", lambda problem: np.zeros(problem.layout.n_columns, bool))
                full = solve(problem)
            dropped[split] += full.counts["free_columns"] - reduced.counts["free_columns"]
            assert reduced.objective == pytest.approx(full.objective, abs=1e-9)
    assert dropped[False] > 0, "test invalid: nothing was dominated"


def test_two_solves_agree_to_the_last_bit() -> None:
    problem = crowd(5)
    one, other = solve(problem, SolverSettings(threads=2)), solve(problem, SolverSettings(threads=2))
    assert np.array_equal(one.values, other.values)
    assert one.objective == other.objective


def test_any_duals_give_a_valid_bound() -> None:
    problem = crowd(1, n_frames=3, per_frame=6)
    optimum = solve(problem).objective
    columns = np.arange(problem.layout.n_columns)
    block = Block(
        rows=np.arange(2 * problem.n_detections),
        columns=columns,
        matrix=constraint_matrix(problem, columns),
        cost=problem.cost,
        rhs=right_hand_side(problem),
        equality=np.ones(2 * problem.n_detections, bool),
        component=np.zeros(len(columns), np.int32),
        bounded=np.zeros(len(columns), bool),
        start=np.ones(len(columns), bool),
    )
    rng = np.random.default_rng(0)
    bounds = [safe_bound(block, rng.normal(0, scale, len(block.rhs)))[0] for scale in (0.0, 0.1, 1.0, 10.0)]
    assert max(bounds) <= optimum
    assert max(bounds) > -np.inf


def test_time_limit_gives_a_lineage_and_an_honest_gap() -> None:
    problem = crowd(2, n_frames=8, per_frame=30)
    best = solve(problem)
    rushed = solve(problem, SolverSettings(time_limit_s=1e-9))
    assert rushed.status == "feasible"
    assert rushed.proof == "none"
    assert rushed.bound <= best.objective <= rushed.objective
    assert rushed.gap > 1e-6
    assert not np.any(constraint_matrix(problem, np.arange(problem.layout.n_columns)) @ rushed.values.astype(float))


@pytest.mark.usefixtures("without_cuts")
def test_time_limit_while_proving(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = fractional_crowd()
    relax = relax_module.relax
    monkeypatch.setattr("tracker.ilp.exact.relax", lambda block, settings, deadline: relax(block, settings, np.inf))
    found = solve(problem, SolverSettings(time_limit_s=1e-9))
    assert found.status == "feasible"
    assert found.bound < found.objective


@pytest.mark.usefixtures("without_cuts")
def test_out_of_time_after_the_relaxation_keeps_what_it_knew(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = crowd(10, n_frames=6, per_frame=30, keep=True)
    relax = relax_module.relax
    monkeypatch.setattr("tracker.ilp.exact.relax", lambda block, settings, deadline: relax(block, settings, np.inf))
    rushed = solve(problem, SolverSettings(time_limit_s=1e-9))
    assert rushed.counts["unsolved_blocks"] > 0, "test invalid: every relaxation was integral"
    assert rushed.objective < float(problem.cost @ greedy(problem)), "no better than greedy"
    assert rushed.bound <= solve(problem).objective <= rushed.objective


def test_a_failing_solver_is_not_called_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = crowd(1)
    failed = highspy.HighsModelStatus.kSolveError
    monkeypatch.setattr(highspy.Highs, "getModelStatus", lambda highs: failed)
    with pytest.raises(SolverError, match=r"HiGHS ended with 'Solve error'\. Costs that differ by many orders"):
        solve(problem)


def test_cancelling_ends_running_programs() -> None:
    settings = SolverSettings()
    settings.cancel.set()
    start = time.perf_counter()
    found = solve(crowd(4, n_frames=6, per_frame=120), settings)
    assert found.bound <= found.objective
    assert time.perf_counter() - start < 60


def test_linear_programs_run_in_slices_of_steps_and_end_after_one_when_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem, settings, steps = crowd(4, n_frames=6, per_frame=120), SolverSettings(threads=1), []
    plain, run = solve(problem, settings), highspy.Highs.run

    def counted(highs: highspy.Highs) -> highspy.HighsStatus:
        status = run(highs)
        steps.append(highs.getInfo().simplex_iteration_count)
        return status

    monkeypatch.setattr(highspy.Highs, "run", counted)
    monkeypatch.setattr(relax_module, "_SLICE", 0)  # the least: a thousand steps
    assert solve(problem, settings).objective == pytest.approx(plain.objective)
    assert max(steps) == 1000
    assert len(steps) > 4
    steps.clear()
    settings.cancel.set()
    assert solve(problem, settings).bound < plain.bound
    assert steps == [1000]


def test_interrupt_is_heard_while_blocks_run(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SolverSettings()

    def interrupted(block: Block, settings: SolverSettings, deadline: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(solve_module, "solve_block", interrupted)
    with pytest.raises(KeyboardInterrupt):
        solve(crowd(0), settings)
    assert settings.cancel.is_set()


@pytest.mark.parametrize("backend", ["highs", "scip"])
def test_gap_asked_for_bounds_the_gap_reported(backend: str) -> None:
    problem = crowd(7, n_frames=6, per_frame=20, keep=True)
    found = solve(problem, SolverSettings(backend=backend, gap=0.5))  # type: ignore[arg-type]
    assert found.gap <= 0.5 + 1e-9
    assert found.bound <= solve(problem).objective <= found.objective + 1e-9


def fractional_crowd() -> TrackingProblem:
    """A problem whose relaxation is not integral."""
    return next(problem for problem in map(crowd, range(100)) if solve(problem).proof == "reduced-cost fixing")


def test_time_limit_with_pins_that_greedy_cannot_honour() -> None:
    problem = make_problem(
        3, np.array([[0, 1], [0, 2]]), np.array([[0, 1, 2]]),
        link_cost=np.zeros(2), division_cost=np.ones(1), appear_cost=1.0, disappear_cost=1.0, keep=True,
    )  # fmt: skip
    pinned = apply_pins(problem, PinArrays(appear=np.array([[1, 0], [2, 0]])))
    assert solve(pinned).objective == pytest.approx(1 + 1 + 1 + 1)  # division, appear of 0, two ends
    with pytest.raises(NoSolutionError, match=r"time limit came before any lineage .* Raise solver\.time_limit_s"):
        solve(pinned, SolverSettings(time_limit_s=1e-9))


def test_contradiction_names_the_detections() -> None:
    problem = make_problem(
        4, np.array([[0, 1], [2, 3]]), None, link_cost=np.zeros(2), appear_cost=1.0, disappear_cost=1.0, keep=True
    )
    broken = apply_pins(problem, PinArrays(appear=np.array([[1, 0]]), link=np.array([[0, 1, 0]])))
    with pytest.raises(PinConflictError, match="no lineage satisfies them all") as raised:
        solve(broken)
    assert 1 in raised.value.rows  # type: ignore[attr-defined]
    assert 3 not in raised.value.rows  # type: ignore[attr-defined]


def test_pinned_link_must_be_a_candidate() -> None:
    problem = make_problem(3, np.array([[0, 1]]), None, link_cost=np.zeros(1), appear_cost=1.0, disappear_cost=1.0)
    with pytest.raises(InputError, match=r"a pinned link must be a candidate; 1 are not, first \(rows\) \[0, 2\]"):
        apply_pins(problem, PinArrays(link=np.array([[0, 2, 1]])))


def test_nan_costs_never_reach_the_solver() -> None:
    with pytest.raises(InputError, match="costs must be finite; NaN or infinite in 1 columns"):
        make_problem(2, np.array([[0, 1]]), None, link_cost=np.array([np.nan]), appear_cost=1.0, disappear_cost=1.0)


@pytest.mark.parametrize("backend", ["gurobi", "cuopt"])
def test_missing_backend_is_explained(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*args: object, **kwargs: object) -> None:
        raise RuntimeError("no licence")

    monkeypatch.setattr("tracker.ilp.backends.ilpy.Solver", missing)
    with pytest.raises(ConfigError, match=f'"{backend}" cannot be used here: no licence. Install it'):
        solve(crowd(0), SolverSettings(backend=backend))  # type: ignore[arg-type]


def test_other_backends_obey_the_time_limit() -> None:
    start = time.perf_counter()
    found = solve(crowd(2, n_frames=6, per_frame=30), SolverSettings(backend="scip", time_limit_s=0.5))
    assert found.bound <= found.objective
    assert time.perf_counter() - start < 60


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_anything_to_solve(count: int) -> None:
    problem = make_problem(
        count, np.empty((0, 2), int), None, link_cost=np.empty(0), appear_cost=1.0, disappear_cost=2.0, keep=True
    )
    found = solve(problem)
    assert found.objective == 3.0 * count
    assert found.status == "optimal"


@pytest.mark.usefixtures("without_cuts")
def test_gap_setting_is_reported() -> None:
    problem = fractional_crowd()
    found = solve(problem, replace(SolverSettings(), gap=0.5))
    assert found.bound <= solve(problem).objective <= found.objective + 1e-9
