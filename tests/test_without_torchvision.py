"""A torchvision that does not fit torch counts as absent; one that does is left alone."""

import sys
import types

import pytest

from embeddings.without_torchvision import without_broken_torchvision


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """A torchvision on disk that has not been imported: the file to write."""
    package = tmp_path / "torchvision"
    package.mkdir()
    file = package / "__init__.py"
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield file
    sys.modules.pop("torchvision", None)  # whatever the test made of it; monkeypatch puts back what was there


@pytest.mark.parametrize("error", ["RuntimeError('operator nms is missing')", "ImportError('no _C')", "OSError('.so')"])
def test_a_broken_one_counts_as_absent(installed, error):
    installed.write_text(f"import sys\nsys.modules['torchvision.part'] = sys\nraise {error}\n")
    without_broken_torchvision()
    assert sys.modules["torchvision"] is None
    assert "torchvision.part" not in sys.modules
    with pytest.raises(ImportError):
        import torchvision  # noqa: F401


def test_an_intact_one_is_left_alone(installed):
    installed.write_text("whole = True\n")
    without_broken_torchvision()
    assert sys.modules["torchvision"].whole


def test_one_that_is_imported_already_is_left_alone(installed, monkeypatch):
    installed.write_text("raise RuntimeError('imported')\n")
    mine = types.ModuleType("torchvision")
    monkeypatch.setitem(sys.modules, "torchvision", mine)
    without_broken_torchvision()
    assert sys.modules["torchvision"] is mine
