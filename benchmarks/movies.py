"""AOGM, LNK and division F1 of `track run` and `track evaluate` on every movie with ground truth, one setting for all.

python benchmarks/movies.py [--set SECTION.KEY=VALUE ...]     default: preset auto, given detections
"""

import argparse
import tempfile
from pathlib import Path

from instances import DATA

from tracker.config import make_config
from tracker.pipeline import run

HELA = DATA / "Fluo-N2DL-HeLa-02-t00-19"
SIM, GOWT1 = DATA / "Fluo-N2DH-SIM+", DATA / "Fluo-N2DH-GOWT1"
CELEGANS = {"points": DATA / "points" / "celegans_JIM762_L4.csv", "scale": [5.75, 1.0, 1.0]}
MOVIES = {
    "HeLa 02, t 0-19": {"segmentation": HELA / "02_SEG", "truth": HELA / "02_GT" / "TRA"},
    "SIM+ 01": {"segmentation": SIM / "01_GT" / "TRA"},
    "GOWT1 01": {"segmentation": GOWT1 / "01_GT" / "TRA"},
    "ascidian Pm02": {"points": DATA / "points" / "ascidian_Pm02.csv"},
    "ascidian Pm02, every 4th": {"points": DATA / "points" / "ascidian_Pm02.csv", "every": 4},
    "ascidian Pm03": {"points": DATA / "points" / "ascidian_Pm03.csv"},
    "ascidian Pm03, every 4th": {"points": DATA / "points" / "ascidian_Pm03.csv", "every": 4},
    "C. elegans JIM762": CELEGANS,
    "C. elegans JIM762, every 3rd": {**CELEGANS, "every": 3},
}
IMAGES = {"HeLa 02, t 0-19": HELA / "02", "SIM+ 01": SIM / "01", "GOWT1 01": GOWT1 / "01"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="SECTION.KEY=VALUE")
    settings = parser.parse_args().settings
    print("| movie | detections | AOGM | LNK | division F1 | candidates to solution, s | proof |")
    print("|---|---|---|---|---|---|---|")
    with_images = {f"{name}, with images": {**MOVIES[name], "images": path} for name, path in IMAGES.items()}
    for name, given in {**MOVIES, **with_images}.items():
        data = {key: str(value) if isinstance(value, Path) else value for key, value in given.items()}
        data.setdefault("truth", data.get("segmentation", data.get("points")))
        with tempfile.TemporaryDirectory() as folder:
            config = make_config({"data": data, "output": {"path": f"{folder}/result"}}, settings)
            done = run(config)
        assert done.metrics is not None
        seconds = sum(
            done.report["seconds"][stage] for stage in ("measure", "candidates", "features", "build", "solve")
        )
        f1 = done.metrics["division_f1"]
        print(
            f"| {name} | {len(done.lineage.detections)} | {done.metrics['AOGM']:g} | {done.metrics['LNK']:.4f} "
            f"| {'-' if f1 is None else format(f1, '.3f')} | {seconds:.2f} | {done.solution.proof} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
