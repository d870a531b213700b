"""track train: broken off by Ctrl-C, and gone on with."""

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from command_line import refused, track  # noqa: E402
from learning_files import weights  # noqa: E402

from embeddings.methods import reid  # noqa: E402
from tracker.learning import train as learning  # noqa: E402


def pressed(monkeypatch, name, at, module=learning):
    """The function of this name is broken off by Ctrl-C after so many steps, once."""
    real = getattr(module, name)

    def press(shown):
        if shown.step == at:
            raise KeyboardInterrupt

    def broken(*given, **options):
        monkeypatch.setattr(module, name, real)
        return real(*given, **{**options, "watch": press})

    monkeypatch.setattr(module, name, broken)


@pytest.mark.parametrize(("name", "at"), [("train_attrackt", 2), ("train_autoencoder_of", 2)])
def test_ctrl_c_saves_and_resume_goes_on(trained, capsys, monkeypatch, name, at):
    arguments = ("train", "attrackt", "config.toml", "-o", "parts", "--set", "training.report_steps=1")
    pressed(monkeypatch, name, at)
    assert track(*arguments, "-q") == 1
    said = "error: interrupted; saved in parts, and the same command with --resume goes on from there\n"
    assert capsys.readouterr().err.endswith(said)
    assert Path("parts/model.json").exists() == (name == "train_attrackt")
    assert track(*arguments, "-q") == 2
    advice = {
        "train_attrackt": "go on with it by --resume",
        "train_autoencoder_of": "Resume it, or name another folder",
    }
    assert capsys.readouterr().err.endswith(f"{advice[name]}\n")
    assert track(*arguments, "--resume", "--json") == 0
    assert json.loads(capsys.readouterr().out)["stopped"] == "finished"
    assert weights("parts") == weights("model")
    assert weights("parts/autoencoder") == weights("model/autoencoder")


def test_no_model_is_promised_where_there_is_none(place, capsys, monkeypatch):
    pressed(monkeypatch, "train_autoencoder_of", 2)
    assert track("train", "attrackt", "config.toml", "-o", "parts", "--set", "training.report_steps=1") == 1
    assert "model in" not in capsys.readouterr().out


def test_ctrl_c_between_two_trainings(place, capsys, monkeypatch):
    def broken(*given, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(learning, "embed_with", broken)
    assert track("train", "attrackt", "config.toml", "-o", "parts", "-q") == 1
    assert capsys.readouterr().err == (
        "error: interrupted; what was finished is in parts, and the same command with --resume goes on from there\n"
    )
    monkeypatch.setattr(learning, "learning_movies", broken)
    assert track("train", "attrackt", "config.toml", "-o", "new", "-q") == 1
    assert capsys.readouterr().err == "error: interrupted; nothing was written\n"


@pytest.mark.parametrize(("first", "then", "until_now"), [
    ("model/autoencoder", None, "a given one"),
    (None, "model/autoencoder", "one that was trained with them"),
    ("model/autoencoder", "views", "another one"),
])  # fmt: skip
def test_a_resumed_training_keeps_its_autoencoder(trained, capsys, first, then, until_now):
    def given(folder):
        return () if folder is None else ("--set", f"attrackt.autoencoder={folder}")

    arguments = ("train", "attrackt", "config.toml", "-o", "parts")
    assert track(*arguments, *given(first), "-q") == 0
    before = weights("parts/autoencoder")
    refused(
        capsys,
        "the associations in parts learn with the embeddings of an auto-encoder, and until now that was "
        f"{until_now}: give attrackt.autoencoder as it was, or train into another folder",
        *arguments, *given(then), "--resume",
    )  # fmt: skip
    assert weights("parts/autoencoder") == before
    assert track(*arguments, *given(first), "--resume", "-q") == 0


def test_json_of_an_interrupted_training(place, capsys, monkeypatch):
    pressed(monkeypatch, "train_reid", 2, reid)
    assert track("train", "reid", "config.toml", "-o", "views", "--json", "--set", "training.report_steps=1") == 1
    output = capsys.readouterr()
    assert json.loads(output.out)["stopped"] == "interrupted"
    assert (json.loads(output.out)["steps"], json.loads(output.out)["best_step"]) == (2, None)
    assert "interrupted; saved in views" in output.err
