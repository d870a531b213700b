"""HeLa block by block against HeLa at once; and runs that are killed at random moments.

    python benchmarks/blocks.py compare           # SQLite and PostgreSQL, 1 and 4 workers, beside the whole at once
    python benchmarks/blocks.py kills --times 20  # per store: workers, schedulers, database connections

PostgreSQL where Debian's package is installed: a private server on loopback, gone afterwards.
"""

import argparse
import contextlib
import json
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from kills import CONNECTION, SCHEDULER, WORKER, finish, kill_and_resume, tables
from postgres_server import running_server, why_not

CONFIG = Path(__file__).resolve().parent.parent / "configs" / "hela_blocks.toml"


def stores(server) -> list[str]:
    """Names of the stores that there are."""
    return ["sqlite", *(["postgresql"] if server else [])]


def options(server, store: str) -> list[str]:
    if store == "sqlite":
        return []
    return ["--set", f"store.url={server.url(server.new_database())}"]


def report(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


def run(folder: Path, *more: object) -> float:
    start = time.perf_counter()
    code, error = finish("run", *more, "--output", folder, "--quiet", "--overwrite")
    if code:
        raise SystemExit(error)
    return time.perf_counter() - start


def compare(folder: Path, config: Path, server) -> None:
    whole = folder / "whole.toml"
    text = config.read_text()
    start, stop = text.index("[blocks]"), text.index("[output]")
    whole.write_text(text[:start] + text[stop:])
    seconds = run(folder / "whole", whole)
    optimum = report(folder / "whole")["objective"]
    at_once = report(folder / "whole")["gap"]
    names = ("", "objective", "before", "bound before", "gap after", "blocks s", "mend s", "all s")
    print(" ".join(f"{name:>{width}}" for name, width in zip(names, (24, 14, 8, 12, 9, 8, 6, 6), strict=True)))
    print(f"{'in one piece':24} {optimum:14.6f} {'':8} {'':12} {at_once:9.1e} {'':8} {'':6} {seconds:6.1f}")
    written = {}
    for store in stores(server):
        for workers in (1, 4):
            name = f"{store}, {workers} worker{'s' * (workers > 1)}"
            place = folder / f"{store}{workers}"
            seconds = run(place, config, "--set", f"blocks.workers={workers}", *options(server, store))
            found = report(place)
            before = found["blockwise"]["before"]
            worse = (before["objective"] - optimum) / abs(optimum)
            lower = (optimum - before["bound"]) / abs(optimum)
            part = found["seconds"]
            print(
                f"{name:24} {found['objective']:14.6f} {worse:8.1e} {lower:12.1e} {found['gap']:9.1e} "
                f"{part['blocks']:8.1f} {part['mend']:6.1f} {seconds:6.1f}"
            )
            written[name] = tables(place)
            assert abs(found["objective"] - optimum) < 1e-6, "not the optimum"
    print("same files for all:", len({tuple(sorted(files.items())) for files in written.values()}) == 1)


def kills(folder: Path, config: Path, server, times: int, seed: int) -> None:
    for store in stores(server):
        chance = random.Random(seed)
        calm_s = run(folder / "calm", config, *options(server, store))
        wanted, same = tables(folder / "calm"), 0
        victims = [WORKER, SCHEDULER] + ([CONNECTION] if store == "postgresql" else [])
        for number in range(times):
            victim = victims[number % len(victims)]
            place, own = folder / "killed", options(server, store)

            def cut() -> None:
                server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")

            delay_s = chance.uniform(0.1, 1.0) * calm_s
            hit, resumes = kill_and_resume(config, place, victim, delay_s, chance, cut, own)
            good = tables(place) == wanted
            same += good
            print(
                f"{store}: {hit} after {delay_s:.1f} s, {resumes} resumes: {'same' if good else 'DIFFERENT'}",
                flush=True,
            )
        print(f"{store}: {same} of {times} as undisturbed ({calm_s:.1f} s)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["compare", "kills"])
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    missing = why_not()
    if missing:
        print(f"without PostgreSQL: {missing}")
    with (
        tempfile.TemporaryDirectory() as name,
        contextlib.nullcontext() if missing else running_server() as server,
    ):
        if given.what == "compare":
            compare(Path(name), given.config, server)
        else:
            kills(Path(name), given.config, server, given.times, given.seed)


if __name__ == "__main__":
    main()
