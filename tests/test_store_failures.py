"""Stores that are missing, foreign, locked, full, read-only, killed: one clear error, and nothing left behind."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from store_cases import HEADER, KINDS, decided, filled, ordinary_user, place_of, random_rows, same

from tracker.config import make_config
from tracker.config_text import render_config
from tracker.errors import (
    ConfigError,
    MissingExtraError,
    StoreError,
    StoreLockedError,
    StoreLostError,
    StoreMismatchError,
)
from tracker.store import Region, create_store, funlib_graph, open_store, parse_place, store_exists
from tracker.store.configured import config_identity, store_place


@pytest.fixture(params=KINDS[1:])
def place(request, tmp_path):
    return place_of(request.param, tmp_path, request)


def test_a_store_is_made_once_and_opened_for_its_own_config_alone(place):
    assert not store_exists(place)
    with pytest.raises(StoreError, match="there is no store"):
        open_store(place)
    store, rows, _ = filled(place)
    assert store_exists(place)
    with pytest.raises(StoreError, match="exists already"):
        create_store(place, HEADER)
    same_config = json.loads(json.dumps(HEADER.config))
    assert open_store(place, config=same_config).counts().detections == len(rows)
    other = {**same_config, "candidates.neighbors": 5, "data.every": 2}
    with pytest.raises(StoreMismatchError, match=r"candidates.neighbors \(the store: 10; the config: 5\)") as told:
        open_store(place, config=other)
    assert told.value.keys == ("candidates.neighbors", "data.every")
    store.close()
    assert create_store(place, HEADER, overwrite=True).counts().detections == 0


def test_another_version_is_refused(place, monkeypatch, request):
    monkeypatch.setattr(f"tracker.store.{'sqlite' if place.kind == 'sqlite' else 'postgres_schema'}.SCHEMA_VERSION", 99)
    create_store(place, HEADER).close()
    monkeypatch.undo()
    with pytest.raises(StoreMismatchError, match="version 99"):
        open_store(place)


def test_only_one_run_at_a_time(place):
    store, other = filled(place)[0], open_store(place)
    with store.lock() as held:
        held.check()
        with pytest.raises(StoreLockedError, match="another run"), other.lock():
            pass
        with pytest.raises(StoreLockedError):
            create_store(place, HEADER, overwrite=True)
        other.read(Region(0, 1))  # workers go on
    with other.lock():
        pass


def test_what_is_opened_for_reading_cannot_be_written(place):
    _, rows, candidates = filled(place)
    reader = open_store(place, write=False)
    assert len(reader.read(Region(0, 4)).id) == len(rows)
    with pytest.raises(StoreError, match="only be read"):
        reader.write_solution(decided(0, rows.id, candidates))


def test_a_full_disk_leaves_nothing_behind(place):
    store, rows, candidates = filled(place)
    store.write_solution(decided(0, rows.id[:20], candidates))
    before = store.read(Region(0, 4))
    if place.kind == "sqlite":
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        make_full = "PRAGMA max_page_count = 1000000"
    else:  # what the server says on a full disk, said by a trigger
        store._change("CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                      "RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$")  # fmt: skip
        store._change("CREATE TRIGGER full_disk BEFORE UPDATE ON edges EXECUTE FUNCTION full_disk()")
        make_full = "DROP TRIGGER full_disk ON edges"
    later = replace(decided(1, rows.id[20:], candidates, seed=5), facts={"log": "x" * 100_000})
    with pytest.raises(StoreError, match="disk is full") as told:
        store.write_solution(later)
    assert not isinstance(told.value, StoreLostError)
    assert same(store.read(Region(0, 4)), before)
    assert list(store.blocks()) == [0]
    store._change(make_full) if place.kind == "postgresql" else store._rows(make_full)
    store.write_solution(later)
    assert list(store.blocks()) == [0, 1]


KILLED = """
import os, sys, pickle
from tracker.store import open_store
place, solution = pickle.load(sys.stdin.buffer)
store = open_store(place)
def die(*_):
    print("written", flush=True)
    sys.stdin.buffer.read(1)
    os.pause() if hasattr(os, "pause") else __import__("signal").pause()
store._record = die
store.write_solution(solution)
"""


def test_a_killed_process_leaves_nothing_behind(place):
    import pickle

    store, rows, candidates = filled(place)
    store.write_solution(decided(0, rows.id, candidates, seed=1))
    before = store.read(Region(0, 4))
    root = str(Path(__file__).parents[1])
    worker = subprocess.Popen(
        [sys.executable, "-c", KILLED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root},
    )
    pickle.dump((place, decided(0, rows.id, candidates, seed=2)), worker.stdin)
    worker.stdin.flush()
    assert worker.stdout.readline() == b"written\n"  # all of it, but for the commit
    assert same(store.read(Region(0, 4)), before)  # which nobody sees
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    worker.stdin.close()
    worker.stdout.close()
    assert same(store.read(Region(0, 4)), before)
    store.write_solution(decided(0, rows.id, candidates, seed=2))  # and it holds up nobody


def test_a_connection_that_the_server_ends_is_said_so(postgres, tmp_path, request):
    place = place_of("postgresql", tmp_path, request)
    store, rows, candidates = filled(place)
    before = store.read(Region(0, 4))
    # In the middle of the transaction: the last statement before the commit finds the connection gone.
    record = store._record

    def ended(*arguments):
        postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{place.database}'")
        record(*arguments)

    store._record = ended
    with pytest.raises(StoreLostError, match="left nothing behind"):
        store.write_solution(decided(0, rows.id, candidates))
    anew = open_store(place)
    assert same(anew.read(Region(0, 4)), before)
    anew.write_solution(decided(0, rows.id, candidates))
    with anew.lock() as held:
        postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{place.database}'")
        with pytest.raises(StoreLostError):
            held.check()


def test_servers_that_do_not_answer_and_roles_that_may_not(postgres, tmp_path, request):
    place = place_of("postgresql", tmp_path, request)
    store = filled(place)[0]
    with pytest.raises(StoreError, match="cannot be reached") as told:
        open_store(replace(place, port=1))
    assert place.password not in str(told.value)
    with pytest.raises(StoreError, match=r"cannot be reached.*password") as told:
        open_store(replace(place, password="wr0ng-secret"))
    assert "wr0ng-secret" not in str(told.value)
    postgres.execute(f"ALTER DATABASE {place.database} SET default_transaction_read_only = on")
    with pytest.raises(StoreError, match="only be read"):
        open_store(place)
    assert open_store(place, write=False).counts() == store.counts()
    postgres.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    guest = replace(place, user="guest", password="guest")
    with pytest.raises(StoreError, match=r"no store|may do this|permission"):
        open_store(guest)
    with pytest.raises(StoreError, match="cannot be made"):
        create_store(replace(guest, database="not_there"), HEADER)
    foreign = place_of("postgresql", tmp_path, request)
    postgres.execute(f"CREATE DATABASE {foreign.database}")
    import psycopg2

    connection = psycopg2.connect(
        host=foreign.host, port=foreign.port, user=foreign.user, password=foreign.password, dbname=foreign.database
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE metadata (value VARCHAR)")
    connection.close()
    for overwrite in (False, True):
        with pytest.raises(StoreError, match="no store of ours: metadata"):
            create_store(foreign, HEADER, overwrite=overwrite)


def test_files_that_may_not_be_written_or_are_something_else(tmp_path):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        place = parse_place("sqlite:///tracks.db", folder)
        filled(place)[0].close()
        with ordinary_user() if os.geteuid() == 0 else _read_only(folder):
            with pytest.raises(StoreError, match=r"only be read|Let it be written"):
                open_store(place)
            assert open_store(place, write=False).counts().detections == 48
            with pytest.raises(StoreError, match=r"cannot be|may you write"):
                create_store(parse_place("sqlite:///new.db", folder), HEADER)
        folder.chmod(0o755)
    place = parse_place("sqlite:///other.db", tmp_path)
    place.path.write_text("id,t,y,x\n" * 100)
    for attempt in (open_store, lambda place: create_store(place, HEADER, overwrite=True)):
        with pytest.raises(StoreError, match="no database at all"):
            attempt(place)
    assert place.path.read_text().startswith("id,t")
    place = parse_place("sqlite:///notes.db", tmp_path)
    with sqlite3.connect(place.path) as other:
        other.execute("CREATE TABLE nodes (id)")
    other.close()
    with pytest.raises(StoreError, match="no store of ours"):
        create_store(place, HEADER, overwrite=True)
    with pytest.raises(StoreError, match="only in the process"):
        open_store(parse_place("memory:"))


def test_a_file_that_was_removed_without_its_description(tmp_path):
    place = parse_place("sqlite:///tracks.db", tmp_path)
    filled(place)[0].close()
    place.path.unlink()
    with pytest.raises(StoreError, match=r"tracks-meta\.json describes a database that is not there"):
        create_store(place, HEADER)
    assert create_store(place, HEADER, overwrite=True).counts().detections == 0


class _read_only:  # noqa: N801
    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        for path in self.folder.iterdir():
            path.chmod(0o444)
        self.folder.chmod(0o555)

    def __exit__(self, *_):
        self.folder.chmod(0o755)


URLS = (
    ("postgresql://me:pa%40ss@host:77/db", "postgresql://me@host:77/db", "pa@ss"),
    ("postgresql:///tracks", "postgresql:///tracks", None),
    ("postgresql://[::1]/tracks", "postgresql://[::1]/tracks", None),
    ("sqlite:////data/it's.db", "sqlite:////data/it's.db", None),
)


@pytest.mark.parametrize(("url", "shown", "password"), URLS)
def test_a_password_is_never_shown(url, shown, password, tmp_path):
    config = make_config({"data": {"segmentation": "x"}, "store": {"url": url}}, folder=tmp_path)
    place = store_place(config)
    assert (str(place), place.password) == (shown, password)
    for text in (repr(place), repr(config), config.model_dump_json(), render_config(config)):
        assert password is None or (password not in text and "pa%40ss" not in text)
    assert store_place(config.model_copy(update={"solver": config.solver})).password == password


@pytest.mark.parametrize(
    "url",
    [
        "mysql://a:secret@h/x",
        "postgresql://a:secret@h",
        "postgresql://a:secret@h:x/y",
        "postgresql://a@h/x?password=secret",
        "postgresql://a:1#secret@h/x",
        "postgresql://a:1/secret@h",
        "a:secret@h/x",
        "x.db",
    ],
)
def test_a_url_that_means_nothing_is_refused_without_its_password(url):
    with pytest.raises(ConfigError, match=r"\[store\] url") as told:
        make_config({"data": {"segmentation": "x"}, "store": {"url": url}})
    assert "secret" not in str(told.value)


def test_what_a_store_depends_on():
    config = make_config({"data": {"segmentation": "x"}, "solver": {"gap": 0.1}})
    first = config_identity(config)
    changed = {"data": {"segmentation": "x"}, "solver": {"gap": 0}, "output": {"path": "elsewhere"}}
    assert config_identity(make_config(changed)) == first
    other = config_identity(make_config({**changed, "candidates": {"neighbors": 3}, "embeddings": {"path": "e.npz"}}))
    differs = {key for key in {*first, *other} if first.get(key) != other.get(key)}
    assert {"candidates.neighbors", "embeddings.path"} <= differs
    assert json.loads(json.dumps(first, allow_nan=False)) == first


def test_without_the_extra_it_is_named(monkeypatch, tmp_path):
    found = funlib_graph.importlib.util.find_spec
    monkeypatch.setattr(
        funlib_graph.importlib.util, "find_spec", lambda name: None if "funlib" in name else found(name)
    )
    with pytest.raises(MissingExtraError, match=r"pintrack\[scale\]"):
        create_store(parse_place("sqlite:///tracks.db", tmp_path), HEADER)
    create_store(parse_place("memory:", tmp_path), HEADER).write_detections(random_rows(0)[0])
