"""track train finetune: from a model and pins to a better model."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from command_line import refused, track  # noqa: E402
from learning_files import TRUTH, about, weights  # noqa: E402

from embeddings.nets.model_folder import read_model_folder  # noqa: E402
from tracker.errors import MissingExtraError  # noqa: E402
from tracker.learning import finetune as learning  # noqa: E402

pytestmark = pytest.mark.usefixtures("trained")


def test_finetune(capsys):
    assert track("pins", "from-truth", "config.toml", *TRUTH, "--output", "pins.csv", "-q") == 0
    start = ("--set", "finetune.start=model")
    assert track("train", "finetune", "config.toml", "-o", "tuned", "--pins", "pins.csv", *start, "-q") == 0
    found = about("tuned")["provenance"]
    assert found["method"] == "finetune"
    assert found["start"]["method"] == "attrackt"
    assert found["annotated_detections"] == 32
    assert found["unsupervised"] is True
    assert found["steps"] == 4
    assert weights("tuned") != weights("model")
    assert weights("tuned/autoencoder") == weights("model/autoencoder")
    read_model_folder(Path("tuned/reconstruction"), "reconstruction")
    # The config may already name the model that is going to be.
    Path("config.toml").write_text(
        Path("config.toml").read_text().replace("[finetune]", '[annotations]\npins = ["pins.csv"]\n\n[associations]\n'
                                                'model = "next"\n\n[finetune]\nstart = "model"')
    )  # fmt: skip
    assert track("train", "finetune", "config.toml", "-o", "next", "-q") == 0
    assert weights("next") == weights("tuned")
    # A model without m_E and m_D learns from the answers alone, and that is said.
    assert track("train", "finetune", "config.toml", "-o", "of_told", "--set", "finetune.start=told") == 0
    assert "told has not learnt from embeddings, so fine-tuning uses the annotations alone" in capsys.readouterr().err
    assert about("of_told")["provenance"]["unsupervised"] is False
    assert track("run", "config.toml", "-q") == 0


def test_steps_of_a_finetuning_are_counted_by_its_annotations():
    header = "kind,t,label,t2,label2,t3,label3,value,note\n"
    Path("pins.csv").write_text(header + "children,0,1,,,,,true,\nlink,1,1,2,1,,,false,\nlink,1,1,2,2,,,?,\n")
    more = ("--set", "finetune.start=model", "--set", "training.steps=0", "--set", "finetune.steps_per_annotation=3")
    assert track("train", "finetune", "config.toml", "-o", "tuned", "--pins", "pins.csv", "-q", *more) == 0
    assert about("tuned")["provenance"]["steps"] == 6


def test_a_resumed_finetuning_keeps_its_answers(capsys):
    header = "kind,t,label,t2,label2,t3,label3,value,note\n"
    Path("pins.csv").write_text(header + "children,0,1,,,,,true,\n")
    given = ("train", "finetune", "config.toml", "-o", "tuned", "--pins", "pins.csv", "--set", "finetune.start=model")
    assert track(*given, "-q") == 0
    assert track(*given, "--resume", "-q") == 0
    Path("pins.csv").write_text(header + "children,0,2,,,,,true,\n")
    assert track(*given, "--resume", "-q") == 1
    said = capsys.readouterr().err
    assert said.startswith("error: the training in tuned cannot be resumed: annotations of movie 0 was ")


def test_peft_is_asked_for_before_any_work(capsys, monkeypatch):
    def gone():
        raise MissingExtraError("peft", "finetune", "Fine-tuning with low-rank adapters")

    monkeypatch.setattr(learning, "require_peft", gone)
    monkeypatch.delattr(learning, "prepare")
    assert track("train", "finetune", "config.toml", "-o", "tuned", "--set", "finetune.start=model", "-q") == 2
    assert "peft" in capsys.readouterr().err


def test_finetuning_without_start_or_answers(capsys):
    given = ("train", "finetune", "config.toml", "-o", "tuned")
    refused(capsys, "track train finetune needs [finetune] start, the folder of the model to begin with", *given)
    start = (*given, "--set", "finetune.start=model")
    refused(
        capsys,
        "fine-tuning learns from pins: give [annotations] pins, or --pins (`track suggest` asks what helps most)",
        *start,
    )
    assert track("pins", "from-truth", "config.toml", *TRUTH, "--output", "answers.csv", "-q") == 0
    refused(
        capsys,
        "fine-tuning learns from pins of every movie, and those in training.movies bring their own: give [annotations] "
        "pins in config.toml, or leave it out",
        *start, "--pins", "answers.csv", "--set", 'training.movies=["config.toml"]',
    )  # fmt: skip
    Path("pins.csv").write_text("kind,t,label,t2,label2,t3,label3,value,note\ndetection,0,1,,,,,true,\n")
    assert track(*start, "--pins", "pins.csv", "-q") == 2
    assert capsys.readouterr().err == (
        "error: fine-tuning needs annotations: no certain answer about links, divisions or children in the pins. "
        "Answer some of what `track suggest` asks\n"
    )
    assert not Path("tuned").exists()
    refused(
        capsys,
        "nowhere holds no model written by pintrack: model.json is missing. Name a folder that `track train` wrote",
        *given, "--pins", "pins.csv", "--set", "finetune.start=nowhere",
    )  # fmt: skip
