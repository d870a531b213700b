"""How long a pin and the solve after it take, in a session: on the real HeLa movie, and on 4 x 4 tiles of it.

Every pin is random: a link of the lineage is forbidden, or its child rejected; every tenth change takes one back.
Run by hand: `python benchmarks/session.py`; about a minute.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from instances import HELA, hela_detections

from tracker.config import make_config
from tracker.errors import PinConflictError
from tracker.pin_table import PinRow
from tracker.session import Session

N_CHANGES = 100


def main() -> None:
    measure("HeLa, 20 frames", {"segmentation": str(HELA)})
    with tempfile.TemporaryDirectory() as folder:
        found = hela_detections(20, 4)
        table = np.column_stack([np.arange(len(found)), found.frame, found.position])
        points = Path(folder) / "tiles.csv"
        np.savetxt(points, table, delimiter=",", header="id,t,y,x", comments="", fmt=["%d", "%d", "%.6f", "%.6f"])
        measure("4 x 4 tiles, 20 frames", {"points": str(points)})


def measure(name: str, data: dict[str, str]) -> None:
    start = time.perf_counter()
    session = Session(make_config({"data": data}))
    opened_s = time.perf_counter() - start
    seconds = np.array(session_seconds(session))
    print(
        f"{name}: {len(session.lineage.detections)} detections, opened in {opened_s:.1f} s; {len(seconds)} changes, "
        f"each with its solve: mean {1000 * seconds.mean():.1f} ms, median {1000 * np.median(seconds):.1f} ms, "
        f"90 % below {1000 * np.quantile(seconds, 0.9):.1f} ms, max {1000 * seconds.max():.1f} ms",
        flush=True,
    )


def session_seconds(session: Session) -> list[float]:
    """Of every change and its solve. Contradictions are passed over."""
    rng = np.random.default_rng(0)
    found = session.lineage.detections
    keys = list(zip(found.frame.tolist(), found.label.tolist(), strict=True))
    seconds: list[float] = []
    while len(seconds) < N_CHANGES:
        links = session.lineage.links
        parent, child = links[rng.integers(len(links))]
        if rng.random() < 0.5:
            row = PinRow("detection", (keys[child],), False)
        else:
            row = PinRow("link", (keys[parent], keys[child]), False)
        start = time.perf_counter()
        try:
            if len(seconds) % 10 == 9:
                session.unpin(session.pins[rng.integers(len(session.pins))])
            else:
                session.pin(row)
            session.solve()
        except PinConflictError:
            continue
        seconds.append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    main()
