"""track check: everything that can be checked before work starts."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from tracker.auto.model import MovieModel
from tracker.blocks.grid import cut
from tracker.candidates import CandidateGraph
from tracker.cli.common import Json, Quiet, Set, Verbose, configure, fact_table, output, print_json, progress, tell
from tracker.config import Config, Term, load_config
from tracker.config_measured import Measured, MeasuredProperty
from tracker.costs import price, resolve_terms
from tracker.errors import OutputError, TruthError, first_five
from tracker.features import known_features
from tracker.features.context import FeatureContext
from tracker.ilp.backends import check_backend
from tracker.inputs import Inputs, read_annotations, read_inputs
from tracker.io.result import refuse_existing
from tracker.needed import candidate_source, no_candidates, wants_needed, with_scores, with_statistics
from tracker.notes import hardly_measured, measured_on_a_sample, unlinkable
from tracker.pin_checks import ResolvedPins
from tracker.prepare import context_of, measure, propose, require_torch
from tracker.run_report import peak_memory_mb
from tracker.sequential_run import check_sequential, sequential_notes
from tracker.survey import Survey, survey

# Measured on 0.2 to 3.1 million columns. With optional detections one program spans the movie instead of a frame pair.
_MB_PER_COLUMN = {"keep": 165e-6, "optional": 340e-6}


def check(
    config: Annotated[Path, typer.Argument(help="The config file.")],
    settings: Set = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Validate a config and its input; print the sizes of the problem."""
    configure(quiet, verbose)
    loaded = load_config(config, settings)
    with progress(quiet or as_json) as say:
        say("checking")
        found = _examine(loaded)
    if as_json:
        print_json(found)
        return
    if not quiet:
        for note in found["notes"]:
            tell("note:", note, "yellow")
        _print(found)


def _examine(config: Config) -> dict[str, Any]:
    check_backend(config.solver.backend)
    check_sequential(config)
    inputs = read_inputs(config)
    pins = read_annotations(config, inputs.detections)
    blocks = None
    if config.blockwise is not None:
        parts = cut(config.blockwise, inputs.detections)
        blocks = {"count": parts.counts.tolist(), "size": parts.size.tolist(), "unit": inputs.detections.unit}
    wanted = config.candidates.divisions
    terms = resolve_terms(config.costs, has_association=config.associations is not None, has_pairs=wanted == "pair")
    if config.data.truth is not None and not config.path(config.data.truth).exists():
        raise TruthError(f"data.truth: there is no {config.path(config.data.truth)}")
    movie = measure(config, inputs.detections)
    detections = inputs.detections
    if wants_needed(config, detections):
        sizes = _sizes_of_needed(config, inputs, movie, pins)
    else:
        graph = propose(config, detections, movie)
        alone = np.setdiff1d(np.arange(len(detections)), graph.links)
        n_links, n_divisions = len(graph.links), len(graph.divisions)
        sizes = Survey(n_links, n_divisions, n_links, n_divisions, alone)
        _check_terms(config, inputs, graph, movie)
    properties = sorted(name for name, column in detections.properties.items() if column.ndim == 1)
    count = len(detections)
    columns = (4 if wanted == "split" else 3) * count
    held = columns + sizes.held_links + sizes.held_divisions
    return {
        "frames": len(detections.frames),
        "detections": count,
        "links": sizes.n_links,
        "divisions": sizes.n_divisions,
        "columns": columns + sizes.n_links + sizes.n_divisions,
        "columns_held": held,
        "pins": 0 if pins is None else len(pins.table),
        "blocks": blocks,
        "memory_mb": round(
            peak_memory_mb() + _MB_PER_COLUMN["keep" if config.costs.detection == "keep" else "optional"] * held
        ),
        "terms": [term.model_dump() for term in terms],
        "measured": None if movie is None else movie.numbers.model_dump(mode="json"),
        "features": {
            "link": known_features("link"),
            "division": known_features("division"),
            "detection": [*known_features("detection"), *properties],
        },
        "notes": [*_notes(config, inputs, sizes, movie), *_lopsided(terms)],
    }


def _sizes_of_needed(config: Config, inputs: Inputs, movie: MovieModel | None, pins: ResolvedPins | None) -> Survey:
    """How much a run would hold that keeps only what could be chosen; scores of models count as zeros here."""
    none = no_candidates(inputs.detections)
    _check_terms(config, inputs, none, movie)
    context = _context(config, inputs, none, movie)
    source = candidate_source(config, replace(context, association=None), movie, pins)
    if config.associations is not None:
        source = with_scores(source, lambda graph: _scores(config, inputs, graph, movie))
    return survey(with_statistics(source))


def _scores(config: Config, inputs: Inputs, graph: CandidateGraph, movie: MovieModel | None) -> NDArray[np.float64]:
    association = _context(config, inputs, graph, movie).association
    return np.zeros(len(graph.links)) if association is None else association


def _check_terms(config: Config, inputs: Inputs, graph: CandidateGraph, movie: MovieModel | None) -> None:
    """Without a single link the price of everything takes no time, but tells what a feature lacks."""
    context = _context(config, inputs, graph, movie)
    scores = None if context.association is None else context.association[:0]
    none = replace(context, graph=no_candidates(graph.detections), association=scores)
    price(none, config.costs, divisions=config.candidates.divisions)


def _context(config: Config, inputs: Inputs, graph: CandidateGraph, movie: MovieModel | None) -> FeatureContext:
    """What features look at. Models are loaded, but compute nothing: zeros stand for what they would."""
    modelled = {name: getattr(config, name) for name in ("associations", "embeddings", "division_scores")}
    modelled = {name: given for name, given in modelled.items() if given is not None and given.model is not None}
    context = context_of(config.model_copy(update=dict.fromkeys(modelled)), inputs, graph, movie)
    if modelled:
        require_torch(f"{next(iter(modelled))}.model")
        from tracker.learning.scores import check_models

        check_models(config, inputs)
    if "associations" in modelled:
        context = replace(context, association=np.zeros(len(graph.links)))
    if "embeddings" in modelled:
        context = replace(context, embedding=np.zeros((len(inputs.detections), 1)))
    if "division_scores" in modelled:
        context = replace(context, division_score=np.zeros(len(inputs.detections)))
    return context


def _notes(config: Config, inputs: Inputs, sizes: Survey, movie: MovieModel | None) -> list[str]:
    """What is odd but allowed."""
    notes = []
    if config.solver.method == "sequential":
        notes.append(
            'solver.method = "sequential": the run goes by [embeddings] alone, and looks at none of the candidates, '
            "costs and features that are listed here"
        )
        notes += sequential_notes(config)
    detections = inputs.detections
    empty = detections.frames[np.diff(detections.starts) == 0]
    if len(empty):
        notes.append(f"frames without detections: t = {first_five(empty)}")
    if (warning := unlinkable(config, detections, sizes.n_links)) is not None:
        notes.append(warning)
    elif len(sizes.alone) and len(detections.frames) > 1:
        notes.append(f"detections without any candidate link: {detections.names(sizes.alone)} (frame:label)")
    notes += [note for note in (hardly_measured(movie), measured_on_a_sample(movie)) if note is not None]
    try:
        refuse_existing(config.path(config.output.path), overwrite=False)
    except OutputError as error:
        notes.append(str(error))
    return notes


def _lopsided(terms: tuple[Term, ...]) -> list[str]:
    """Features that links pay for and divisions do not, although divisions replace links."""
    on = {family: {term.feature for term in terms if term.on == family} for family in ("link", "division")}
    lonely = sorted((on["link"] - on["division"] - {"constant"}) & set(known_features("division")))
    if not on["division"] or not lonely:
        return []
    return [
        f"{', '.join(lonely)} prices links but not divisions, which replace two links: "
        'add a term with on = "division", or divisions become rarer or more frequent than you think'
    ]


def _print(found: dict[str, Any]) -> None:
    table = fact_table()
    for name in ("frames", "detections", "links", "divisions", "columns", "pins"):
        table.add_row(name, f"{found[name]:,}")
    if found["blocks"] is not None:
        count, size = found["blocks"]["count"], found["blocks"]["size"]
        lengths = " x ".join(f"{length:.4g}" for length in size[1:])
        table.add_row(
            "blocks", f"{' x '.join(map(str, count))}, of {size[0]:g} frames and {lengths} {found['blocks']['unit']}"
        )
    if found["columns_held"] < found["columns"]:
        table.add_row("held", f"about {found['columns_held']:,} columns; the others could never be chosen")
    table.add_row("memory", f"about {found['memory_mb']:,} MB at the peak of a run, evaluation not counted")
    for term in found["terms"]:
        z = " (z-score)" if term["standardise"] == "zscore" else ""
        table.add_row("term", f"{term['weight']:+g} x {term['on']} {term['feature']}{z}")
    for name, value, meaning in [] if found["measured"] is None else _measured(found["measured"]):
        table.add_row(name, f"{value:.4g}  {meaning}")
    for family, names in found["features"].items():
        table.add_row(f"{family} features", ", ".join(names))
    output().print(table)


def _measured(numbers: dict[str, Any]) -> Iterator[tuple[str, float, str]]:
    """Name, value and meaning of everything the preset auto measured."""
    for key, described in Measured.model_fields.items():
        if key != "properties":
            yield key, numbers[key], described.description or ""
    for name, own in numbers["properties"].items():
        for key, described in MeasuredProperty.model_fields.items():
            yield f"{name}.{key}", own[key], described.description or ""
