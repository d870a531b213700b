"""A config as commented TOML."""

import json
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tracker.config import Config, Term


def render_config(config: Config, *, title: str = "") -> str:
    """TOML with every key, its meaning in a comment; keys without a value are shown commented out."""
    lines = [f"# {line}" for line in title.splitlines()] + ([""] if title else [])
    for name in type(config).model_fields:
        section = getattr(config, name)
        if section is None:
            continue
        lines += [f"[{name}]", *_keys(section), ""]
        if name == "costs":
            lines += _terms(config.costs.terms)
    return "\n".join(lines).rstrip() + "\n"


def relative_to(path: str | None, folder: Path) -> str | None:
    """A path as a config in `folder` should name it: relative where that is shorter, `package:` paths as they are."""
    if path is None or path.startswith("package:"):
        return path
    return Path(os.path.relpath(path, folder)).as_posix()


def _keys(section: BaseModel) -> list[str]:
    lines = []
    for key, described in type(section).model_fields.items():
        if key == "terms":
            continue
        value = getattr(section, key)
        text = f"# {key} = " if value is None else f"{key} = {_toml(value)}"
        lines.append(f"{text:<32}  # {described.description}")
    return lines


def _terms(terms: tuple[Term, ...]) -> list[str]:
    if not terms:
        return [
            "# [[costs.terms]]               # any number of these, added to the preset",
            '# on = "link"                   # link | division | detection',
            '# feature = "overlap"',
            "# weight = -1.0                 # negative: more overlap is better",
            '# standardise = "zscore"        # zscore | none',
            "",
        ]
    lines = []
    for term in terms:
        lines += ["[[costs.terms]]", *_keys(term), ""]
    return lines


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
