"""A training that would take too long on a CPU is refused after its first steps."""

import math

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra learn")

from training_cases import batch, network, settings, squared_error, weights  # noqa: E402

from embeddings.train import train  # noqa: E402
from embeddings.training import pace  # noqa: E402
from embeddings.training.checkpoint import checkpoints  # noqa: E402
from embeddings.training.pace import Pace  # noqa: E402
from tracker.errors import ConfigError  # noqa: E402


def steps_until_judged(seconds: float, first: float = 50.0) -> int:
    """How many steps it takes, the first of them longer, before there is a judgement."""
    watched = Pace(1.0, "batch_size")
    for step in range(1, 1000):
        watched.step(first if step == 1 else seconds, 1)
        if watched.judged:
            return step
    return -1


@pytest.mark.parametrize(("seconds", "steps"), [(20.0, 4), (2.5, 4), (1.0, 6), (0.5, 11), (1e-4, -1)])
def test_three_steps_and_five_seconds_after_the_first(seconds, steps):
    assert steps_until_judged(seconds) == steps


@pytest.mark.parametrize(("first", "seconds", "steps"), [(61.0, 61.0, 1), (59.0, 59.0, 3), (50.0, 61.0, 2)])
def test_a_minute_is_enough(first, seconds, steps):
    assert steps_until_judged(seconds, first) == steps


@pytest.mark.parametrize(
    ("seconds", "left", "told"),
    [
        (2.0, 9_000, "about 5 h (9,000 steps of 2 s)"),
        (10.0, 1_000_000, "about 116 days (1,000,000 steps of 10 s)"),
        (2.0, 1_801, "about 1 h (1,801 steps of 2 s)"),
    ],
)
def test_what_is_said(seconds, left, told):
    watched = Pace(1.0, "batch_size, width or depth", steps=9, seconds=9 * seconds, begun=True)
    with pytest.raises(ConfigError) as error:
        watched.step(seconds, left)
    assert str(error.value) == (
        f"on this CPU the training would take {told}, and at most 1 h are allowed. Train on a GPU, make steps, "
        "batch_size, width or depth smaller, or train anyway with --yes (training.cpu_hours = 0). Nothing that had "
        "been saved is lost: --resume goes on from it"
    )


def test_what_is_short_enough_is_judged_once():
    watched = Pace(1.0, "batch_size")
    for _ in range(6):
        watched.step(2.0, 1_800)
    assert watched.judged
    watched.step(2.0, 10**9)


def test_no_limit():
    watched = Pace(0.0, "batch_size")
    for _ in range(10):
        watched.step(1e6, 10**9)
    assert not watched.judged


# ---- in the loop


@pytest.fixture
def at_once(monkeypatch):
    """Nobody waits five seconds."""
    monkeypatch.setattr(pace, "_SECONDS", 0.0)


@pytest.mark.usefixtures("at_once")
def test_a_long_training_is_refused_and_leaves_nothing_in_the_way(tmp_path):
    long, seen = settings(steps=10**10, cpu_hours=1.0, report_steps=1), []
    with pytest.raises(
        ConfigError, match=r"^on this CPU the training would take about .* days .*make steps, the batch"
    ):
        train(network(), batch, squared_error, long, tmp_path, watch=seen.append)
    assert seen[-1].step < 10
    assert not checkpoints(tmp_path)
    expected, model = network(), network()
    train(expected, batch, squared_error, settings(), tmp_path / "other")
    assert train(model, batch, squared_error, settings(cpu_hours=1.0), tmp_path).stopped == "finished"
    assert torch.equal(weights(model), weights(expected))


@pytest.mark.usefixtures("at_once")
def test_a_resumed_training_keeps_what_it_had(tmp_path):
    def pressed(shown):
        if shown.step == 20:
            raise KeyboardInterrupt

    long = settings(steps=10**10, report_steps=1)
    assert train(network(), batch, squared_error, long, tmp_path, watch=pressed).stopped == "interrupted"
    before = [path.read_bytes() for path in checkpoints(tmp_path)]
    again = settings(steps=10**10, report_steps=1, cpu_hours=2.0)
    with pytest.raises(ConfigError, match="at most 2 h are allowed"):
        train(network(), batch, squared_error, again, tmp_path, resume=True)
    assert [path.read_bytes() for path in checkpoints(tmp_path)] == before
    seen = []

    def watch(shown):
        seen.append(shown.step)
        if len(seen) == 10:
            raise KeyboardInterrupt

    done = train(network(), batch, squared_error, long, tmp_path, resume=True, watch=watch)  # 0: however long
    assert (seen[0], done.steps) == (21, 30)


def test_the_limit_is_checked():
    with pytest.raises(ConfigError, match=r"^training: cpu_hours must be at least 0; found inf$"):
        settings(cpu_hours=math.inf)
    assert settings(cpu_hours=3.0).identity() == settings().identity()
