"""Classes of the user's own, written for motile, as terms of the costs."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator


class MotileTerm(BaseModel):
    """A motile cost or constraint: `[[costs.terms]]` with `motile` instead of `on` and `feature`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, ser_json_inf_nan="strings")

    motile: Annotated[str, StringConstraints(pattern=r"^[\w.]+:\w+$")]
    """Module and class, "my_package.my_costs:MyCost"; the module may lie beside the config."""
    arguments: dict[str, Any] = {}
    """Keyword arguments of the class: all other keys of the term."""

    @model_validator(mode="before")
    @classmethod
    def _other_keys_are_arguments(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "arguments" in given:
            return given
        own = {key: value for key, value in given.items() if key != "motile"}
        return {"arguments": own, **({"motile": given["motile"]} if "motile" in given else {})}


def split_terms(given: dict[str, Any]) -> dict[str, Any]:
    """The [costs] section with its terms that name a motile class under `motile`."""
    terms = given.get("terms", ())
    if not isinstance(terms, list | tuple):
        return given
    theirs = [term for term in terms if isinstance(term, dict) and "motile" in term]
    if not theirs:
        return given
    rest = [term for term in terms if term not in theirs]
    return {**given, "terms": rest, "motile": [*given.get("motile", ()), *theirs]}
