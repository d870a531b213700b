"""One block of a store: read its region, decide, commit."""

import time
from dataclasses import replace

from tracker.blocks.plan import Plan
from tracker.blocks.region import solve_region
from tracker.blocks.stored import early_of, part_of, problem_of, solution_of, without_long
from tracker.errors import PintrackError
from tracker.store import Store


class SupersededError(PintrackError):
    """Another run has taken the store over; what was computed here is not written."""


def is_done(store: Store, plan: Plan, number: int) -> bool:
    """Whether the store holds the block's answer. Nothing else is trusted."""
    record = store.blocks().get(plan.record(number))
    return record is not None and record.status == "done" and record.digest == plan.digest


def solve_in_store(store: Store, plan: Plan, number: int, deadline: float) -> None:
    """Solve a block and commit it, in one transaction. Twice gives the same as once.

    What it sees of other blocks is what is decided; those that it conflicts with are either done or wait for it, so
    that its answer depends on nothing else. Raises what solving and the store raise; SupersededError.
    """
    start = time.perf_counter()
    found = without_long(store.read(plan.grid.read_region(number)), plan.grid.reach)
    early = early_of(store.blocks().values(), plan.forbidden)
    part = part_of(found, store.header, plan.forbidden, early)
    write = plan.grid.write_region(number).contains(found.detections.step, found.detections.position)
    decided = solve_region(part, write, plan.settings, deadline)
    _, pairs = problem_of(found, store.header, plan.forbidden)
    solution = solution_of(plan.record(number), plan.digest, found, part, write, decided, pairs)
    facts = {**(solution.facts or {}), "seconds": time.perf_counter() - start, "detections": int(write.sum())}
    if not plan.is_current():
        raise SupersededError("another `track run` works on this store now; this worker gives up")
    store.write_solution(replace(solution, facts=facts))
