"""What every test finds: one thread for its arithmetic, and the folders that tests of the command line start in."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from postgres_server import PostgresServer

# Before numpy and torch are imported. Small problems are solved faster so, and tests that run side by side, in as many
# processes as there are cores, do not wait for each other.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """A training may set another number of threads, and that is of the whole process."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: images/ and masks/ of two cells, labels 1 and 5, over four frames; and config.toml."""
    from command_line import WALK_CONFIG, write_walk

    monkeypatch.chdir(write_walk(tmp_path))
    (tmp_path / "config.toml").write_text(WALK_CONFIG)
    return tmp_path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a movie and configs, nothing learnt."""
    from learning_files import write_cells

    monkeypatch.chdir(write_cells(tmp_path / "place"))
    return Path()


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The current folder: a movie, configs that name no model, and models."""
    from learning_files import trained_cells

    monkeypatch.chdir(trained_cells(tmp_path_factory, tmp_path / "place"))
    return Path()


@pytest.fixture
def fused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The current folder: the same, and `fused`, which sees what `looks` gives; configs for both ends."""
    from fusion_files import fused_cells

    monkeypatch.chdir(fused_cells(tmp_path_factory, tmp_path / "place"))
    return Path()


@pytest.fixture
def dish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The current folder: images, their true masks, a config and a model of Cellulus."""
    from segment_files import segment_files

    monkeypatch.chdir(segment_files(tmp_path_factory, tmp_path / "place"))
    return Path()


@pytest.fixture(scope="session")
def display(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A screen, one for the whole session: Qt ends the program when its screen goes. Or the test is skipped."""
    from viewer_cases import screen

    with screen(tmp_path_factory.mktemp("napari") / "settings.yaml"):
        yield


@pytest.fixture(scope="module")
def viewer(display: None) -> Iterator[Any]:
    """A napari viewer."""
    from viewer_cases import napari_viewer

    with napari_viewer() as made:
        yield made


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The config of a small movie of masks and images."""
    from viewer_cases import write_cells

    return write_cells(tmp_path_factory.mktemp("movie"))


@pytest.fixture
def opening(viewer: Any, cells: Any) -> Iterator[Any]:
    """Opens windows in the viewer: on the cells, unless another config is given."""
    from viewer_cases import windows_on

    with windows_on(viewer, cells) as open_window:
        yield open_window


@pytest.fixture(scope="session")
def postgres() -> Iterator["PostgresServer"]:
    """A server of PostgreSQL on loopback, for the whole session."""
    from postgres_server import running_server, why_not

    reason = why_not()
    if reason:
        pytest.skip(reason)
    with running_server() as server:
        yield server
