"""A torchvision that does not fit torch must not be in the way of packages that can do without it."""

import sys
from importlib.util import find_spec


def without_broken_torchvision() -> None:
    """Let a torchvision that does not fit torch (another build of it) count as absent.

    transformers, and so peft, import torchvision wherever it is installed; neither needs it here.
    """
    if "torchvision" in sys.modules or find_spec("torchvision") is None:
        return
    try:
        import torchvision  # noqa: F401
    except (ImportError, OSError, RuntimeError):
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        sys.modules["torchvision"] = None  # type: ignore[assignment]
