"""Time and peak memory against size: `track run` from points to the written result, at once and in blocks; peers.

python benchmarks/scale.py                                    # 10k to 1M detections, with and without divisions
python benchmarks/scale.py --sizes 10000 30000 --peers motile laptrack --time-limit 60
python benchmarks/scale.py --sizes 1000000 --peers            # ours alone
python benchmarks/scale.py --frames 1441 --sizes 720500       # 1,441 frames of 500 cells

Every row is a process of its own, but that blocks have workers; peak memory is that of the largest process. Peers get
the same points in memory, link lengths in spacings, and --time-limit seconds each from detections to links: reading and
writing are not counted for them. They are stopped, and
larger sizes skipped, once one does not finish. `--picture FILE` draws the table.
"""

import argparse
import importlib.metadata
import json
import multiprocessing
import multiprocessing.connection
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

REACH = 1.5  # spacings; the farthest link of peers
PEERS = ("motile", "tracksdata", "laptrack")
SETTINGS = {"pairs": [], "no divisions": ["candidates.divisions=none"]}


def one_machine(points: str, settings: list[str]) -> dict:
    """All of `track run`."""
    from tracker.config import make_config
    from tracker.pipeline import run

    with tempfile.TemporaryDirectory() as folder:
        config = make_config({"data": {"points": points}, "output": {"path": f"{folder}/result"}}, settings)
        report = run(config).report
    counts = report["counts"]
    return {
        "detections": counts["detections"],
        "links": counts["links"],
        "divisions": counts["divisions"],
        "seconds": report["seconds"],
        "total_s": report["seconds"]["total"],
        "gap": report["gap"],
        "status": report["status"],
    }


def blocks(points: str, settings: list[str]) -> dict:
    """All of `track run`, in blocks of frames over a store."""
    return one_machine(points, [*BLOCKS, *settings])


BLOCKS = ["blocks.workers=0"]  # blocks in time, all cores, SQLite beside the result


def peer(name: str, points: str, with_divisions: bool) -> dict:
    """Detections to links by another tracker."""
    import peers

    from tracker.io.points import read_points
    from tracker.reading import detections_from_points

    detections = detections_from_points(read_points(points, lineage=False))
    options = {} if name == "laptrack" else {"division": 0.5 if with_divisions else 1e6}
    if name != "laptrack":
        options["time_limit_s"] = 1e9
    start = time.perf_counter()
    links = getattr(peers, name)(detections, REACH, **options)
    return {"detections": len(detections), "total_s": time.perf_counter() - start, "chosen": len(links)}


def _child(pipe: multiprocessing.connection.Connection, function: str, arguments: tuple) -> None:
    found = globals()[function](*arguments)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_s = sum(part.ru_utime + part.ru_stime for part in used)
    pipe.send({**found, "cpu_s": cpu_s, "memory_mb": max(part.ru_maxrss for part in used) * 1024 / 1e6})


def alone(function: str, *arguments: object, time_limit_s: float) -> dict | None:
    """In a fresh process; None when it has not ended in time, or failed."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(theirs, function, arguments))
    process.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(time_limit_s) else None
    except EOFError:
        return None
    finally:
        process.kill()
        process.join()


def make_points(size: int, frames: int | None, seed: int, folder: str) -> str:
    from tracker.simulate_scale import scale_settings, stream_points

    path = Path(folder) / f"{size}.csv"
    stream_points(scale_settings(size, frames), seed, path)
    return str(path)


def draw(rows: list[dict], path: Path) -> None:
    """Processor seconds, which other work disturbs least, and gigabytes against detections, both logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 5), constrained_layout=True)
    colours = dict(zip(("pintrack", *PEERS), ("#1f77b4", "#d62728", "#9467bd", "#7f7f7f"), strict=True))
    for label in dict.fromkeys(row["label"] for row in rows):
        own = [row for row in rows if row["label"] == label]
        size = [row["detections"] for row in own]
        style = {
            "color": colours[label.partition(",")[0]],
            "marker": "s" if "blocks" in label else "o",
            "linestyle": "--" if "no divisions" in label else "-",
            "fillstyle": "none" if "no divisions" in label else "full",
        }
        axes[0].loglog(size, [row["cpu_s"] for row in own], label=label, **style)
        axes[1].loglog(size, [row["memory_mb"] / 1000 for row in own], **style)
    for axis, name in zip(axes, ("processor seconds", "peak memory, GB"), strict=True):
        axis.set_xlabel("detections")
        axis.set_ylabel(name)
        axis.grid(True, which="both", alpha=0.2)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=110)


def show(label: str, size: int, found: dict | None, ours: dict | None, limit: float) -> None:
    if found is None:
        print(f"| {label} | {size:,} | over {limit:.0f} s, or failed | | | |", flush=True)
        return
    ratio = "" if ours is None else f"{found['total_s'] / ours['total_s']:.1f}"
    print(
        f"| {label} | {found['detections']:,} | {found['total_s']:.1f} | {found['cpu_s']:.1f} "
        f"| {found['memory_mb'] / 1000:.2f} | {ratio} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 30_000, 100_000, 300_000, 1_000_000])
    parser.add_argument("--frames", type=int, help="default: cells per frame are ten times as many as frames")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--time-limit", type=float, default=600.0, help="seconds for each peer")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--variants", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", type=Path, help="write the picture of docs/scale.md here")
    given = parser.parse_args()
    versions = ", ".join(f"{name} {_version(name)}" for name in given.peers)
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}; {versions or 'no peers'}; load {load:.1f}")
    print("\n| | detections | seconds | CPU s | peak GB | times ours |\n|---|---|---|---|---|---|")
    rows, beaten, details = [], set(), []
    with tempfile.TemporaryDirectory() as folder:
        for size in sorted(given.sizes):
            points = make_points(size, given.frames, given.seed, folder)
            for variant in given.variants:
                settings = [*SETTINGS[variant], *given.settings]
                label = f"pintrack, {variant}"
                ours = alone("one_machine", points, settings, time_limit_s=1e6)
                show(label, size, ours, None, 1e6)
                if ours is not None:
                    rows.append({"label": label, **ours})
                    details.append((label, ours))
                found = alone("blocks", points, settings, time_limit_s=1e6)
                show(f"{label}, blocks", size, found, ours, 1e6)
                if found is not None:
                    rows.append({"label": f"{label}, blocks", **found})
                    details.append((f"{label}, blocks", found))
                for name in given.peers:
                    if (name, variant) in beaten or (name == "laptrack" and variant != "pairs"):
                        continue
                    found = alone("peer", name, points, variant == "pairs", time_limit_s=given.time_limit)
                    show(f"{name}, {variant}", size, found, ours, given.time_limit)
                    if found is None:
                        beaten.add((name, variant))
                    else:
                        rows.append({"label": f"{name}, {variant}", **found})
    print("\nStages of pintrack:")
    for label, found in details:
        stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in found["seconds"].items())
        print(
            f"{label}, {found['detections']:,} detections, {found['links']:,} links, {found['divisions']:,} divisions: "
            f"{found['status']}, gap {found['gap']:.1e}; {stages}"
        )
    print(json.dumps({"rows": rows}), file=sys.stderr)
    if given.picture:
        draw(rows, given.picture)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


if __name__ == "__main__":
    main()
