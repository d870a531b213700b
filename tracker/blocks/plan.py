"""What a worker must know: which store, which blocks, how to solve."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tracker.blocks.grid import Grid
from tracker.blocks.stored import Forbidden
from tracker.ilp.backends import SolverSettings
from tracker.store import Place, parse_place

PASSWORD = "PINTRACK_STORE_PASSWORD"
FILLED, SEAMS, FIRST = 0, 1, 2  # numbers of records: the filling, the mended seams, then block after block


@dataclass(frozen=True)
class Plan:
    """folder: of logs, of the mark that stops all workers, and of the token of the run that is going on.

    digest: what the answers of the blocks depend on.   token: of this run; workers of an earlier one see another.
    """

    place: Place
    grid: Grid
    forbidden: Forbidden
    settings: SolverSettings
    digest: str
    folder: Path
    token: str

    def record(self, number: int) -> int:
        """Under which number a block stands in the store."""
        return FIRST + number

    def log_path(self, number: int) -> Path:
        """Where a block that fails says why."""
        return self.folder / f"{self.grid.name(number)}.log"

    @property
    def stop_mark(self) -> Path:
        """A file; where it is, workers begin no further block."""
        return self.folder / "stop"

    @property
    def token_file(self) -> Path:
        """Holds the token of the run that is going on."""
        return self.folder / "token"

    def stop(self, number: int, message: str) -> None:
        """Stop all workers: a block failed. The mark is whole, or not there."""
        work = self.stop_mark.with_name(f"stop.{os.getpid()}")
        work.write_text(f"{number}\n{message}", encoding="utf-8")
        os.replace(work, self.stop_mark)

    def is_current(self) -> bool:
        """Whether no other run has taken over."""
        try:
            return self.token_file.read_text(encoding="utf-8") == self.token
        except OSError:
            return False

    def write(self, path: Path) -> None:
        """As JSON, without the password, which workers find in the environment."""
        settings = {name: getattr(self.settings, name) for name in ("gap", "time_limit_s", "seed", "batch_rows")}
        content = {
            "url": str(self.place),
            "arrays": str(self.place.arrays),
            "grid": self.grid.as_json(),
            "forbidden": self.forbidden.pairs.tolist(),
            "settings": settings,
            "digest": self.digest,
            "folder": str(self.folder),
            "token": self.token,
        }
        path.write_text(json.dumps(content), encoding="utf-8")


def read_plan(path: Path) -> Plan:
    """What `Plan.write` wrote."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Plan(
        place=parse_place(content["url"], arrays=Path(content["arrays"]), password=os.environ.get(PASSWORD)),
        grid=Grid.from_json(content["grid"]),
        forbidden=Forbidden(np.array(content["forbidden"], np.int64).reshape(-1, 3)),
        settings=replace(SolverSettings(threads=1), **content["settings"]),
        digest=content["digest"],
        folder=Path(content["folder"]),
        token=content["token"],
    )


def digest_of(identity: dict[str, Any], grid: Grid, settings: SolverSettings, version: str) -> str:
    """Of all that the answer of a block depends on."""
    content = [identity, asdict(grid), settings.gap, settings.seed, settings.batch_rows, version]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=list).encode()).hexdigest()[:16]
