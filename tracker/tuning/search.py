"""Direct search for weights: the metric itself is asked, trial by trial, and every answer is kept on disk."""

import importlib.util
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tracker.errors import MissingExtraError, OutputError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)
_FACTOR = 2.5  # a weight of known sign is searched within this factor of the starting points
_REACH = 0.25  # any other beyond them by this share of the largest weight
_FEWEST_RANDOM = 10  # trials before the sampler trusts its model of the objective


@dataclass(frozen=True)
class Range:
    """Where one weight is searched: between low and high, evenly in its logarithm or evenly; sign -1 mirrors it."""

    name: str
    low: float
    high: float
    logarithmic: bool
    sign: int = 1


@dataclass(frozen=True)
class Searched:
    """What a search found.

    weights: (K,) of the best trial, the first of equals.   loss: its objective, smaller is better.
    losses: (n,) of all trials in their order, infinite where one was given up.   resumed: how many of them were on
    disk already.
    """

    weights: NDArray[np.float64]
    loss: float
    losses: NDArray[np.float64]
    resumed: int


def require_optuna() -> None:
    """Raise MissingExtraError without optuna: ask before any work is done."""
    if importlib.util.find_spec("optuna") is None:
        raise MissingExtraError("optuna", "tune", "the search of `track tune` (or leave it out with --no-search)")


def ranges_around(names: Sequence[str], signs: Sequence[int], starts: Sequence[NDArray[np.float64]]) -> list[Range]:
    """Ranges that hold every starting point.

    names, signs: of the K weights; sign +1: not negative, -1: not positive, 0: free.   starts: vectors (K,).
    A weight of known sign that is not 0 in any start is searched over its logarithm, within a factor of 2.5 of the
    starts. Any other evenly: by a quarter of the largest weight beyond the starts, not beyond 0 where the sign is
    known. Far from sensible costs programs are hard to solve, and their lineages bad.
    """
    table = np.stack([np.asarray(start, float) for start in starts])
    reach = _REACH * float(np.abs(table).max(initial=0.0)) or 1.0
    found = []
    for name, sign, column in zip(names, signs, table.T, strict=True):
        along = column * sign if sign else column
        low, high = float(along.min()), float(along.max())
        if sign and low > 0:
            found.append(Range(name, low / _FACTOR, high * _FACTOR, True, sign))
        elif sign:
            found.append(Range(name, 0.0, high + reach, False, sign))
        else:
            found.append(Range(name, low - reach, high + reach, False))
    return found


def search(
    loss: Callable[[NDArray[np.float64]], float],
    ranges: Sequence[Range],
    starts: Sequence[NDArray[np.float64]],
    *,
    trials: int,
    seed: int,
    database: Path,
    study: str,
    progress: Callable[[str], None] = lambda stage: None,
) -> Searched:
    """Look for the weights of the smallest loss with a tree-structured Parzen estimator (Optuna's TPE).

    loss: of weights (K,); infinite for a trial that was given up.   starts: tried first, in their order; they count
    as trials.   database: SQLite file that keeps every finished trial.   study: name of this question in it; of the
    same name all that was asked before is taken over, so that an interrupted search goes on.
    Trial n draws its numbers from (seed, n) alone: with one seed, a search that was interrupted and resumed finds
    bit for bit what it would have found at once.
    Raises MissingExtraError without optuna, OutputError when the database cannot be used.
    """
    require_optuna()
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions: dict[str, BaseDistribution] = {
        one.name: optuna.distributions.FloatDistribution(one.low, one.high, log=one.logarithmic) for one in ranges
    }
    ended = [optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED]
    with _kept_in(database):
        known = _open_study(database, study)
        finished = len(known.get_trials(deepcopy=False, states=ended))
    resumed = min(finished, trials)
    if resumed:
        log.info("%s: %d trials taken over from %s", study, resumed, database)
    for number in range(finished, trials):
        progress(f"search, trial {number + 1} of {trials}")
        if number < len(starts):
            params = _params(starts[number], ranges)
            value = float(loss(_weights(params, ranges)))
            with _kept_in(database):
                known.add_trial(_ended(params, dict(distributions), value))
            continue
        own_seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        known.sampler = optuna.samplers.TPESampler(seed=own_seed, n_startup_trials=_FEWEST_RANDOM)
        with _kept_in(database):
            trial = known.ask(dict(distributions))
        value = float(loss(_weights(trial.params, ranges)))
        with _kept_in(database):
            if np.isfinite(value):
                known.tell(trial, value)
            else:
                known.tell(trial, state=optuna.trial.TrialState.PRUNED)
    with _kept_in(database):
        done = known.get_trials(deepcopy=False, states=ended)[:trials]
    losses = np.array([np.inf if trial.value is None else trial.value for trial in done], float)
    best = int(np.argmin(losses))
    return Searched(_weights(done[best].params, ranges), float(losses[best]), losses, resumed)


def _ended(params: dict[str, float], distributions: "dict[str, BaseDistribution]", value: float) -> "FrozenTrial":
    """A trial as the study keeps it; one that was given up has no value."""
    import optuna

    if np.isfinite(value):
        return optuna.create_trial(params=params, distributions=distributions, value=value)
    return optuna.create_trial(params=params, distributions=distributions, state=optuna.trial.TrialState.PRUNED)


def _open_study(database: Path, name: str) -> "Study":
    """The study of this name, made where there is none; trials that were cut short are marked as failed."""
    import optuna

    database.parent.mkdir(parents=True, exist_ok=True)
    found = optuna.create_study(
        study_name=name, storage=f"sqlite:///{database.resolve()}", load_if_exists=True, direction="minimize"
    )
    for trial in found.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
        found.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return found


@contextmanager
def _kept_in(database: Path) -> Iterator[None]:
    """Turn what goes wrong with the database into an OutputError."""
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, OptunaError, OSError, RuntimeError) as error:
        raise OutputError(
            f"the trials of the search cannot be kept in {database}: {_reason(error)}. Remove the file to begin anew, "
            "or name another folder with --output"
        ) from error


def _reason(error: BaseException) -> str:
    """What SQLite itself says, without the statement that SQLAlchemy shows with it."""
    from sqlalchemy.exc import SQLAlchemyError

    if not isinstance(error, SQLAlchemyError) and isinstance(error.__cause__, SQLAlchemyError):
        error = error.__cause__
    return " ".join(str(getattr(error, "orig", None) or error).split()).rstrip(".")


def _params(weights: NDArray[np.float64], ranges: Sequence[Range]) -> dict[str, float]:
    """The weights as the study names them, within their ranges to the last bit."""
    pairs = zip(weights, ranges, strict=True)
    return {one.name: float(np.clip(value * one.sign, one.low, one.high)) for value, one in pairs}


def _weights(params: dict[str, float], ranges: Sequence[Range]) -> NDArray[np.float64]:
    return np.array([params[one.name] * one.sign for one in ranges])
