"""motile, exact and fast: `from tracker.motile import Solver` instead of `from motile import Solver`.

A subclass of `motile.Solver` that takes the same graphs, costs and constraints, also of your own; see docs/motile.md.
"""

from tracker.motile.vocabulary import check_version

check_version()

from tracker.motile.blame import NoSelectionWarning  # noqa: E402  only once the version is known to fit
from tracker.motile.convert import MotileProgram, from_motile, to_motile  # noqa: E402
from tracker.motile.fixed import Fixed  # noqa: E402
from tracker.motile.recognise import FreePinWarning  # noqa: E402
from tracker.motile.solver import Solver  # noqa: E402

__all__ = [
    "Fixed",
    "FreePinWarning",
    "MotileProgram",
    "NoSelectionWarning",
    "Solver",
    "from_motile",
    "to_motile",
]
