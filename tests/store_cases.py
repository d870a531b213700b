"""Stores of all kinds, small programs to put into them, and a slow reader to compare with."""

import contextlib
import os
from dataclasses import fields, replace

import numpy as np

from tracker.store import (
    BlockSolution,
    CandidateRows,
    DetectionRows,
    Header,
    create_store,
    open_store,
    parse_place,
)

KINDS = ("memory", "sqlite", "postgresql")
NOTHING = np.empty((0, 3), np.int64)
HEADER = Header(
    {"data.segmentation": "01_SEG", "candidates.neighbors": 10, "costs.terms": [{"feature": 'it\'s "so"; --'}]},
    np.array([3, 4, 6, 7]),
    2,
    unit="µm",
    scale=(0.5, 0.25),
    image_shape=(64, 48),
    detection_columns=("area_px",),
    link_columns=("distance", "score"),
    division_columns=("opposition",),
)


def place_of(kind, folder, request):
    """Somewhere for a store; `request` finds the server."""
    if kind == "memory":
        return parse_place("memory:", folder)
    if kind == "sqlite":
        return parse_place("sqlite:///tracks.db", folder)
    server = request.getfixturevalue("postgres")
    return parse_place(server.url(server.new_database()), folder, arrays=folder / "arrays")


def again(store):
    """The store opened anew, as another process would; one in memory as it is."""
    return store if store.place.kind == "memory" else open_store(store.place)


def random_rows(seed, header=HEADER, per_step=12):
    """Detections around the origin, links between all of neighbouring steps, a few divisions."""
    random = np.random.default_rng(seed)
    steps = np.repeat(np.arange(len(header.frames)), per_step)
    count = len(steps)
    detections = DetectionRows(
        id=np.arange(count),
        step=steps,
        frame=header.frames[steps],
        label=np.tile(np.arange(1, per_step + 1), len(header.frames)),
        position=random.normal(0, 10, (count, header.ndim)).round(1),
        appear_cost=random.normal(size=count),
        disappear_cost=random.normal(size=count),
        detection_cost=random.normal(size=count),
        keep=random.random(count) < 0.5,
        columns={name: np.where(random.random(count) < 0.3, np.nan, 1.5) for name in header.detection_columns},
    )
    pairs = np.argwhere(steps[:, None] + 1 == steps[None, :])
    links = pairs[random.random(len(pairs)) < min(0.3, 5 / per_step)]
    first = np.tile(np.arange(len(links) - 2), 2)
    second = first + np.repeat([1, 2], len(links) - 2)
    alike = np.flatnonzero((links[first, 0] == links[second, 0]) & (random.random(len(first)) < 0.5))
    divisions = np.unique(np.column_stack([links[first[alike]], links[second[alike], 1]]), axis=0)
    candidates = CandidateRows(
        links=links,
        link_cost=random.normal(size=len(links)),
        divisions=divisions,
        division_cost=random.normal(size=len(divisions)),
        link_columns={name: random.normal(size=len(links)) for name in header.link_columns},
        division_columns={name: random.normal(size=len(divisions)) for name in header.division_columns},
    )
    return detections, candidates


def filled(place, seed=0, header=HEADER):
    """A store with random rows; also the rows."""
    detections, candidates = random_rows(seed, header)
    store = create_store(place, header)
    store.write_detections(detections)
    store.write_candidates(candidates)
    return store, detections, candidates


def take(rows, chosen):
    """Some of the detections."""
    columns = {name: column[chosen] for name, column in rows.columns.items()}
    names = [field.name for field in fields(rows) if field.name != "columns"]
    return replace(rows, columns=columns, **{name: getattr(rows, name)[chosen] for name in names})


def decided(block, ids, candidates, seed=0, **changes):
    """A solution of a block without meaning: each parent takes its first link, or its first division."""
    random = np.random.default_rng(seed)
    ids = np.asarray(ids)
    links, divisions = [], []
    for parent in ids.tolist():
        own = candidates.links[candidates.links[:, 0] == parent]
        pairs = candidates.divisions[candidates.divisions[:, 0] == parent]
        if len(pairs) and random.random() < 0.5:
            divisions.append(pairs[0])
        elif len(own):
            links.append(own[0])
    bits = random.random((3, len(ids))) < 0.5
    solution = BlockSolution(
        block,
        f"digest {seed} it's",
        ids,
        *bits,
        *random.normal(size=(2, len(ids))),
        np.array(links, np.int64).reshape(-1, 2),
        np.array(divisions, np.int64).reshape(-1, 3),
        dual_cap=random.normal(size=len(ids)),
        objective=-1 / 3,
        bound=-0.5,
        facts={"proof": "integral LP", "seconds": 0.1},
    )
    return replace(solution, **changes)


def same(first, second):
    """Whether two dataclasses of arrays hold the same, to the last bit."""
    for field in fields(first):
        one, other = getattr(first, field.name), getattr(second, field.name)
        if isinstance(one, dict):
            assert list(one) == list(other)
            for key in one:
                np.testing.assert_array_equal(one[key], other[key], err_msg=key)
        elif hasattr(one, "__dataclass_fields__"):
            same(one, other)
        elif isinstance(one, np.ndarray):
            assert one.dtype == other.dtype, field.name
            np.testing.assert_array_equal(one, other, err_msg=field.name)
        else:
            assert one == other, field.name
    return True


@contextlib.contextmanager
def ordinary_user():
    """Not root, for whom nothing is read-only."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
