"""tuned.toml: the config with learnt costs, every line with its meaning, its paths counted from where it lies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracker.config import Config
from tracker.config_text import relative_to, render_config

_PATHS = {
    "data": ("images", "segmentation", "points", "truth"),
    "embeddings": ("path", "model"),
    "associations": ("path", "geff", "model"),
    "division_scores": ("path", "model"),
    "sam": ("upsampler_path",),
    "stardist": ("pseudo", "sparse"),
    "ascent": ("dino",),
    "attrackt": ("autoencoder",),
    "trackastra": ("start",),
    "finetune": ("start",),
}
_MODELS = ("model", "autoencoder", "start")  # or the name of a public model


def moved(config: Config, folder: Path) -> Config:
    """The same config as a file in `folder` would say it; its result lies in `folder`/result."""
    here = folder.resolve()

    def moved_path(value: str | None, key: str = "") -> str | None:
        if value is None or value.startswith("package:") or (key in _MODELS and not config.path(value).exists()):
            return value
        return relative_to(str(config.path(value).resolve()), here)

    changes: dict[str, Any] = {}
    for section, keys in _PATHS.items():
        given = getattr(config, section)
        if given is not None:
            changes[section] = given.model_copy(update={key: moved_path(getattr(given, key), key) for key in keys})
    changes["annotations"] = config.annotations.model_copy(
        update={"pins": tuple(moved_path(path) for path in config.annotations.pins)}
    )
    changes["tuning"] = config.tuning.model_copy(
        update={"movies": tuple(moved_path(path) for path in config.tuning.movies)}
    )
    if config.training is not None:
        movies = tuple(moved_path(path) for path in config.training.movies)
        changes["training"] = config.training.model_copy(update={"movies": movies})
    changes["output"] = config.output.model_copy(update={"path": "result"})
    return config.model_copy(update=changes).at(folder)


def render_tuned(
    config: Config, title: str, constants: Mapping[str, str], terms: Mapping[tuple[str, str, str], str]
) -> str:
    """The config as TOML, with what the costs mean in place of what the keys mean.

    constants: key of [costs] -> its meaning.   terms: (kind, feature, standardise) -> its meaning.
    """
    lines, section, number = [], "", -1
    for line in render_config(config, title=title).splitlines():
        if line.startswith("["):
            section = line
            number += line.startswith("[[costs.terms]]")
        key, equals, _ = line.partition(" = ")
        note = None
        if equals and section == "[costs]":
            note = constants.get(key)
        elif equals and section == "[[costs.terms]]" and key == "weight":
            term = config.costs.terms[number]
            note = terms.get((term.on, term.feature, term.standardise))
        if note is not None:
            line = f"{line.partition('  # ')[0].rstrip():<32}  # {note}"
        lines.append(line)
    return "\n".join(lines) + "\n"
