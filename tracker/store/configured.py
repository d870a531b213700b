"""The store of a config: where it is, and what it depends on."""

import json
from typing import Any

from tracker.config import Config
from tracker.config_store import StoreSettings
from tracker.store.place import Place, parse_place

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


def store_place(config: Config) -> Place:
    """Where [store] says; without it, and without a url, files beside the result: RESULT.store.db, RESULT.arrays."""
    given = config.store or StoreSettings()
    result = config.path(config.output.path)
    arrays = None if given.arrays is None else config.path(given.arrays)
    beside = result.with_name(f"{result.name}.arrays")
    if given.url is None:
        path = result.with_name(f"{result.name}.store.db").absolute()
        return Place("sqlite", (arrays or beside).absolute(), path=path)
    if not given.url.startswith("sqlite:"):
        arrays = arrays or beside
    return parse_place(given.url, config.path("."), arrays=arrays and arrays.absolute(), password=given.password)


def config_identity(config: Config) -> dict[str, Any]:
    """Flat JSON {"section.key": value} of everything the priced program depends on; paths as the config has them."""
    content = json.loads(config.model_dump_json(include=set(_SECTIONS)))  # infinity as text
    flat: dict[str, Any] = {}
    for name in _SECTIONS:
        section = content[name]
        entries = {name: None} if section is None else {f"{name}.{key}": value for key, value in section.items()}
        flat |= {key: value for key, value in entries.items() if key not in _FREE}
    return flat
