"""Whether a store was made from the config at hand, and which keys differ."""

import json
from collections.abc import Mapping
from typing import Any

from tracker.errors import StoreMismatchError, first_five

_ABSENT = object()


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
