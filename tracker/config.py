"""The config file: every key with its type, default and meaning. Unknown keys are refused."""

import importlib.util
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from tracker.config_ascent import Ascent
from tracker.config_blocks import Blocks
from tracker.config_dense import Maester, Tap
from tracker.config_learning import Attrackt, Autoencoder, Finetune, Network, Reid, Trackastra, Training, Windows
from tracker.config_measured import Measured
from tracker.config_motile import MotileTerm, split_terms
from tracker.config_problems import explain, points_hint
from tracker.config_sam import Sam
from tracker.config_scores import AssociationSettings, DivisionScoreSettings, EmbeddingSettings
from tracker.config_segment import Cellulus
from tracker.config_sequential import Sequential
from tracker.config_stardist import Stardist
from tracker.config_store import StoreSettings
from tracker.config_tuning import Tuning
from tracker.errors import ConfigError, MissingExtraError
from tracker.presets import PRESETS

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0)]  # may be inf; NaN is refused
Count = Annotated[int, Field(ge=0)]

_PACKAGE_EXTRAS = {"trackastra": "demo"}


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, ser_json_inf_nan="strings"
    )  # JSON has no infinity; as text it is read back


class Data(_Section):
    """What to track. Give segmentation or points; images are needed only by features that look at intensities."""

    images: str | None = None
    """Folder of TIFFs, multi-page TIFF or zarr."""
    segmentation: str | None = None
    """Label masks: folder of TIFFs, multi-page TIFF or zarr; 0 is background."""
    points: str | None = None
    """Instead of masks: CSV (id,t,[z],y,x), TrackMate XML or geff."""
    truth: str | None = None
    """Ground truth to score the result with: CTC folder, or points table with parent_id."""
    scale: tuple[Positive, ...] | None = None
    """Size of a pixel along [z,] y, x in `unit`; default 1 everywhere."""
    unit: str = "pixel"
    """Name of the length unit of positions and distances."""
    frames: tuple[Count, Count] | None = None
    """Half-open range of frames, counted from the first of the input; default all."""
    every: Annotated[int, Field(ge=1)] = 1
    """Keep every n-th frame."""
    channel: Count = 0
    """Which channel of a multi-channel image."""

    @model_validator(mode="after")
    def _one_source(self) -> "Data":
        given = [source for source in (self.segmentation, self.points) if source is not None]
        if len(given) == 2 or not (given or self.images):  # images alone are enough to find objects in
            found = "both" if given else "neither"
            raise ValueError(f"give either segmentation (masks) or points, found {found}")
        if self.frames is not None and self.frames[0] >= self.frames[1]:
            raise ValueError(f"frames = {list(self.frames)} is empty; the second number must be larger than the first")
        return self


class Candidates(_Section):
    """Which links and divisions the solver may choose from."""

    neighbors: Count = 10
    """Nearest detections to propose per detection and frame gap; 0 = all within max_distance."""
    direction: Literal["backward", "forward", "both"] = "backward"
    """Nearest in the earlier frame, in the later one, or the union of both."""
    max_distance: Positive = float("inf")
    """Longest link, in data.unit per frame of gap."""
    max_frame_gap: Annotated[int, Field(ge=1)] = 1
    """1 links neighbouring frames; 2 also bridges one frame in which a cell is missing, and so on."""
    divisions: Literal["pair", "split", "none"] = "pair"
    """pair: each pair of children has its own cost; split: two links plus costs.division; none: no divisions."""
    pairs_per_parent: Count = 0
    """Keep only this many divisions of a parent, those with the nearest midpoint; 0 = all."""
    division_max_distance: Positive = float("inf")
    """Farthest child of a division, in data.unit per frame of gap."""
    materialise: Literal["auto", "all", "needed"] = "auto"
    """all: hold every candidate in memory; needed: those that could be chosen; auto: needed above five million."""

    @model_validator(mode="after")
    def _bounded(self) -> "Candidates":
        if self.neighbors == 0 and self.max_distance == float("inf"):
            raise ValueError("neighbors = 0 proposes every detection within max_distance; give a finite max_distance")
        return self


class Term(_Section):
    """One term of the cost: weight times feature. Lower cost is better."""

    on: Literal["link", "division", "detection"]
    """What it prices: link, division or detection."""
    feature: str
    """Which feature; `track check` lists them."""
    weight: Finite = 1.0
    """Positive punishes large values, negative rewards them."""
    standardise: Literal["zscore", "none"] = "none"
    """zscore: minus the mean, over the standard deviation of all candidates of its kind; none: as it is."""


class CostSettings(_Section):
    """What choices cost."""

    preset: Literal["auto", "attrackt", "trackastra", "nuclei", "embryo", "none"] = "auto"
    """auto: measured on the movie; none: only the terms here; the others are fixed weights (docs/presets.md)."""
    appear: Finite = 1.0
    """Cost of a cell appearing, except in the first frame and after an empty one; auto: times how unlikely that is."""
    disappear: Finite = 1.0
    """Cost of a cell disappearing, except in the last frame and before an empty one; auto: times how unlikely."""
    division: Finite = 0.0
    """Cost added to every division."""
    detection: Literal["keep"] | Finite = "keep"
    """keep: every detection is a cell; or a number: the cost of using one (negative = reward)."""
    border_px: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Appearing and disappearing are free closer than this to the image edge (y and x); 0 = never."""
    terms: tuple[Term, ...] = ()
    """Further terms; they add to the preset."""
    motile: tuple[MotileTerm, ...] = ()
    """Terms that name a motile class of your own; `[[costs.terms]]` with `motile = ...` comes here."""
    measure_detections: Annotated[int, Field(ge=1000)] = 50_000
    """auto: movies with more detections are measured on windows of frames with about so many in all."""
    measured: Measured | None = None
    """The numbers of the preset auto, frozen; without them every run measures them."""

    @model_validator(mode="before")
    @classmethod
    def _constants_of_preset(cls, given: Any) -> Any:
        """The preset's constants where none are given; terms of motile classes apart."""
        if isinstance(given, dict):
            given = split_terms(given)
        preset = PRESETS.get(given.get("preset", "none")) if isinstance(given, dict) else None
        return given if preset is None else {**preset.constants, **given}

    @property
    def measures(self) -> bool:
        """Whether the movie is measured before it is priced: some term, or one of the preset, is on surprise."""
        features = [feature for _, feature, _, _ in PRESETS[self.preset].terms]
        return "surprise" in [*features, *(term.feature for term in self.terms)]


class Features(_Section):
    """How features are measured."""

    overlap_shift: Literal["none", "centroid", "drift"] | tuple[int, ...] = "none"
    """Moves a parent's mask before `overlap`: none, centroid, drift (measured), or pixels per frame along [z,] y, x."""
    flow: Literal["none", "neighbors"] = "none"
    """neighbors: the local motion that `velocity` needs, the median displacement of confident links nearby."""


class Annotations(_Section):
    """What people know about the movie."""

    pins: tuple[str, ...] = ()
    """Files of pins (CSV); what is certain in them is honoured, whatever it costs."""
    soft_weight: Finite = 1.0
    """Cost per unit of log-odds of pins with a confidence."""


class Solving(_Section):
    """How the optimum is found."""

    method: Literal["ilp", "sequential"] = "ilp"
    """ilp: the proven optimum; sequential: frame by frame by [embeddings] alone, a peer without divisions or proof."""
    engine: Literal["flow", "motile"] = "flow"
    """flow: the program of docs/ilp.md; motile: through motile and SCIP alone, for comparison."""
    backend: Literal["highs", "scip", "gurobi", "cuopt"] = "highs"
    """highs is built in; the others need their packages (and Gurobi a licence, cuOpt a GPU)."""
    gap: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Relative gap at which to stop; 0 = the proven optimum."""
    time_limit_s: Positive = float("inf")
    """Seconds for solving; the best lineage found by then is written, with its gap."""
    threads: Count = 0
    """Components solved at once; 0 = all cores."""
    seed: Count = 0
    """Seed of the solver."""


class Output(_Section):
    """Where the result goes."""

    path: str = "result"
    """Folder to make."""
    margins: Literal["none", "bound", "exact"] = "bound"
    """How sure each decision is: none; bound: a proven lower bound from reduced costs; exact: by re-solving."""
    masks: Literal["ctc", "zarr"] = "ctc"
    """Tracked masks: ctc, files of the Cell Tracking Challenge; zarr, one OME-Zarr image, masks.zarr."""


class Config(_Section):
    """A whole run."""

    data: Data
    candidates: Candidates = Candidates()
    costs: CostSettings = CostSettings()
    features: Features = Features()
    embeddings: EmbeddingSettings | None = None
    associations: AssociationSettings | None = None
    division_scores: DivisionScoreSettings | None = None
    annotations: Annotations = Annotations()
    solver: Solving = Solving()
    sequential: Sequential | None = None
    blocks: Blocks | None = None
    tuning: Tuning = Tuning()
    output: Output = Output()
    store: StoreSettings | None = None
    training: Training | None = None
    windows: Windows | None = None
    network: Network | None = None
    autoencoder: Autoencoder | None = None
    reid: Reid | None = None
    maester: Maester | None = None
    tap: Tap | None = None
    sam: Sam | None = None
    cellulus: Cellulus | None = None
    stardist: Stardist | None = None
    ascent: Ascent | None = None
    attrackt: Attrackt | None = None
    trackastra: Trackastra | None = None
    finetune: Finetune | None = None
    _folder: Path = PrivateAttr(default_factory=Path)

    @property
    def blockwise(self) -> Blocks | None:
        """How the movie is cut into blocks; None where it is solved at once: without [blocks] and without [store]."""
        return None if self.blocks is None and self.store is None else self.blocks or Blocks()

    def path(self, value: str) -> Path:
        """A path of the config: relative to the config's folder; `package:NAME/path` lies in an installed package."""
        if value.startswith("package:"):
            return _package_path(value)
        place = self._folder / Path(value).expanduser()
        if ".." not in place.parts:
            return place
        return Path(os.path.realpath(place.parent), place.name)  # `new/../images` is there before `new` is

    def at(self, folder: Path) -> "Config":
        """The same config, its relative paths counted from `folder`."""
        copy = self.model_copy()
        copy._folder = folder
        return copy


def load_config(path: Path, overrides: list[str] | None = None) -> Config:
    """Read a TOML file. overrides: `section.key=VALUE`, VALUE is TOML, else a string. Raises ConfigError."""
    init = f"`track init {path}` writes one"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin a file with a mark
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist. `track init FOLDER` writes a config for a folder") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path} is a folder, wanted a config file. {points_hint(path) or init}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        hint = points_hint(path)
        raise ConfigError(f"{path} is not valid TOML: {error}" + (f". {hint}" if hint else "")) from error
    return make_config(content, overrides, name=str(path), folder=path.parent)


def make_config(
    content: dict[str, Any], overrides: list[str] | None = None, *, name: str = "config", folder: Path = Path()
) -> Config:
    """A checked Config from nested dictionaries. Raises ConfigError that names section, key and the nearest key."""
    given = [_override(content, override) for override in overrides or []]
    try:
        return Config.model_validate(content).at(folder)
    except ValidationError as error:
        raise ConfigError(explain(error, Config, name, given)) from error


def _override(content: dict[str, Any], override: str) -> list[Any]:
    """Set a key in `content`; returns where it lies."""
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or len(parts) < 2 or not all(parts):
        raise ConfigError(f"--set wants section.key=VALUE, such as solver.gap=0.01, found {override!r}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    table = content
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {override}: {part} is not a section")
    table[parts[-1]] = value
    return parts


def _package_path(value: str) -> Path:
    package, _, inside = value.removeprefix("package:").partition("/")
    if not package.isidentifier() or not inside:
        raise ConfigError(f"wanted package:NAME/path, a file inside an installed package, found {value!r}")
    spec = importlib.util.find_spec(package)
    if spec is not None and spec.submodule_search_locations:
        return Path(spec.submodule_search_locations[0]) / inside
    if package in _PACKAGE_EXTRAS:
        raise MissingExtraError(package, _PACKAGE_EXTRAS[package], f"the path {value!r}")
    raise ConfigError(f"the path {value!r} needs the package {package}, which is not installed here")
