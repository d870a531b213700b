"""Which keys of a config a store depends on, and which of them differ."""

import json
from collections.abc import Mapping
from typing import Any

from tracker.config import Config
from tracker.errors import StoreMismatchError, first_five

_SECTIONS = (
    "data",
    "candidates",
    "costs",
    "features",
    "embeddings",
    "associations",
    "division_scores",
    "annotations",
)
# Where a model runs does not change what the program is; a truth never touches it.
_FREE = {"data.truth", "embeddings.device", "associations.device", "division_scores.device"}
_ABSENT = object()


def config_identity(config: Config) -> dict[str, Any]:
    """Flat JSON {"section.key": value} of everything the priced program depends on; paths as the config has them."""
    content = json.loads(config.model_dump_json(include=set(_SECTIONS)))  # as text: JSON has no infinity
    flat: dict[str, Any] = {}
    for name in _SECTIONS:
        section = content[name]
        entries = {name: None} if section is None else {f"{name}.{key}": value for key, value in section.items()}
        flat |= {key: value for key, value in entries.items() if key not in _FREE}
    return flat


def check_identity(where: str, made_from: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise StoreMismatchError naming the keys that differ, with both values."""
    keys = sorted(key for key in {*made_from, *wanted} if made_from.get(key, _ABSENT) != wanted.get(key, _ABSENT))
    if keys:
        told = first_five(
            f"{key} (the store: {_said(made_from, key)}; the config: {_said(wanted, key)})" for key in keys
        )
        raise StoreMismatchError(
            f"the store {where} was made from another config; what differs: {told}. Use the config it was made from, "
            "name another store with store.url, or replace this one with --overwrite",
            tuple(keys),
        )


def _said(content: Mapping[str, Any], key: str) -> str:
    if key not in content:
        return "not there"
    text = json.dumps(content[key], ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
