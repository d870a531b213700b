"""What can go wrong with a training."""

from tracker.errors import PintrackError


class TrainingError(PintrackError):
    """A training diverged, ran out of memory, or cannot be resumed."""
