"""A movie through the store, in order: fill it, solve block after block, prove one bound, mend the seams, keep it."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import tracker
from tracker.auto.model import MovieModel
from tracker.blocks.fill import fill, forbidden_of, header_of, mark
from tracker.blocks.filled import Filled, fingerprints
from tracker.blocks.grid import Grid, cut, make_grid
from tracker.blocks.keep import keep_mended
from tracker.blocks.mending import mend_movie
from tracker.blocks.movie import read_movie
from tracker.blocks.plan import FILLED, SEAMS, Plan, digest_of
from tracker.blocks.read_back import Stored, read_back, with_margins
from tracker.blocks.schedule import full_disk, require_daisy, solve_blocks
from tracker.blocks.why_broken import why_broken
from tracker.candidate_windows import CandidateSource
from tracker.config import Config
from tracker.config_blocks import Blocks
from tracker.errors import ConfigError, StoreError, StoreLostError, StoreMismatchError
from tracker.inputs import Inputs, read_annotations, read_inputs
from tracker.pin_checks import ResolvedPins
from tracker.prepare import measure, solver_settings, source_of
from tracker.stopwatch import Stopwatch
from tracker.store import (
    BlockRecord,
    Place,
    RunLock,
    Store,
    create_store,
    open_store,
    store_exists,
)
from tracker.store.configured import config_identity, store_place


def place_of(config: Config) -> Place:
    """Where the store of a config is. Raises ConfigError for one in memory, which workers could not share."""
    place = store_place(config)
    if place.kind == "memory":
        raise ConfigError(
            'store.url = "memory:" cannot be shared by the workers that solve blocks; name a file (sqlite:///...) or a '
            "database (postgresql://...)"
        )
    return place


def solve_in_blocks(config: Config, watch: Stopwatch, *, resume: bool, overwrite: bool) -> Stored:
    """Everything from the config to a proven lineage in the store.

    resume: go on with a store that is there.   overwrite: replace one.
    Raises StoreError where a store is there and neither is asked for; StoreMismatchError where it was made from another
    config; StoreLockedError where another run works on it; BlockError; PinConflictError.
    """
    _check(config)
    require_daisy()
    place, settings = place_of(config), solver_settings(config)
    with watch.stage("read", "reading detections"):
        inputs = read_inputs(config)
        pins = read_annotations(config, inputs.detections)
    blocks = config.blocks or Blocks()
    cut(blocks, inputs.detections)  # what is wrong with the blocks, before hours of filling
    store = _opened(place, config, inputs, resume=resume, overwrite=overwrite)
    try:
        with store.lock() as held, _work_folder(config) as folder:
            filled, source = _filled(store, config, watch, inputs, pins)
            forbidden = forbidden_of(pins, config.candidates.divisions)
            grid = _grid(blocks, inputs, filled)
            version = tracker.__version__
            digest = digest_of(config_identity(config), grid, settings, version)
            _forget_others(store, digest, filled)
            plan = Plan(place, grid, forbidden, replace(settings, threads=1), digest, folder, secrets.token_hex(8))
            plan.token_file.write_text(plan.token, encoding="utf-8")
            held.check()
            deadline = time.perf_counter() + settings.time_limit_s  # the key is about solving
            if not _is_mended(store, digest):
                _solve(store, plan, blocks, watch, held)
                _mend(store, plan, config, watch, inputs, pins, deadline, held)
                held.check()
            watch.seconds["solve"] = sum(watch.seconds.get(stage, 0.0) for stage in ("blocks", "mend"))
            found = read_back(store, plan, watch, inputs, pins, filled)
            if config.output.margins == "none":
                return found
            if source is None:  # another run filled the store
                source, _ = _source(config, watch, inputs, pins)
            return with_margins(found, store, source, watch)
    finally:
        store.close()


def _check(config: Config) -> None:
    """Raise ConfigError for what blocks cannot do."""
    wrong = []
    if config.solver.backend != "highs":
        wrong.append(f'solver.backend = "{config.solver.backend}" (blocks need the duals of "highs")')
    if config.costs.motile or config.solver.engine == "motile":
        wrong.append('terms of motile classes, or solver.engine = "motile"')
    if config.solver.method != "ilp":
        wrong.append(f'solver.method = "{config.solver.method}"')
    if config.output.margins == "exact":
        wrong.append('output.margins = "exact"')
    if wrong:
        raise ConfigError(
            f"solving block by block does not go with {'; '.join(wrong)}. Change that, or leave out [store] and "
            "[blocks]"
        )


def _opened(place: Place, config: Config, inputs: Inputs, *, resume: bool, overwrite: bool) -> Store:
    there = store_exists(place)
    if there and resume:
        store = open_store(place, config=config_identity(config))
        if _filling(store) is not None:
            return store
        store.close()  # the filling was broken off: pins and detections may have been others then
        overwrite = True
    if there and not overwrite:
        open_store(place, write=False).close()  # what is no store of ours is told so
        raise StoreError(
            f"the store {place} is there already, from a run that may not have been finished. Go on with it by "
            "--resume, replace it by --overwrite, or name another with store.url"
        )
    return create_store(place, header_of(config, inputs.detections), overwrite=overwrite)


@contextmanager
def _work_folder(config: Config) -> Iterator[Path]:
    """Where logs and the plan of the workers lie, beside the result."""
    result = config.path(config.output.path).resolve()
    folder = result.with_name(f"{result.name}.blocks")
    folder.mkdir(parents=True, exist_ok=True)
    yield folder


def _filling(store: Store) -> BlockRecord | None:
    """The record that says that the store is full; None where it is not."""
    record = store.blocks().get(FILLED)
    return record if record is not None and record.status == "done" else None


def _filled(
    store: Store, config: Config, watch: Stopwatch, inputs: Inputs, pins: ResolvedPins | None
) -> tuple[Filled, CandidateSource | None]:
    """What fills the store; and what its candidates follow from, where they were listed just now."""
    record = _filling(store)
    if record is not None:
        filled = Filled.from_facts(record.facts)
        now = fingerprints(config, inputs.detections, pins)
        other = sorted(name for name, own in now.items() if filled.made_of.get(name) != own)
        if other:
            raise StoreMismatchError(
                f"the store {store.place} was filled from other {' and other '.join(other)} than the files of the "
                "config hold now. Put the files back as they were, or begin anew with --overwrite",
                tuple(other),
            )
        return filled, None
    source, movie = _source(config, watch, inputs, pins)
    with watch.stage("fill", "filling the store"):
        done = watch.share("filling the store")
        return fill(store, config, source, pins, movie, solver_settings(config), done), source


def _source(
    config: Config, watch: Stopwatch, inputs: Inputs, pins: ResolvedPins | None
) -> tuple[CandidateSource, MovieModel | None]:
    """What all candidates follow from, and what was measured on the movie for that."""
    with watch.stage("measure", "measuring the movie"):
        movie = measure(config, inputs.detections)
    return source_of(config, watch, inputs, pins, movie), movie


def _grid(blocks: Blocks, inputs: Inputs, filled: Filled) -> Grid:
    reaches = {name: getattr(filled, name) for name in ("longest", "common", "pinned")}
    return make_grid(blocks, inputs.detections, **reaches)


def _forget_others(store: Store, digest: str, filled: Filled) -> None:
    """Forget what was solved with other blocks or another solver."""
    others = [record for number, record in store.blocks().items() if number != FILLED and record.digest != digest]
    if others:
        store.forget_solution()
        mark(store, FILLED, "", filled.facts())


def _is_mended(store: Store, digest: str) -> bool:
    record = store.blocks().get(SEAMS)
    if record is None or record.status != "done" or record.digest != digest:
        return False
    return not record.facts.get("out_of_time")  # then there is more to do


def _solve(store: Store, plan: Plan, blocks: Blocks, watch: Stopwatch, held: RunLock) -> None:
    records = store.blocks()
    done = {
        number
        for number in range(len(plan.grid))
        if (record := records.get(plan.record(number))) is not None
        and record.status == "done"
        and record.digest == plan.digest
    }

    def tell(count: int) -> None:
        watch.progress(f"solving blocks: {count} of {len(plan.grid)} done")
        try:
            held.check()
        except StoreLostError:  # another run may have the store by now: our workers must write nothing more
            plan.token_file.unlink(missing_ok=True)

    with watch.stage("blocks", f"solving {len(plan.grid)} blocks"):
        solve_blocks(
            plan,
            done,
            workers=blocks.workers,
            launcher=blocks.launcher,
            retries=blocks.retries,
            progress=tell,
        )
        held.check()
        records = store.blocks()
        left = [
            number
            for number in range(len(plan.grid))
            if plan.record(number) not in records or records[plan.record(number)].status != "done"
        ]
    if left:
        told = [records[plan.record(number)].message for number in left if plan.record(number) in records]
        why = f"it failed: {told[0]}" if told else "their workers ended"
        raise StoreError(
            f"{len(left)} blocks were not solved, such as {plan.grid.name(left[0])}: {why}. `track run --resume` goes "
            f"on; what workers said is in {plan.folder}{full_disk(plan.folder)}"
        )


def _mend(
    store: Store,
    plan: Plan,
    config: Config,
    watch: Stopwatch,
    inputs: Inputs,
    pins: ResolvedPins | None,
    deadline: float,
    held: RunLock,
) -> None:
    """Prove, mend, and write what changed as one more block, in one transaction."""
    detections = inputs.detections
    settings = replace(plan.settings, threads=config.solver.threads or os.cpu_count() or 1)
    with watch.stage("mend", "proving one bound and mending seams"):
        movie = read_movie(store, len(detections), plan.forbidden)
        mended = mend_movie(store, movie, detections.starts, settings, deadline, watch.progress)
    if mended.after.broken.any():
        raise why_broken(store, plan.forbidden, pins, config, out_of_time=mended.out_of_time)
    held.check()
    with watch.stage("keep", "writing the solution"):
        keep_mended(store, plan, movie, mended, watch.seconds)
