"""A config as commented TOML."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from tracker.config import Config, Term
from tracker.config_measured import Measured
from tracker.config_motile import MotileTerm
from tracker.errors import OutputError


def render_config(config: Config, *, title: str = "") -> str:
    """TOML with every key, its meaning in a comment; keys without a value are shown commented out."""
    lines = [f"# {line}" for line in title.splitlines()] + ([""] if title else [])
    for name, described in type(config).model_fields.items():
        section = getattr(config, name)
        if section is None:
            model = next(kind for kind in get_args(described.annotation) if issubclass(kind, BaseModel))
            lines += [f"# [{name}]", *_keys_without_section(model), ""]
            continue
        lines += [f"[{name}]", *_keys(section), ""]
        if name == "costs":
            lines += _terms(config.costs.terms) + _motile(config.costs.motile) + _measured(config.costs.measured)
    return "\n".join(lines).rstrip() + "\n"


def write_config(config: Config, path: Path, *, title: str) -> None:
    """Write the rendered config: whole, or not at all. Raises OutputError when the system refuses."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(render_config(config, title=title), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise OutputError(
            f"the config cannot be written to {path}: {error.strerror or error}. Name another place with --output"
        ) from error


def relative_to(path: str | None, folder: Path) -> str | None:
    """A path as a config in `folder` names it: counted from there; `package:` paths as they are."""
    if path is None or path.startswith("package:"):
        return path
    return Path(os.path.relpath(path, folder)).as_posix()


def _keys(section: BaseModel) -> list[str]:
    lines = []
    for key, described in type(section).model_fields.items():
        if key in ("terms", "measured", "motile"):  # tables of their own
            continue
        value = getattr(section, key)
        text = f"# {key} =" if value is None else f"{key} = {_toml(value)}"
        lines.append(f"{text:<32}  # {described.description}")
    return lines


def _keys_without_section(model: type[BaseModel]) -> list[str]:
    """The keys of an optional section, commented out."""
    lines = []
    for key, described in model.model_fields.items():
        default = described.get_default()
        text = f"# {key} =" + ("" if default is None else f" {_toml(default)}")
        lines.append(f"{text:<32}  # {described.description}")
    return lines


def _terms(terms: tuple[Term, ...]) -> list[str]:
    if not terms:
        example = Term(on="link", feature="overlap", weight=-1.0, standardise="zscore")
        lines = ["[[costs.terms]]                 # Any number of these; they add to the preset.", *_keys(example)]
        return [*(f"# {line}" for line in lines), ""]
    lines = []
    for term in terms:
        lines += ["[[costs.terms]]", *_keys(term), ""]
    return lines


def _motile(terms: tuple[MotileTerm, ...]) -> list[str]:
    lines = []
    for term in terms:
        lines += ["[[costs.terms]]", f"motile = {_toml(term.motile)}"]
        lines += [*(f"{key} = {_toml(value)}" for key, value in term.arguments.items()), ""]
    return lines


def _measured(numbers: Measured | None) -> list[str]:
    if numbers is None:
        return []
    lines = ["[costs.measured]  # Numbers of the preset auto; without this table every run measures them anew."]
    lines += [line for line in _keys(numbers) if not line.startswith("properties")]
    for name, own in numbers.properties.items():
        lines += ["", f"[costs.measured.properties.{name}]", *_keys(own)]
    return [*lines, ""]


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)} = {_toml(own)}' for key, own in value.items())}}}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
