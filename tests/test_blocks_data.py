"""The real HeLa movie in 4 x 2 x 2 blocks, in both kinds of store, against the optimum of the whole; and kills."""

import json
import random
from pathlib import Path

import pytest
from kills import CONNECTION, SCHEDULER, WORKER, finish, kill_and_resume, tables

pytestmark = pytest.mark.data
CONFIG = Path(__file__).parents[1] / "configs" / "hela_blocks.toml"
OPTIMUM = -5168.663293  # every detection kept; the acceptance value of the whole


@pytest.fixture
def store(request):
    """The option that names a new store."""
    if request.param == "sqlite":
        return ()
    server = request.getfixturevalue("postgres")
    return ("--set", f"store.url={server.url(server.new_database())}")


@pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
def test_blocks_find_the_optimum_of_the_whole(store, tmp_path):
    pytest.importorskip("trackastra")
    code, error = finish("run", CONFIG, "--output", tmp_path / "result", "--quiet", *store)
    assert code == 0, error
    found = json.loads((tmp_path / "result" / "run.json").read_text())
    before, after = found["blockwise"]["before"], found["blockwise"]["after"]
    assert found["blockwise"]["blocks"] == 16
    assert found["status"] == "optimal"
    assert found["objective"] == pytest.approx(OPTIMUM, abs=1e-4)
    assert after["bound"] == pytest.approx(OPTIMUM, abs=1e-4)
    assert OPTIMUM - 1e-4 <= before["objective"] <= OPTIMUM + 1e-3 * abs(OPTIMUM)
    assert before["bound"] <= OPTIMUM + 1e-4


@pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
def test_killed_at_random_moments_the_answer_is_the_same(store, request, tmp_path):
    pytest.importorskip("trackastra")
    chance = random.Random(0)
    few = ("--set", "data.frames=[0,6]", "--set", "blocks.count=[3,2,1]")
    code, error = finish("run", CONFIG, "--output", tmp_path / "calm", "--quiet", *few, *store)
    assert code == 0, error
    seconds = json.loads((tmp_path / "calm" / "run.json").read_text())["seconds"]["total"]
    victims = [WORKER, SCHEDULER, *([CONNECTION] if store else [])]

    def cut():
        request.getfixturevalue("postgres").execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        )

    for number in range(3):  # `python benchmarks/blocks.py kills` does it twenty times
        victim, delay_s = victims[number % len(victims)], seconds * chance.uniform(0.2, 1.2)
        kill_and_resume(CONFIG, tmp_path / "killed", victim, delay_s, chance, cut, (*few, *store))
        assert tables(tmp_path / "killed") == tables(tmp_path / "calm"), f"{victim} after {delay_s:.1f} s"
