"""What is known of a movie, from its truth or from pins, laid onto its linear model."""

import numpy as np

from tracker.config import Annotations, Config
from tracker.errors import ConfigError, InputError
from tracker.inputs import read_annotations
from tracker.matching import match_objects
from tracker.prepare import Prepared, prepare
from tracker.stopwatch import Stopwatch
from tracker.truth import read_truth
from tracker.tuning.cost_model import LinearModel
from tracker.tuning.linear_model import linear_model
from tracker.tuning.more_terms import with_more_terms
from tracker.tuning.parts import Annotated
from tracker.tuning.quick_score import MatchedTruth
from tracker.tuning.target import target_from_pins, target_from_truth


def read_annotated(config: Config, watch: Stopwatch, features: str) -> tuple[Config, Annotated, tuple[str, ...]]:
    """Read, propose, measure, and find out what is decided.

    features: which terms are added, see `with_more_terms`.
    Returns the config with these terms, the movie, and sentences for people. With a truth, pins are checked, but not
    learnt from.
    Raises ConfigError without truth and pins, TruthError for a truth that does not fit, and what `prepare` raises.
    """
    if config.data.truth is None and not config.annotations.pins:
        raise ConfigError(
            "tuning learns from annotations: give a ground truth ([data] truth) or files of pins "
            "([annotations] pins), found neither. `track suggest` says what is worth annotating"
        )
    by_truth = config.data.truth is not None
    read = config.model_copy(update={"annotations": Annotations()}) if by_truth else config
    prepared = prepare(read, watch)
    if by_truth:
        read_annotations(config, prepared.inputs.detections)
    with watch.stage("features", "measuring more features"):
        read, prepared, notes = with_more_terms(read, prepared, features)
        model = linear_model(prepared, read)
    with watch.stage("annotation", "reading the annotation"):
        movie, found = (_from_truth if by_truth else _from_pins)(read, prepared, model)
    given = read.model_copy(update={"annotations": config.annotations})
    return given, movie, (_source(config), found, *notes, *model.warnings)


def _source(config: Config) -> str:
    pins = ", ".join(config.annotations.pins)
    if config.data.truth is None:
        return f"learnt from the pins {pins}"
    return f"learnt from the truth {config.data.truth}" + (f", not from the pins {pins}" if pins else "")


def _from_truth(config: Config, prepared: Prepared, model: LinearModel) -> tuple[Annotated, str]:
    assert config.data.truth is not None
    detections, masks = prepared.inputs.detections, prepared.inputs.masks
    truth = read_truth(config.path(config.data.truth), scale=config.data.scale)
    target, report = target_from_truth(prepared, truth)
    part = truth.select(detections.frames)
    matched = MatchedTruth.make(part, match_objects(detections, part, masks))
    lost = report.lost_links + report.lost_divisions
    note = (
        f"{report.matched} of {report.objects} true objects are detections (by the rule {report.rule!r}); they decide "
        f"{report.links} links, {report.divisions} divisions, {report.appearances} appearances and "
        f"{report.disappearances} disappearances" + (f"; {lost} more are no candidates" if lost else "")
    )
    known = np.isin(detections.frames, part.frames)
    return Annotated(detections, model, target, matched, known), note


def _from_pins(config: Config, prepared: Prepared, model: LinearModel) -> tuple[Annotated, str]:
    detections = prepared.inputs.detections
    assert prepared.pins is not None
    target = target_from_pins(prepared, prepared.pins)
    if not target.decided.any():
        raise InputError(
            f"the pins decide nothing: {len(prepared.pins.table)} rows, of which certain and answered ones that leave "
            "a choice are needed. Answer the rows of `track suggest` with true or false"
        )
    note = (
        f"{len(prepared.pins.table)} pins decide {int(target.decided.sum())} choices; without a complete truth there "
        "is no AOGM: scored is the share of these choices that come out wrong, and there is no search"
    )
    known = np.ones(len(detections.frames), bool)
    return Annotated(detections, model, target, None, known), note
