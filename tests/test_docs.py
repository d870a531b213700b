"""The documentation tells the truth: its commands run, its configs are valid."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from tracker.cli import main
from tracker.config import Config, make_config
from tracker.config_text import render_config
from tracker.pins import read_pins

ROOT = Path(__file__).parents[1]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


def test_readme_commands_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    commands = [line for block in blocks(ROOT / "README.md", "sh") for line in block.splitlines()]
    assert len(commands) >= 8
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "track"
        assert main(arguments) == 0, f"{command}: {capsys.readouterr().err}"
    assert (tmp_path / "result" / "overview.png").is_file()
    assert (tmp_path / "quick.toml").is_file()
    for block in blocks(ROOT / "README.md", "python"):
        exec(compile(block, "README.md", "exec"), {})
    assert "optimal" in capsys.readouterr().out
    for block in blocks(ROOT / "README.md", "toml"):
        (tmp_path / "readme.toml").write_text(block)
        assert main(["run", "readme.toml", "--output", "readme"]) == 0, capsys.readouterr().err


def test_readme_names_only_files_that_exist() -> None:
    for name in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text()):
            assert (ROOT / target).exists(), f"{name} links to {target}"


def test_architecture_names_every_module() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    for module in sorted((ROOT / "tracker").glob("*.py")):
        assert module.name in text or module.name == "__init__.py", module.name


def test_config_reference_is_the_code() -> None:
    reference, scores = blocks(ROOT / "docs" / "config.md", "toml")
    assert reference == render_config(make_config({"data": {"segmentation": "masks"}}))
    for section, keys in tomllib.loads(scores).items():
        Config.model_fields[section]
        make_config({"data": {"segmentation": "masks"}, section: keys})


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.toml")), ids=lambda path: path.name)
def test_configs_are_valid(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("# "), "a config starts with what it shows and how long it takes"
    config = make_config(tomllib.loads(text), name=path.name, folder=path.parent)
    for pins in config.annotations.pins:
        assert len(read_pins([config.path(pins)])) > 0
