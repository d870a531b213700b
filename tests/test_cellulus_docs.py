"""docs/cellulus.md tells the truth: its commands run one after the other."""

import shlex
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from test_docs import blocks  # noqa: E402

from tracker.cli import main  # noqa: E402

PAGE = Path(__file__).parents[1] / "docs" / "cellulus.md"


def test_its_commands_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, content in zip(("cellulus", "stardist"), blocks(PAGE, "toml"), strict=True):
        (tmp_path / f"{name}.toml").write_text(content)
    commands = [line for block in blocks(PAGE, "sh") for line in block.splitlines()]
    assert len(commands) == 6
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "track"
        assert main(arguments) == 0, f"{command}: {capsys.readouterr().err}"
    assert (tmp_path / "result" / "tracks.csv").is_file()
    assert (tmp_path / "shapes" / "segment.json").is_file()
