"""The tiny movie of `learning_files` on disk, with a model that has learnt with embeddings."""

import shutil
from pathlib import Path

import pytest
from command_line import track
from learning_files import ASSOCIATIONS, CONFIG, EMBEDDINGS, TRUTH, trained_cells

RUN = CONFIG + ASSOCIATIONS.replace('"model"', '"fused"')
LEARN = RUN + 'fuse = "autoencoder"\n' + EMBEDDINGS


def fused_cells(temporary: pytest.TempPathFactory, to: Path) -> Path:
    """Copy there what `trained_cells` holds, and `fused`, which sees what `looks` gives; trained once for all tests.

    learn.toml is what it was trained with; run.toml names the model alone.
    """
    shared = temporary.getbasetemp() / "learnt" / "fused_files"
    if not (shared / "fused" / "model.json").exists():
        trained_cells(temporary, shared)
        (shared / "learn.toml").write_text(LEARN)
        (shared / "run.toml").write_text(RUN)
        assert track("train", "trackastra", shared / "learn.toml", "-o", shared / "fused", "-q", *TRUTH) == 0
    return shutil.copytree(shared, to)
