"""Seconds to the proven optimum on the real HeLa movie: ours, motile 1.0 with SCIP, and motile 0.4 with hyperedges.

python benchmarks/solver.py                       # ours and motile 1.0 at 5, 10, 20 frames; ours on 4x4 tiles
python benchmarks/solver.py --hyperedges          # also motile 0.4, in a throwaway environment made with pip
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import numpy as np
from instances import attrackt_problem, hela_detections

from tracker.ilp.solve import solve
from tracker.run_report import peak_memory_mb


def ours(n_frames: int, tiles: int, keep: bool) -> dict:
    """Candidates, features and program built and solved; reading the masks is not counted."""
    detections = hela_detections(n_frames, tiles)
    start = time.perf_counter()
    graph, problem = attrackt_problem(detections, keep=keep)
    built = time.perf_counter()
    solution = solve(problem)
    end = time.perf_counter()
    return {
        "detections": len(detections),
        "links": len(graph.links),
        "divisions": len(graph.divisions),
        "build_s": built - start,
        "total_s": end - start,
        "objective": solution.objective,
        "gap": solution.gap,
        "status": solution.status,
        "proof": solution.proof,
        "memory_mb": peak_memory_mb(),
    }


def motile_scip(n_frames: int, keep: bool, time_limit_s: float) -> dict:
    """The same program in motile 1.0 (EdgeSplitPair), solved by SCIP."""
    import ilpy

    from tracker.motile.referee import to_motile

    detections = hela_detections(n_frames)
    start = time.perf_counter()
    _, problem = attrackt_problem(detections, keep=keep)
    solver = to_motile(problem, detections.frame)
    solver.costs  # noqa: B018 - builds the cost vector
    built = time.perf_counter()
    solution = solver.solve(timeout=time_limit_s, num_threads=2, backend=ilpy.Preference.Scip)
    return {
        "build_s": built - start,
        "total_s": time.perf_counter() - start,
        "objective": float(np.asarray(solver.costs) @ np.asarray(solution.variable_values)),
        "status": solution.status.name,
    }


def hyperedges(python: Path, n_frames: int, keep: bool, time_limit_s: float) -> dict:
    """The same program in motile 0.4, whose hyperedges replace the two links of a division."""
    detections = hela_detections(n_frames)
    graph, problem = attrackt_problem(detections, keep=keep)
    layout = problem.layout
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "instance.npz"
        np.savez(
            path,
            frame=detections.frame,
            links=graph.links,
            link_cost=problem.cost[layout.link],
            divisions=graph.divisions,
            division_cost=problem.cost[layout.division],
            keep=keep,
        )
        script = Path(__file__).with_name("motile_hyperedges.py")
        done = subprocess.run(
            [python, script, path, str(time_limit_s)], capture_output=True, text=True, check=True, env=os.environ
        )
    return json.loads(done.stdout.splitlines()[-1])


def alone(function, *arguments) -> dict:
    """Run in a fresh process, so that peak memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def make_environment(folder: str) -> Path:
    venv.create(folder, with_pip=True)
    python = Path(folder) / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "motile==0.4.0", "ilpy==0.6.0"], check=True)
    return python


def show(label: str, found: dict, reference: dict | None = None) -> None:
    text = f"{label:<34} {found['total_s']:9.2f} s  objective {found['objective']:.6f}  {found['status']}"
    if "memory_mb" in found:
        text += f"  gap {found['gap']:.1e}  {found['memory_mb']:.0f} MB  ({found['proof']})"
    if reference is not None:
        text += f"  ratio {found['total_s'] / reference['total_s']:.0f}"
    print(text, flush=True)


def sizes(found: dict) -> str:
    return f"{found['detections']} detections, {found['links']} links, {found['divisions']} divisions"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hyperedges", action="store_true", help="also motile 0.4, in a throwaway environment")
    parser.add_argument("--frames", type=int, nargs="+", default=[5, 10, 20])
    parser.add_argument("--motile-frames", type=int, nargs="*", default=[5, 10, 20], help="sizes given to motile 1.0")
    parser.add_argument("--time-limit", type=float, default=120.0, help="seconds for motile 1.0")
    parser.add_argument("--hyperedge-limit", type=float, default=400.0, help="seconds for motile 0.4")
    parser.add_argument("--no-tiles", action="store_true")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as folder:
        python = make_environment(folder) if given.hyperedges else None
        for n_frames in given.frames:
            for keep in (True, False):
                name = f"{n_frames} frames, {'all kept' if keep else 'optional'}"
                best = min((alone(ours, n_frames, 1, keep) for _ in range(3)), key=lambda found: found["total_s"])
                print(
                    f"\n{name}: {best['detections']} detections, {best['links']} links, {best['divisions']} divisions"
                )
                show("pintrack", best)
                if n_frames in given.motile_frames:
                    show(
                        "motile 1.0 + SCIP (EdgeSplitPair)", alone(motile_scip, n_frames, keep, given.time_limit), best
                    )
                if python is not None:
                    show(
                        "motile 0.4 + SCIP (hyperedges)",
                        hyperedges(python, n_frames, keep, given.hyperedge_limit),
                        best,
                    )
    if not given.no_tiles:
        for keep in (True, False):
            found = alone(ours, max(given.frames), 4, keep)
            print(f"\n4x4 tiles, {'all kept' if keep else 'optional'}: {sizes(found)}")
            show("pintrack", found)


if __name__ == "__main__":
    main()
