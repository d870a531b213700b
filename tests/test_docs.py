"""The documentation tells the truth: its commands run, its configs are valid."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from tracker.auto.fit import _FIRST
from tracker.cli import main
from tracker.config import Config, make_config
from tracker.config_measured import Measured, MeasuredProperty
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


def test_the_commands_of_the_tutorial_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("traccuracy")
    monkeypatch.chdir(tmp_path)
    commands = [line for block in blocks(ROOT / "docs" / "tutorial.md", "sh") for line in block.splitlines()]
    done = set()
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "track"
        assert main(arguments) == 0, f"{command}: {capsys.readouterr().err}"
        done.add(arguments[0])
    assert done >= {"simulate", "init", "check", "run", "evaluate", "suggest", "pins"}
    for name in ("result/report.html", "proofread/report.html", "final/tracks.csv", "next.csv", "all.csv"):
        assert (tmp_path / name).is_file(), name
    assert len(list((tmp_path / "crops").glob("*.png"))) == 10


def test_the_commands_of_auto_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = [line for block in blocks(ROOT / "docs" / "auto.md", "sh") for line in block.splitlines()]
    assert len(commands) >= 7
    printed = {}
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "track"
        assert main(arguments) == 0, f"{command}: {capsys.readouterr().err}"
        printed[arguments[0]] = " ".join(capsys.readouterr().out.split())
    (sample,) = blocks(ROOT / "docs" / "auto.md", "text")
    for line in sample.splitlines():
        assert " ".join(line.split()) in printed["check"]
    for folder in ("result", "frozen", "bridged"):
        assert (tmp_path / folder / "tracks.csv").is_file()


def test_the_commands_of_learning_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (content,) = blocks(ROOT / "docs" / "learn.md", "toml")
    (tmp_path / "learn.toml").write_text(content)
    commands = [line for block in blocks(ROOT / "docs" / "learn.md", "sh") for line in block.splitlines()]
    assert len(commands) >= 11
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "track"
        assert main(arguments) == 0, f"{command}: {capsys.readouterr().err}"
    for folder in ("result", "taught_result", "seeing_result", "tuned_result"):
        assert (tmp_path / folder / "tracks.csv").is_file()
    assert (tmp_path / "result.associations.npz").is_file()


@pytest.mark.parametrize(
    ("page", "made"),
    [
        ("maester", ("result/tracks.csv", "result.embeddings.npz", "vectors.npz")),
        ("tap", ("result/tracks.csv", "result.embeddings.npz", "result.division_scores.npz", "arrow.png")),
    ],
)
def test_the_commands_of_a_method_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    page: str,
    made: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    (content,) = blocks(ROOT / "docs" / f"{page}.md", "toml")
    (tmp_path / f"{page}.toml").write_text(content)
    for command in (line for block in blocks(ROOT / "docs" / f"{page}.md", "sh") for line in block.splitlines()):
        program, *arguments = shlex.split(command)
        assert program == "track"
        assert main(arguments) == 0, f"{command}: {capsys.readouterr().err}"
    for name in made:
        assert (tmp_path / name).is_file(), name


def test_auto_explains_every_number_and_its_prior() -> None:
    text = (ROOT / "docs" / "auto.md").read_text()
    for name in {*Measured.model_fields, *MeasuredProperty.model_fields}:
        assert f"`{name}`" in text or f"`{name}." in text, name
    priors = re.findall(r"^\| (`.*) \| (.*) \| .* \|$", text[text.index("| prior |") :].split("\n\n")[0], re.MULTILINE)
    stated = {}
    for names, values in priors:
        keys, given = re.findall("`(.*?)`", names), [float(value) for value in values.split(", ")]
        stated.update(zip(keys, given * (len(keys) // len(given)), strict=True))
    assert stated == {**_FIRST, "division_shift": 0.0, **dict.fromkeys(("division_spread", "balance_spread"), 0.3)}


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
