"""What a database keeps as text: the header, facts of blocks, names of sources."""

import json
from collections.abc import Mapping

import numpy as np

from tracker.errors import StoreError
from tracker.store.rows import Header


def text(value: object) -> str:
    """A text that both databases keep. Raises StoreError for None, numbers, and NUL characters."""
    if not isinstance(value, str) or "\0" in value:
        raise StoreError(f"a store keeps text without NUL characters here, found {value!r}")
    return value


def facts_to_json(facts: Mapping[str, object] | None) -> str:
    """Facts of a block. Raises StoreError where JSON cannot say them."""
    try:
        return text(json.dumps(dict(facts or {}), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise StoreError(f"the facts of a block must be JSON without NaN, found {facts!r}: {error}") from error


def header_to_json(header: Header) -> str:
    """The header as a database keeps it."""
    content = {name: getattr(header, name) for name in Header.__dataclass_fields__}
    content["frames"] = header.frames.tolist()
    return text(json.dumps(content, allow_nan=False))


def header_from_json(content: str) -> Header:
    """The header of a database."""
    found = json.loads(content)
    for name in ("scale", "image_shape", "detection_columns", "link_columns", "division_columns"):
        found[name] = None if found[name] is None else tuple(found[name])
    return Header(**{**found, "frames": np.array(found["frames"], np.int64)})
