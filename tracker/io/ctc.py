"""Cell Tracking Challenge folders and their track tables, read."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracker.errors import MovieError, TruthError, first_five
from tracker.io.tiff import is_tiff, list_tiffs
from tracker.io.zarr_movie import is_zarr

#: Where the masks of sequence NN may lie, the best first; gold masks (NN_GT) are handled apart.
SEGMENTATIONS = ("{}_SEG", "{}_ST/SEG", "{}_RES", "{}_ERR_SEG")
IMAGE_NAMES = ("images", "image", "img", "raw")
MASK_NAMES = ("masks", "mask", "segmentation", "seg", "labels", "label")
TRUTH_NAMES = ("tra", "truth", "gt")


@dataclass(frozen=True)
class Sequence:
    """A movie found in a folder: its images, its label masks and its ground truth where there are any."""

    name: str
    images: Path
    segmentation: Path | None
    truth: Path | None


@dataclass(frozen=True)
class CtcTracks:
    """Tracks of a `*_track.txt`, n rows in the order of the file, all int64.

    label: (n,) > 0.   begin, end: (n,) first and last frame.   parent: (n,) label of the parent, 0 = none.
    """

    label: NDArray[np.int64]
    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    parent: NDArray[np.int64]


def find_sequences(folder: Path) -> list[Sequence]:
    """The movies in a folder, by name; empty when it holds none of a known layout.

    Known are the Cell Tracking Challenge (images `01`, masks in the first of `01_SEG`, `01_ST/SEG`, `01_RES`,
    `01_ERR_SEG`, `01_GT/SEG` if there is a mask for every image, `01_GT/TRA`; truth `01_GT/TRA`), where `folder` holds
    the sequences or is one; and `images` (or raw) next to `masks` (or segmentation, labels), as folders, multi-page
    TIFFs or zarr. Raises MovieError when there is no such folder.
    """
    if not folder.is_dir():
        raise MovieError(f"no folder {folder}")
    if folder.name.isdigit() and list_tiffs(folder):
        return [_ctc_sequence(folder)]
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    numbered = [_ctc_sequence(entry) for entry in entries if entry.name.isdigit() and _holds_tiffs(entry)]
    if numbered:
        return numbered
    images = _named(entries, IMAGE_NAMES)
    if images is None:
        return []
    truth = next((path for path in entries if path.name.lower() in TRUTH_NAMES and _track_tables(path)), None)
    return [Sequence(folder.resolve().name, images, _named(entries, MASK_NAMES), truth)]


def find_track_table(folder: Path) -> Path:
    """The track table of a folder of masks: man_track.txt, res_track.txt or the only `*_track.txt`; a file is itself.

    Raises TruthError when there is none, or several of other names.
    """
    if folder.is_file():
        return folder
    tables = _track_tables(folder)
    if not tables:
        raise TruthError(f"no track table (man_track.txt, res_track.txt) in {folder}")
    usual = [table for name in ("man_track.txt", "res_track.txt") for table in tables if table.name == name]
    if not usual and len(tables) > 1:
        raise TruthError(f"several track tables in {folder}: {first_five(t.name for t in tables)}. Name one of them")
    return (usual or tables)[0]


def read_track_table(path: Path) -> CtcTracks:
    """Read a track table: one track per line, `label begin end parent`, parent 0 = none.

    Raises TruthError for a line that is not four integers, a label that is not positive or comes twice, a track that
    ends before it begins, a parent that is not in the table, and a parent that ends after its child has begun.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TruthError(f"cannot read the track table {path}: {error}") from error
    lines, rows, malformed = [], [], []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) == 4 and all(re.fullmatch(r"-?\d{1,18}", field) for field in fields):
            rows.append([int(field) for field in fields])
            lines.append(number)
        else:
            malformed.append(f"line {number}: {line.strip()!r}")
    if malformed:
        raise TruthError(
            f"a track table needs four integers per line, label begin end parent; "
            f"found in {path} {first_five(malformed)}"
        )
    table = np.array(rows, np.int64).reshape(-1, 4)
    tracks = CtcTracks(*np.ascontiguousarray(table.T))
    _check_tracks(tracks, np.array(lines, np.int64), path)
    return tracks


def _check_tracks(tracks: CtcTracks, line: NDArray[np.int64], path: Path) -> None:
    """Raise TruthError for tracks that contradict themselves or each other."""

    def refuse(rows: NDArray[np.bool_], wanted: str) -> None:
        if rows.any():
            named = [f"line {line[k]} (track {tracks.label[k]})" for k in np.flatnonzero(rows)]
            raise TruthError(f"{wanted}; found otherwise in {path} {first_five(named)}")

    refuse(tracks.label <= 0, "the label of a track must be positive")
    order = np.argsort(tracks.label, kind="stable")
    ordered = tracks.label[order]
    repeated = np.zeros(len(order), bool)
    repeated[order[1:]] = ordered[1:] == ordered[:-1]
    refuse(repeated, "a track must have one line")
    refuse((tracks.begin < 0) | (tracks.end < tracks.begin), "a track must begin at 0 or later and not after its end")
    child = np.flatnonzero(tracks.parent != 0)
    place = np.searchsorted(ordered, tracks.parent[child])
    known = np.zeros(len(child), bool)
    known[place < len(order)] = ordered[place[place < len(order)]] == tracks.parent[child][place < len(order)]
    orphan = np.zeros(len(order), bool)
    orphan[child[~known]] = True
    refuse(orphan, "the parent of a track must be 0 or a track of the table")
    early = np.zeros(len(order), bool)
    early[child] = tracks.end[order[place]] >= tracks.begin[child]
    refuse(early, "a track must begin after its parent ends")


def _ctc_sequence(images: Path) -> Sequence:
    """What lies around the image folder NN."""
    parent, number = images.parent, images.name
    gold, markers = parent / f"{number}_GT" / "SEG", parent / f"{number}_GT" / "TRA"
    candidates = [parent / name.format(number) for name in SEGMENTATIONS]
    if _holds_tiffs(gold) and len(list_tiffs(gold)) == len(list_tiffs(images)):
        candidates.append(gold)
    candidates.append(markers)
    return Sequence(
        name=number,
        images=images,
        segmentation=next((path for path in candidates if _holds_tiffs(path)), None),
        truth=markers if _track_tables(markers) else None,
    )


def _holds_tiffs(path: Path) -> bool:
    return path.is_dir() and bool(list_tiffs(path))


def _track_tables(folder: Path) -> list[Path]:
    return sorted(folder.glob("*_track.txt")) if folder.is_dir() else []


def _named(entries: list[Path], names: tuple[str, ...]) -> Path | None:
    """The movie among the entries whose name, without the suffix of a file or zarr, is the earliest of `names`."""
    movies = {}
    for entry in entries:
        if entry.is_file() and is_tiff(entry):
            movies[entry.stem.lower()] = entry
        elif _holds_tiffs(entry) or (entry.is_dir() and is_zarr(entry)):
            movies[entry.name.lower().removesuffix(".zarr").removesuffix(".ome")] = entry
    return next((movies[name] for name in names if name in movies), None)
