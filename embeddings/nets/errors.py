"""What can go wrong with a network, its input or its files."""

from tracker.errors import InputError


class ModelError(InputError):
    """A model folder cannot be read or written, or does not fit what it is used for."""
