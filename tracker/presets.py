"""Named sets of costs: where they come from, and on which movies they were measured (docs/presets.md has the table)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Line = tuple[str, str, float, str]  # on, feature, weight, standardise


@dataclass(frozen=True)
class Preset:
    """A set of costs.

    about: one line for people.   terms: on what, feature, weight, standardise.   scores: terms that are added where
    associations are given.   constants: appear, disappear, division, where they differ from the config's defaults.
    """

    about: str
    terms: tuple[Line, ...] = ()
    scores: tuple[Line, ...] = ()
    constants: Mapping[str, float] = field(default_factory=dict)


PRESETS: Mapping[str, Preset] = {
    "auto": Preset(
        "measured on the movie itself: steps, local motion, divisions, sizes, intensities, image edge",
        (("link", "surprise", 1.0, "none"), ("division", "surprise", 1.0, "none")),
        (("link", "association_surprise", 0.75, "none"), ("division", "association_surprise", 0.75, "none")),
    ),
    # Lalit & Funke 2025, position costs d1 and d1'; with associations also their z-scored scores.
    "attrackt": Preset(
        "z-scored distances of links and of parents to their children's midpoint",
        (("link", "distance", 1.0, "zscore"), ("division", "distance", 1.0, "zscore")),
        (("link", "association", -1.0, "zscore"), ("division", "association", -1.0, "zscore")),
    ),
    # The setting "gt" of Trackastra's ILP: scores in [0, 1], a division costs its two links and a constant.
    "trackastra": Preset(
        "association scores alone, with the constants of Trackastra's own program",
        (("link", "association", -1.0, "none"),),
        constants={"appear": 0.25, "disappear": 0.5, "division": 0.25},
    ),
    # Learnt (structured SVM, l2 0.01 from weights 10, 10, 1, -1, 1, 1 and ends of 5) on HeLa 02, SIM+ 01 and GOWT1 01.
    "nuclei": Preset(
        "fixed weights for nuclei in culture, distances counted in cell spacings; nothing is measured by solving",
        (
            ("link", "density_distance", 9.79, "none"),
            ("division", "density_distance", 10.2, "none"),
            ("division", "division_opposition", 0.878, "none"),
            ("division", "division_symmetry", 2.15, "none"),
            ("link", "size_sum", 0.726, "none"),
            ("division", "size_sum", 2.33, "none"),
        ),
        constants={"appear": 4.83, "disappear": 5.27, "division": 0.444},
    ),
    # Learnt (structured SVM, l2 0.01 from auto) on ascidians Pm02, Pm03 and C. elegans JIM762 at several frame rates.
    "embryo": Preset(
        "auto with weights learnt on embryos; wants radius, diameter or masks",
        (
            ("link", "surprise", 0.988, "none"),
            ("division", "surprise", 0.994, "none"),
            ("division", "density_distance", 0.211, "none"),
            ("division", "division_opposition", 0.117, "none"),
            ("division", "division_symmetry", 0.757, "none"),
            ("link", "size_sum", 0.07, "none"),
            ("division", "size_sum", 0.466, "none"),
        ),
        constants={"appear": 1.15, "disappear": 1.21, "division": 0.04},
    ),
    "none": Preset("only the terms of the config"),
}
