"""What pydantic finds wrong with a config, in words for people who know neither pydantic nor Python."""

import difflib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tracker.io.points import SUFFIXES

_WORDS = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "finite",
    "string_type": "a text in quotes",
    "tuple_type": "a list",
    "model_type": "a table of keys",
    "greater_than": "larger than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "smaller than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "too_long": "a list of at most {max_length}",
    "literal_error": "{expected}",
}
# How pydantic names the parts of a union in the place of a problem.
_UNION_PARTS = ("literal[", "tuple[", "function-", "constrained", "float")

_MEASURED = ["costs", "measured"]
_NOT_FROZEN = (
    "--set: [costs] measured: single numbers can only be changed where all are given; freeze them first with "
    "`track init FOLDER --measure`"
)


def explain(error: ValidationError, model: type[BaseModel], name: str, given: list[list[str]]) -> str:
    """One paragraph such as `config.toml: [solver] gapp: unknown key; did you mean 'gap'?`.

    model: what was validated.   name: of the file.   given: places of the keys that came from --set.
    """
    wanted: dict[tuple[str, str], list[str]] = {}  # (place, what was found) -> what it may be: unions have several
    for problem in error.errors():
        if _not_frozen(problem, given):
            wanted[_NOT_FROZEN, ""] = []
            continue
        kind, found = problem["type"], f", found {problem['input']!r}"
        where = [part for part in problem["loc"] if not str(part).startswith(_UNION_PARTS)]
        keys = [f"no. {part + 1}" if isinstance(part, int) else part for part in where[1:]]
        source = "--set" if any(_covers(parts, where, kind) for parts in given) else name
        place = " ".join([f"{source}:", *(f"[{part}]" for part in where[:1]), *keys])
        if kind == "missing":
            wanted[f"{place}: must be given", ""] = []
        elif kind == "extra_forbidden":
            wanted[f"{place}: {_unknown(where, model)}", ""] = []
        elif kind in _WORDS:
            words = _WORDS[kind].format(**problem.get("ctx", {}))
            wanted.setdefault((f"{place}: must be ", found), []).append(words)
        else:
            wanted[f"{place}: {problem['msg'].removeprefix('Value error, ')}", ""] = []
    return "; ".join(f"{start}{' or '.join(words)}{found}" for (start, found), words in wanted.items())


def points_hint(path: Path) -> str:
    """What to do with a table of points that was given as a config; empty for everything else."""
    known = path.suffix.lower() in SUFFIXES
    return f"For a table of points use --points {path}, or track init {path}" if known else ""


def _not_frozen(problem: ErrorDetails, given: list[list[str]]) -> bool:
    """Whether --set changes single numbers of the preset auto where the config holds none."""
    single = [parts for parts in given if parts[:2] == _MEASURED and len(parts) > 2]
    if not single or problem["type"] != "missing" or list(problem["loc"][:2]) != _MEASURED:
        return False
    depth = len(problem["loc"]) - 1
    there = {parts[depth] for parts in single if list(problem["loc"][:-1]) == parts[:depth]}
    return set(problem["input"]) <= there


def _covers(parts: list[str], where: list[Any], kind: str) -> bool:
    """Whether the key given at `parts` is at fault for a problem at `where`."""
    shared = min(len(parts), len(where))
    return where[:shared] == parts[:shared] and (len(where) >= len(parts) or kind == "extra_forbidden")


def _unknown(where: list[Any], model: type[BaseModel]) -> str:
    """The nearest known key in place of an unknown one."""
    known = list(_model_at(where[:-1], model).model_fields)
    near = difflib.get_close_matches(str(where[-1]), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return f"unknown {'key' if len(where) > 1 else 'section'}; {hint}"


def _model_at(where: list[Any], model: type[BaseModel]) -> type[BaseModel]:
    for part in where:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        found = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
        model = next(kind for kind in found if issubclass(kind, BaseModel))
    return model
