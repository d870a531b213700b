"""Everything that can go wrong because of the input, as one tree.

PintrackError                exit code 1
├── InputError               2   files and data
│   ├── MovieError               images, masks
│   ├── PointsError              point tables
│   ├── FeatureError             a feature that cannot be computed, or is not finite
│   ├── TruthError               ground truth that cannot be read or matched
│   ├── PinsFileError            rows of pins that are malformed or name what is not there (pin_table.py)
│   ├── OutputError              the result cannot be written
│   └── StoreError               a store is missing, full, read-only, not ours, or given what it cannot keep
│       ├── StoreMismatchError       made from another config, or by another version
│       ├── StoreLockedError         another run works on it
│       └── StoreLostError           the connection died; what was being written left nothing behind
├── ConfigError              2   the TOML or the command line
├── MissingExtraError        2   an optional package is needed
├── PinConflictError         3   pins that cannot hold together
├── NoSolutionError          4   no lineage within the time limit
├── WorkerError              1   a process that was to do a part of the work ended
└── SolverError              1   the solver itself failed

Each message says what was wanted, what was found, where, and how to mend it.
"""

from collections.abc import Iterable
from typing import Any


class PintrackError(Exception):
    """Base of every error meant for a person; the command line prints it as one paragraph."""

    exit_code = 1

    def __reduce__(self) -> tuple[Any, ...]:
        """Let any of these come back from another process, whatever it was made of."""
        return _remade, (type(self), self.args, self.__dict__)


def _remade(kind: type[PintrackError], arguments: tuple[Any, ...], state: dict[str, Any]) -> PintrackError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(state)
    return error


class InputError(PintrackError):
    """The input files or arrays are not what they should be."""

    exit_code = 2


class MovieError(InputError):
    """An image or mask movie cannot be used."""


class PointsError(InputError):
    """A table of points cannot be used."""


class FeatureError(InputError):
    """A feature cannot be computed, or holds values that are not finite."""


class TruthError(InputError):
    """A ground truth cannot be read, or does not fit the result."""


class OutputError(InputError):
    """The result cannot be written."""


class StoreError(InputError):
    """A store cannot be used, or cannot keep what it is given."""


class StoreMismatchError(StoreError):
    """A store was made from another config, or by another version. keys: the config keys that differ."""

    def __init__(self, message: str, keys: tuple[str, ...] = ()) -> None:
        """Remember the keys."""
        super().__init__(message)
        self.keys = keys


class StoreLockedError(StoreError):
    """Another run works on the store."""


class StoreLostError(StoreError):
    """The connection to the store died; a transaction that was open has left nothing behind and may be repeated."""


class ConfigError(PintrackError):
    """The configuration is wrong."""

    exit_code = 2


class MissingExtraError(PintrackError):
    """An optional package is needed that is not installed."""

    exit_code = 2

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        """Name the missing `package`, the `extra` that brings it, and the `purpose` it serves."""
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed. "
            f'Install it with: pip install "pintrack[{extra}]"'
        )


class PinConflictError(PintrackError):
    """Pins contradict each other: no lineage honours them all."""

    exit_code = 3


class NoSolutionError(PintrackError):
    """The solver found no lineage at all within the time limit."""

    exit_code = 4


class WorkerError(PintrackError):
    """A process that was to do a part of the work ended before it was done."""


class SolverError(PintrackError):
    """The solver ended in a way it should not."""


def first_five(offenders: Iterable[object]) -> str:
    """Name the first five offenders and the count of all: `3, 7, 9, 12, 15 and 8 more (13)`."""
    items = list(offenders)
    named = ", ".join(str(item) for item in items[:5])
    return named if len(items) <= 5 else f"{named} and {len(items) - 5} more ({len(items)})"
