"""The training loop: it learns, resumes bit for bit, and stops in a way one can go on from."""

import csv
import math
import os
import signal

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra learn")

from torch import nn  # noqa: E402
from training_cases import FailingLoss, batch, network, settings, squared_error, weights  # noqa: E402

from embeddings.train import train  # noqa: E402
from embeddings.training.checkpoint import checkpoints, load_checkpoint, save_checkpoint  # noqa: E402
from embeddings.training.errors import TrainingError  # noqa: E402
from tracker.errors import OutputError  # noqa: E402

HELD_OUT = [batch(1000), batch(1001)]


def error_of(model, pair):
    return squared_error(model, pair).item()


def lines(folder):
    with (folder / "training.csv").open() as file:
        return list(csv.DictReader(file))


def test_it_learns_a_regression(tmp_path):
    model, seen = network(dropout=0.0), []
    before = error_of(model, batch(1000))
    done = train(model, batch, squared_error, settings(steps=300), tmp_path, held_out=HELD_OUT, watch=seen.append)
    assert (done.stopped, done.steps, done.device, done.notes) == ("finished", 300, "cpu", ())
    assert not model.training
    assert error_of(model, batch(1000)) < 0.05 * before
    assert [shown.step for shown in seen] == list(range(5, 301, 5))
    assert seen[-1].seconds_left == 0
    assert all(shown.steps_per_second > 0 for shown in seen)
    assert [int(line["step"]) for line in lines(tmp_path)] == [shown.step for shown in seen]
    assert [line["held_out_loss"] != "" for line in lines(tmp_path)] == [step % 10 == 0 for step in range(5, 301, 5)]
    assert float(lines(tmp_path)[0]["loss"]) == seen[0].loss


def test_the_loss_is_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="the picture needs the extra plot")
    train(network(), batch, squared_error, settings(), tmp_path, held_out=HELD_OUT)
    assert (tmp_path / "training.png").read_bytes()[:4] == b"\x89PNG"


def test_without_matplotlib_there_is_no_picture(tmp_path, monkeypatch):
    monkeypatch.setattr("embeddings.training.history.find_spec", lambda name: None)
    assert train(network(), batch, squared_error, settings(), tmp_path).stopped == "finished"
    assert not (tmp_path / "training.png").exists()


@pytest.mark.parametrize("held_out", [None, HELD_OUT])
@pytest.mark.parametrize("stop", [0, 3, 10, 17])
def test_resumed_after_ctrl_c_equals_uninterrupted(tmp_path, stop, held_out):
    whole, parts = network(), network()
    expected = train(whole, batch, squared_error, settings(), tmp_path / "whole", held_out=held_out)
    loss = FailingLoss(stop, KeyboardInterrupt())
    first = train(parts, batch, loss, settings(), tmp_path / "parts", held_out=held_out)
    assert (first.stopped, first.steps) == ("interrupted", stop)
    with torch.no_grad():  # what the second session starts from does not matter
        for parameter in parts.parameters():
            parameter.zero_()
    torch.randn(5)
    second = train(parts, batch, loss, settings(), tmp_path / "parts", held_out=held_out, resume=True)
    assert (second.stopped, second.steps, second.best_step) == ("finished", 40, expected.best_step)
    assert torch.equal(weights(parts), weights(whole))
    losses = [
        [(line["step"], line["loss"], line["held_out_loss"]) for line in lines(tmp_path / name)]
        for name in ("whole", "parts")
    ]
    assert losses[0] == losses[1]


def test_dropout_makes_steps_random():
    """Else resuming would be easy."""
    model = network().train()
    assert error_of(model, batch(0)) != error_of(model, batch(0))


def test_killed_between_checkpoints(tmp_path):
    whole, parts = network(), network()
    train(whole, batch, squared_error, settings(), tmp_path / "whole")
    with pytest.raises(ZeroDivisionError):
        train(parts, batch, FailingLoss(17, ZeroDivisionError()), settings(checkpoint_steps=5), tmp_path / "parts")
    assert [path.name[:19] for path in checkpoints(tmp_path / "parts")] == [
        "checkpoint-00000015",
        "checkpoint-00000010",
    ]
    train(parts, batch, squared_error, settings(), tmp_path / "parts", resume=True)
    assert torch.equal(weights(parts), weights(whole))


def test_the_sigint_of_ctrl_c_lets_the_step_end(tmp_path, monkeypatch):
    model = network()
    real, steps = torch.optim.AdamW.step, []

    def pressed_meanwhile(self, *arguments):
        steps.append(None)
        if len(steps) == 8:
            os.kill(os.getpid(), signal.SIGINT)
        return real(self, *arguments)

    monkeypatch.setattr(torch.optim.AdamW, "step", pressed_meanwhile)
    before = signal.getsignal(signal.SIGINT)
    done = train(model, batch, squared_error, settings(), tmp_path)
    assert (done.stopped, done.steps) == ("interrupted", 8)
    assert signal.getsignal(signal.SIGINT) is before


def test_nan_loss_stops_and_leaves_the_checkpoint(tmp_path):
    model = network()
    with pytest.raises(TrainingError) as error:
        train(model, batch, FailingLoss(13), settings(checkpoint_steps=5), tmp_path)
    kept = checkpoints(tmp_path)
    assert str(error.value) == (
        f"the loss became nan after 13 steps, so the training stopped. The last good checkpoint, {kept[0]}, is "
        "untouched. Train with a lower learning rate (now 0.02) or more warm-up, and look for "
        "extreme values in the data"
    )
    assert kept[0].name.startswith("checkpoint-00000010-")
    assert torch.isfinite(weights(model)).all()
    assert train(model, batch, squared_error, settings(), tmp_path, resume=True).stopped == "finished"


def test_infinite_gradient_stops_before_the_weights_change(tmp_path):
    model = nn.Linear(3, 1)
    before = weights(model).clone()

    def steep(model, pair):
        return model(pair[0] * 0).sub(model.bias).abs().sum().sqrt()  # sqrt at 0

    with pytest.raises(TrainingError, match=r"the length of the gradient became nan after 0 steps.*No checkpoint had"):
        train(model, batch, steep, settings(), tmp_path)
    assert torch.equal(weights(model), before)


def test_nan_in_the_held_out_loss(tmp_path):
    broken = [(torch.full((2, 3), math.nan), torch.zeros(2, 1))]
    with pytest.raises(TrainingError, match="the held-out loss became nan after 10 steps"):
        train(network(), batch, squared_error, settings(), tmp_path, held_out=broken)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_damaged_checkpoint_falls_back_and_says_so(tmp_path, damage):
    whole, parts = network(), network()
    train(whole, batch, squared_error, settings(), tmp_path / "whole")
    folder = tmp_path / "parts"
    with pytest.raises(ZeroDivisionError):
        train(parts, batch, FailingLoss(17, ZeroDivisionError()), settings(checkpoint_steps=5), folder)
    newest, previous = checkpoints(folder)
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes({"cut": content[:-100], "flipped": content, "empty": b""}[damage])
    done = train(parts, batch, squared_error, settings(checkpoint_steps=12), folder, resume=True)
    assert done.notes == (f"the checkpoint {newest} is damaged; went back to the one before, {previous.name}",)
    assert torch.equal(weights(parts), weights(whole))
    assert [path.name[:19] for path in checkpoints(folder)] == ["checkpoint-00000040", "checkpoint-00000036"]


def test_all_checkpoints_damaged(tmp_path):
    path = save_checkpoint(tmp_path, 5, {"done": 5})
    path.write_bytes(b"nothing")
    with pytest.raises(TrainingError) as error:
        load_checkpoint(tmp_path)
    assert str(error.value) == (
        f"no checkpoint of {tmp_path} is whole: {path.name}. Remove them and train anew, or copy the folder again"
    )


def test_a_later_damaged_checkpoint_does_not_push_out_a_good_one(tmp_path):
    for step in (10, 20):
        save_checkpoint(tmp_path, step, {"done": step})
    checkpoints(tmp_path)[0].write_bytes(b"")
    save_checkpoint(tmp_path, 15, {"done": 15})
    assert [path.name[:19] for path in checkpoints(tmp_path)] == ["checkpoint-00000015", "checkpoint-00000010"]
    assert load_checkpoint(tmp_path)[0] == {"done": 15}


def test_a_damaged_checkpoint_of_the_same_step_does_not_push_out_a_good_one(tmp_path):
    for step, seconds in ((10, 1.0), (20, 2.0)):
        save_checkpoint(tmp_path, step, {"done": step, "seconds": seconds})
    checkpoints(tmp_path)[0].write_bytes(b"")
    newest = save_checkpoint(tmp_path, 20, {"done": 20, "seconds": 3.0})
    newest.write_bytes(b"")
    assert load_checkpoint(tmp_path)[0] == {"done": 10, "seconds": 1.0}


def test_early_stop_keeps_the_best_weights(tmp_path):
    """The batches teach something else than what is held out: its loss falls, then rises."""
    model = network(dropout=0.0)

    def other(step):
        x, _ = batch(step)
        return x, x[:, :1] * 3 + 4

    done = train(model, other, squared_error, settings(patience=2, validate_steps=2), tmp_path, held_out=HELD_OUT)
    assert done.stopped == "early"
    assert done.steps == done.best_step + 4 < 40
    found = sum(error_of(model, pair) for pair in HELD_OUT) / 2
    assert found == pytest.approx(done.held_out_loss, rel=1e-6)
    again = train(
        model, other, squared_error, settings(patience=2, validate_steps=2), tmp_path, held_out=HELD_OUT, resume=True
    )
    assert (again.stopped, again.steps, again.best_step) == ("early", done.steps, done.best_step)


def test_a_folder_with_a_training_is_not_overwritten(tmp_path):
    train(network(), batch, squared_error, settings(), tmp_path)
    (kept,) = checkpoints(tmp_path)
    with pytest.raises(OutputError) as error:
        train(network(), batch, squared_error, settings(), tmp_path)
    assert str(error.value) == (f"{tmp_path} holds a training already ({kept.name}). Resume it, or name another folder")


def test_resumed_with_other_settings_is_refused(tmp_path):
    train(network(), batch, squared_error, settings(), tmp_path, identity={"network": {"width": 16}})
    for identity, steps, found in (
        ({"network": {"width": 16}}, 50, "steps was 40 and is now 50"),
        ({"network": {"width": 32}}, 40, "width was 16 and is now 32"),
    ):
        with pytest.raises(TrainingError) as error:
            train(network(), batch, squared_error, settings(steps=steps), tmp_path, identity=identity, resume=True)
        assert str(error.value) == (
            f"the training in {tmp_path} cannot be resumed: {found}. Resume it as it was, or train into another folder"
        )


def test_resumed_with_another_network_is_refused(tmp_path):
    train(network(), batch, squared_error, settings(), tmp_path)
    with pytest.raises(TrainingError, match="is of another network"):
        train(nn.Linear(3, 1), batch, squared_error, settings(), tmp_path, resume=True)


def test_resume_without_a_checkpoint_starts_and_says_so(tmp_path):
    done = train(network(), batch, squared_error, settings(), tmp_path, resume=True)
    assert done.stopped == "finished"
    assert done.notes == (f"{tmp_path} holds no checkpoint yet: the training starts at its beginning",)


def test_out_of_memory_names_the_keys(tmp_path):
    with pytest.raises(TrainingError) as error:
        train(network(), batch, FailingLoss(2, MemoryError()), settings(), tmp_path, memory_keys="batch or crop_px")
    assert str(error.value) == "cpu ran out of memory at step 2. Make batch or crop_px smaller, and resume"


def test_frozen_parameters_stay(tmp_path):
    model = network()
    model[0].requires_grad_(False)
    before, last = model[0].weight.clone(), model[3].weight.clone()
    train(model, batch, squared_error, settings(), tmp_path)
    assert torch.equal(model[0].weight, before)
    assert not torch.equal(model[3].weight, last)


def test_the_random_state_of_the_caller_is_left_alone(tmp_path):
    model, before = network(), torch.get_rng_state()
    train(model, batch, squared_error, settings(), tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_no_held_out_batch(tmp_path):
    with pytest.raises(TrainingError, match="there is no held-out batch"):
        train(network(), batch, squared_error, settings(), tmp_path, held_out=[])
