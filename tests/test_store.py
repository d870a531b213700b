"""What every store promises, asked of all three kinds."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from store_cases import HEADER, KINDS, NOTHING, again, decided, filled, place_of, random_rows, same, take

from tracker.errors import InputError, StoreError
from tracker.store import CandidateRows, DetectionRows, Header, PinRows, Region, create_store, open_store

INF = float("inf")


@pytest.fixture(params=KINDS)
def place(request, tmp_path):
    return place_of(request.param, tmp_path, request)


@pytest.fixture(params=KINDS[1:])
def shared_place(request, tmp_path):
    """Of the kinds that several processes can use."""
    return place_of(request.param, tmp_path, request)


AWKWARD = (0.0, -0.0, 1 / 3, -1e300, 5e-324, 2.0**53 + 2, -0.1)


def test_what_is_written_comes_back_to_the_last_bit(place):
    count = len(AWKWARD)
    numbers = np.array(AWKWARD)
    rows = DetectionRows(
        id=np.array([0, 1, 2, 3, 2**40, 2**62, 2**63 - 1]),
        step=np.array([0, 0, 1, 1, 2, 2, 3]),
        frame=HEADER.frames[[0, 0, 1, 1, 2, 2, 3]],
        label=np.array([-5, 0, 1, 2, 2**53 + 1, 2**62, -(2**63)]),
        position=np.column_stack([numbers, numbers[::-1]]),
        appear_cost=numbers,
        disappear_cost=-numbers,
        detection_cost=numbers[::-1],
        keep=np.arange(count) % 2 == 0,
        columns={"area_px": np.array([np.nan, INF, -INF, *AWKWARD[3:]])},
    )
    ids = rows.id
    candidates = CandidateRows(
        np.array([[ids[0], ids[2]], [ids[4], ids[6]]]),
        np.array([1 / 3, -1e300]),
        np.array([[ids[0], ids[2], ids[3]]]),
        np.array([5e-324]),
        {"distance": np.array([np.nan, INF]), "score": np.array([-0.0, 1 / 7])},
        {"opposition": np.array([-INF])},
    )
    store = create_store(place, HEADER)
    store.write_candidates(candidates)  # before their ends: in the end all are there
    store.write_detections(rows)
    store = again(store)
    part = store.read(Region(0, 4))
    assert same(part.detections, rows)
    assert np.signbit(part.detections.position[1, 0])  # -0.0
    np.testing.assert_array_equal(part.id[part.links], candidates.links)
    np.testing.assert_array_equal(part.id[part.divisions], candidates.divisions)
    for name in ("link_cost", "division_cost"):
        np.testing.assert_array_equal(getattr(part, name), getattr(candidates, name))
    for name in ("link_columns", "division_columns"):
        for key, column in getattr(candidates, name).items():
            np.testing.assert_array_equal(getattr(part, name)[key], column)
    header = store.header
    assert replace(header, frames=HEADER.frames) == HEADER
    assert header.frames.tolist() == HEADER.frames.tolist()


BOXES = (
    None,
    [[-INF, -INF], [INF, INF]],
    [[-0.1, 0.0], [10.0, INF]],
    [[-INF, -3.25], [-0.5, 4.0]],
    [[0.0, 0.0], [0.0, 5.0]],  # empty
    [[INF, -INF], [INF, INF]],  # empty
)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_region_holds_exactly_what_lies_in_it_and_all_that_touches_that(place, ndim):
    header = replace(HEADER, ndim=ndim)
    store, rows, candidates = filled(place, seed=ndim, header=header)
    edge = rows.position[5]  # a corner on a detection: it is in, and out on the other side
    boxes = [box if box is None else np.array(box)[:, [0, 1, 1][:ndim]] for box in BOXES]
    boxes += [np.stack([edge, edge + 5]), np.stack([edge - 5, edge])]
    seen = set()
    for box in boxes:
        for first, stop in ((-2, 9), (0, 1), (1, 3), (2, 2), (7, 9)):
            region = Region(first, stop, box)
            part = store.read(region)
            inside = {
                int(row.id)
                for row in (take_one(rows, k) for k in range(len(rows)))
                if first <= row.step < stop
                and (
                    box is None
                    or all(low <= x < high for low, x, high in zip(box[0], row.position, box[1], strict=True))
                )
            }
            assert set(part.id[part.inside].tolist()) == inside
            for name in ("links", "divisions"):
                wanted = [row for row in getattr(candidates, name).tolist() if inside & set(row)]
                assert part.id[getattr(part, name)].tolist() == sorted(wanted)
            ends = {end for name in ("links", "divisions") for end in part.id[getattr(part, name)].ravel().tolist()}
            assert set(part.id.tolist()) == inside | ends  # whole, and nothing else
            assert same(part.detections, take(rows, part.id))
            seen.add(len(inside))
    assert len(seen) > 5


def take_one(rows, row):
    class One:
        id, step, position = rows.id[row], rows.step[row], rows.position[row].tolist()

    return One


def test_a_row_written_again_replaces_the_one_before(place):
    store, rows, candidates = filled(place)
    store.write_solution(decided(0, rows.id, candidates))
    changed = take(rows, np.array([3, 4]))
    store.write_detections(
        replace(changed, position=changed.position - 100.5, columns={"area_px": np.array([np.nan, 7])})
    )
    store.write_candidates(
        CandidateRows(
            candidates.links[:2],
            np.array([8.0, 9.0]),
            link_columns={"distance": np.array([np.nan, 1]), "score": np.zeros(2)},
            division_columns={"opposition": np.empty(0)},
        )
    )
    part = store.read(Region(0, 4))
    assert len(part.id) == len(rows)
    assert len(part.links) == len(candidates.links)
    np.testing.assert_array_equal(part.detections.position[[3, 4]], changed.position - 100.5)
    assert np.isnan(part.detections.columns["area_px"][3])
    assert part.link_cost[:2].tolist() == [8, 9]
    undone = np.isin(part.id, [3, 4])
    assert (part.owner[undone] == -1).all()
    assert (part.owner[~undone] == 0).all()
    assert (part.link_selected[undone[part.links[:, 0]]] == -1).all()


def test_a_block_decides_what_it_owns_and_doing_it_again_changes_nothing(place):
    store, rows, candidates = filled(place)
    early, late = rows.id[rows.step < 2], rows.id[rows.step >= 2]
    solution = decided(7, early, candidates, seed=1)
    for _ in range(2):
        store.write_solution(solution)
        store = again(store)
        part = store.read(Region(0, 4))
        mine = part.rows_of(early)
        for name in ("selected", "appear", "disappear", "dual_in", "dual_out", "dual_cap"):
            np.testing.assert_array_equal(getattr(part, name)[mine], getattr(solution, name))
        theirs = part.rows_of(late)
        assert (part.owner[mine] == 7).all()
        assert (part.owner[theirs] == -1).all()
        assert np.isnan(part.dual_in[theirs]).all()
        assert (part.selected[theirs] == -1).all()
        for name, state in (("links", part.link_selected), ("divisions", part.division_selected)):
            ids = part.id[getattr(part, name)]
            chosen = set(map(tuple, getattr(solution, name).tolist()))
            wanted = [-1 if row[0] in late else int(tuple(row) in chosen) for row in ids.tolist()]
            assert state.tolist() == wanted
        record = store.blocks()[7]
        assert (record.status, record.digest, record.objective) == ("done", "digest 1 it's", -1 / 3)
        assert record.facts == solution.facts
    counts = store.counts()
    assert (counts.detections, counts.decided) == (len(rows), len(early))
    assert counts.selected_detections == solution.selected.sum()
    assert (counts.selected_links, counts.selected_divisions) == (len(solution.links), len(solution.divisions))


def test_blocks_take_over_shrink_and_are_forgotten(place):
    store, rows, candidates = filled(place)
    store.write_solution(decided(0, rows.id[:20], candidates, seed=1))
    store.write_solution(decided(1, rows.id[10:30], candidates, seed=2))  # takes ten over
    owner = store.read(Region(0, 4)).owner
    assert [owner.tolist().count(block) for block in (0, 1, -1)] == [10, 20, len(rows) - 30]
    store.write_solution(decided(1, rows.id[25:30], candidates, seed=3))  # and gives fifteen up
    part = store.read(Region(0, 4))
    assert [part.owner.tolist().count(block) for block in (0, 1, -1)] == [10, 5, len(rows) - 15]
    parents = part.owner[part.links[:, 0]]
    assert ((part.link_selected == -1) == (parents == -1)).all()
    store.mark_failed(2, "d", 'it\'s "NaN"\nNone')
    store.mark_failed(0, "d", "again")
    records = store.blocks()
    assert {block: record.status for block, record in records.items()} == {0: "failed", 1: "done", 2: "failed"}
    assert records[1].order < records[2].order < records[0].order
    assert records[2].message == 'it\'s "NaN"\nNone'
    store.forget_solution()
    assert store.blocks() == {}
    assert store.counts().decided == 0
    assert store.counts().selected_links == 0
    assert (store.read(Region(0, 4)).link_selected == -1).all()


def test_the_solution_is_read_in_stretches(place):
    store, rows, candidates = filled(place)
    first, second = decided(0, rows.id[:17], candidates, seed=1), decided(1, rows.id[17:], candidates, seed=2)
    store.write_solution(first)
    store.write_solution(second)
    stretches = list(store.read_solution())
    assert len(stretches) > 1
    assert np.concatenate([one.detections.id for one in stretches]).tolist() == rows.id.tolist()
    for name in ("links", "divisions"):
        wanted = sorted([*getattr(first, name).tolist(), *getattr(second, name).tolist()])
        assert np.concatenate([getattr(one, name) for one in stretches]).tolist() == wanted
    selected = np.concatenate([one.selected for one in stretches])
    np.testing.assert_array_equal(selected, np.concatenate([first.selected, second.selected]))
    middle = list(store.read_solution(1, 3))
    assert np.concatenate([one.detections.step for one in middle]).tolist() == [1] * 12 + [2] * 12
    assert list(store.read_solution(9, 12)) == []


WRONG_SOLUTIONS = (
    ("not in the store", lambda good: replace(good, links=np.array([[0, 47]]))),
    ("not in the store", lambda good: replace(good, divisions=np.array([[0, 46, 47]]))),
    ("its own parents", lambda good: replace(good, links=np.array([[30, 40]]))),
    ("finite", lambda good: replace(good, dual_in=good.dual_in * np.nan)),
    ("bool", lambda good: replace(good, selected=good.selected.astype(int))),
    ("increasing", lambda good: replace(good, id=good.id[::-1])),
    ("finite", lambda good: replace(good, objective=float("nan"))),
    ("numbered", lambda good: replace(good, block=-1)),
    ("not in the store", lambda good: replace(good, id=good.id + 1000, links=NOTHING[:, :2], divisions=NOTHING)),
    ("text", lambda good: replace(good, digest=None)),
    ("JSON", lambda good: replace(good, facts={"seconds": float("nan")})),
)


def test_a_wrong_solution_is_refused_and_leaves_nothing_behind(place):
    store, rows, candidates = filled(place)
    good = decided(0, rows.id[:12], candidates, seed=1)
    store.write_solution(good)
    before = store.read(Region(0, 4))
    for said, spoil in WRONG_SOLUTIONS:
        with pytest.raises(StoreError, match=said):
            store.write_solution(spoil(decided(0, rows.id[:12], candidates, seed=2)))
        assert same(store.read(Region(0, 4)), before)
        assert store.blocks()[0].digest == good.digest


def test_pins_are_kept_by_source(place):
    store, _, _ = filled(place)
    pins = PinRows(
        np.array([0, 1, 2]), np.array([[5, -1, -1], [5, 17, -1], [5, 17, 18]]), np.array([True, False, True])
    )
    awkward = 'o\'Brien; DROP TABLE pins -- "µ"'
    store.write_pins("user", pins)
    store.write_pins(awkward, replace(pins, value=~pins.value))
    store.write_pins("user", pins)
    found = again(store).read_pins()
    assert list(found) == sorted([awkward, "user"])
    assert same(found["user"], pins)
    store.write_pins("user", PinRows(np.empty(0, np.int8), NOTHING, np.empty(0, bool)))
    assert list(store.read_pins()) == [awkward]
    assert store.read_pins(["user"]) == {}
    with pytest.raises(StoreError, match="text"):
        store.write_pins(None, pins)


ROWS, LINKS = random_rows(0)
REFUSED = (
    ("finite", lambda: replace(ROWS, position=np.where(ROWS.id[:, None] == 3, np.nan, ROWS.position))),
    ("finite", lambda: replace(ROWS, appear_cost=np.full(len(ROWS), INF))),
    ("None", lambda: replace(ROWS, disappear_cost=np.array([None] * len(ROWS)))),
    ("int64", lambda: replace(ROWS, id=ROWS.id + 0.5)),
    ("negative", lambda: replace(ROWS, id=ROWS.id - 1)),
    ("twice", lambda: replace(ROWS, id=ROWS.id // 2)),
    ("shape", lambda: replace(ROWS, keep=ROWS.keep[1:])),
    ("columns", lambda: replace(ROWS, columns={"volume": ROWS.appear_cost})),
    ("numbers", lambda: replace(ROWS, columns={"area_px": np.array(["1"] * len(ROWS))})),
    ("axes", lambda: replace(ROWS, position=np.zeros((len(ROWS), 3)))),
    ("disagree", lambda: replace(ROWS, frame=ROWS.frame + 1)),
    ("disagree", lambda: replace(ROWS, step=ROWS.step + 9)),
    ("finite", lambda: replace(LINKS, link_cost=LINKS.link_cost * np.nan)),
    ("increase", lambda: replace(LINKS, divisions=LINKS.divisions[:, [0, 2, 1]])),
    ("itself", lambda: replace(LINKS, links=LINKS.links * 0 + np.arange(len(LINKS.links))[:, None])),
    ("columns", lambda: replace(LINKS, link_columns={})),
    ("wrong kind", lambda: PinRows(np.array([1]), np.array([[5, -1, -1]]), np.array([True]))),
    ("once each", lambda: replace(HEADER, link_columns=("score", "score"))),
    ("once each", lambda: replace(HEADER, link_columns=("select 1; --",))),
    ("once each", lambda: replace(HEADER, detection_columns=("order",))),
    ("axes", lambda: Header({}, np.arange(3), 1)),
)


def test_what_a_store_cannot_keep_is_refused(place):
    store = create_store(place, HEADER)

    def write(make):
        rows = make()
        store.write_detections(rows) if isinstance(rows, DetectionRows) else store.write_candidates(rows)

    for said, make in REFUSED:
        with pytest.raises(StoreError, match=said):
            write(make)
        assert store.counts().detections == store.counts().links == 0


def test_a_link_into_nowhere_is_named_and_so_is_a_region_turned_round(place):
    store = filled(place)[0]
    columns = {"distance": np.ones(1), "score": np.ones(1)}
    store.write_candidates(
        CandidateRows(np.array([[0, 999]]), np.ones(1), link_columns=columns, division_columns={"opposition": []})
    )
    with pytest.raises(StoreError, match=r"never written.*\[0, 999\]"):
        store.read(Region(0, 1))
    assert len(store.read(Region(3, 4)).id) > 12
    for region in ((1, 0, None), (0, 1, np.array([[0.0, 1.0], [1.0, 0.0]])), (0, 1, np.full((2, 2), np.nan))):
        with pytest.raises(InputError, match="region"):
            Region(*region)


def test_many_write_at_once(shared_place):
    store, rows, candidates = filled(shared_place)
    solutions = [decided(step, rows.id[rows.step == step], candidates, seed=step) for step in range(4)]

    def work(solution):
        own = open_store(shared_place)
        for _ in range(5):
            own.write_solution(solution)
            own.read(Region(0, 4))
        own.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, solutions))
    part = store.read(Region(0, 4))
    assert part.owner.tolist() == rows.step.tolist()
    assert len({record.order for record in store.blocks().values()}) == 4
    assert store.counts().selected_links == sum(len(solution.links) for solution in solutions)
