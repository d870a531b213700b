"""The report: how large, how long to make, and how soon a browser shows it.

For the HeLa sample (TRACK_DATA), and for simulated results of 100,000 detections, points and masks with images, whose
lineage is the simulation's own: what is timed is the report, not the tracking. First paint and "drawn" (all is there)
are the browser's own times. 2 GB of temporary files.
"""

import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from selenium import webdriver

from tracker.cli import main
from tracker.config import make_config
from tracker.io.movies import open_movie
from tracker.io.result import ResultTables, write_result
from tracker.report.source import open_result
from tracker.report.write import write_report
from tracker.run_report import about_run
from tracker.simulate import SimulationSettings, simulate
from tracker.simulate_files import write_movie

DATA = Path(os.environ.get("TRACK_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
HELA = DATA / "Fluo-N2DL-HeLa-02-t00-19"


def simulated_result(folder: Path, *, masks: bool) -> Path:
    """A result of some 100,000 detections in 100 frames of 2000 x 2000, margins at random."""
    settings = SimulationSettings(n_frames=100, shape=(2000, 2000), n_cells=520, push_rounds=0, cycle_frames=60.0)
    movie, name = simulate(settings, 1), "masks" if masks else "points"
    lineage = movie.to_lineage(from_masks=masks)
    count = len(lineage.detections)
    margin = np.random.default_rng(0).exponential(10.0, count)
    data = {"points": "cells.csv"}
    if masks:
        write_movie(movie, folder / "movie")
        data = {"images": "movie/01", "segmentation": "movie/01_SEG"}
    config = make_config({"data": data, "output": {"path": name}}, folder=folder)
    tracks = {"selected_detections": count, "disappear": int(lineage.disappears.sum())}
    report = {
        "status": "optimal", "objective": 0.0, "bound": 0.0, "gap": 0.0, "proof": "none, simulated", "counts": tracks,
        "notes": ["The lineage is the simulation's own, its margins are random."], **about_run(config, {"total": 0.0}),
    }  # fmt: skip
    tables = ResultTables(lineage, {"margin": margin}, {})
    seen = open_movie(folder / "movie" / "01_SEG", kind="masks") if masks else None
    write_result(folder / name, tables, masks=seen, report=report, metrics=None, overwrite=False)
    return folder / name


def hela_result(folder: Path) -> Path:
    """The HeLa sample, tracked."""
    given = ["--images", HELA / "02", "--segmentation", HELA / "02_SEG", "--truth", HELA / "02_GT" / "TRA"]
    assert main([str(part) for part in ("run", *given, "--output", folder / "hela", "--quiet")]) == 0
    return folder / "hela"


def opened(path: Path, profile: Path) -> tuple[float, float]:
    """Seconds to the first paint, and until everything is drawn; the best of three."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--window-size=1440,900", f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    best = (np.inf, np.inf)
    try:
        for _ in range(3):
            driver.get(path.as_uri())
            while not (ready := driver.execute_script("return document.documentElement.dataset.ready")):
                time.sleep(0.05)
            paint = driver.execute_script("return performance.getEntriesByName('first-contentful-paint')[0].startTime")
            best = min(best, (paint / 1000, float(ready) / 1000))
    finally:
        driver.quit()
    return best


def run() -> None:
    """Print a line per result."""
    print("result               detections  makes in s      MB  first paint in s  drawn in s")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        results = [simulated_result(folder, masks=masks) for masks in (False, True)]
        results += [hela_result(folder)] if HELA.is_dir() else []
        for result in results:
            start = time.perf_counter()
            source = open_result(result)
            path = write_report(source)
            passed = time.perf_counter() - start
            paint, ready = opened(path, folder / "profile")
            count = json.loads((result / "run.json").read_text())["counts"]["selected_detections"]
            size_mb = path.stat().st_size / 1e6
            print(f"{result.name:20} {count:10,}  {passed:10.1f} {size_mb:7.1f}  {paint:16.2f}  {ready:10.2f}")


if __name__ == "__main__":
    run()
