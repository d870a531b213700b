"""`track report`: from a result to report.html beside it."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tracker
from tracker.config_text import render_config
from tracker.errors import ConfigError, OutputError
from tracker.mistakes import KINDS
from tracker.report.arrays import MOST_MISTAKES, lineage_arrays, mistake_arrays, point_radius_px, show
from tracker.report.contours import Contours
from tracker.report.numbers import headline, margin_histogram
from tracker.report.outlines import UNIT_PX, centre_units, outline_movie, pack_outlines
from tracker.report.pack import pack
from tracker.report.page_text import page
from tracker.report.pictures import BASE64, Pictures, draw_pictures
from tracker.report.sample import chosen_rows
from tracker.report.source import Source

NAME = "report.html"
SMALLEST_MB = 0.5
_BYTES_PER_DETECTION = 26  # of arrays, as base64 of gzip
_LINEAGE_SHARE, _POINTS_SHARE, _LINE_SHARE = 0.3, 0.85, 0.5  # of the file; points alone need no room for pictures
_THINNINGS = (1, 2, 4, 8)
_SLICED_VOXELS, _SLICES = 200_000_000, 1500


def check_size(max_size_mb: float) -> None:
    """Raise ConfigError for a size that no report keeps."""
    if not SMALLEST_MB <= max_size_mb < float("inf"):
        raise ConfigError(f"--max-size-mb must be at least {SMALLEST_MB}; found {max_size_mb:g}")


def refuse_report(folder: Path, overwrite: bool) -> None:
    """Raise OutputError when report.html is there and may not be replaced: ask before any work is done."""
    path = folder / NAME
    if os.path.lexists(path) and not overwrite:
        raise OutputError(f"{path} exists already; replace it with --overwrite")


def write_report(
    source: Source, *, max_size_mb: float = 20.0, progress: Callable[[str], None] = lambda stage: None
) -> Path:
    """Write report.html into the folder of the result, beside and renamed; returns its path.

    max_size_mb: of the file, 10^6 bytes. To keep it, pictures get coarser, then smaller, then fewer; outlines lose
    points, then give way to disks; and only whole lineages are shown, those most worth a look. The page says so.
    Raises ConfigError below 0.5 MB; MovieError when frames cannot be read or masks do not fit; OutputError.
    """
    check_size(max_size_mb)
    parts = _parts(source, 1e6 * max_size_mb, progress)
    path = source.folder / NAME
    partial = path.with_name(f".{NAME}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(parts)
        partial.replace(path)
    except OSError as error:
        raise OutputError(
            f"the report cannot be written to {path}: {error.strerror or error}. Nothing there was changed"
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return path


def _parts(source: Source, max_bytes: float, progress: Callable[[str], None]) -> Iterator[str]:
    """The text of the page."""
    lineage, found = source.lineage, source.lineage.detections
    wrong = np.empty(0, np.int64) if source.mistakes is None else source.mistakes.rows.ravel()
    share = _POINTS_SHARE if source.masks is None and source.images is None else _LINEAGE_SHARE
    most = int(share * max_bytes / _BYTES_PER_DETECTION)
    shown = show(chosen_rows(lineage, source.margin, wrong, most), len(found))
    arrays = {**lineage_arrays(source, shown), **mistake_arrays(source, shown)}
    planes = _planes(source)
    drawn: list[Contours] = []
    if source.masks is not None:
        progress("drawing outlines")
        drawn = _of_rows(outline_movie(lineage, source.mask_label, source.masks, planes), shown.number)
    described, data, thinning, planes = _packed(arrays, drawn, planes, centre_units(lineage)[shown.rows], max_bytes)
    script = sum(len(part) for part in page(_meta(source, [], None, described, planes), [], b"", {}))
    pictures = None
    if source.images is not None and (source.image_frames >= 0).any():
        progress("drawing pictures")
        left = max_bytes - BASE64 * len(data) - 1.5 * script
        pictures = draw_pictures(source.images, source.image_frames, planes, left)
        if len(planes) > 1 and (pictures.every > 1 or pictures.scale < 0.5):
            planes = [-1]
            pictures = draw_pictures(source.images, source.image_frames, planes, left)
    said = _said(source, len(shown.rows), thinning, pictures, planes)
    meta = _meta(source, said, pictures, described, planes)
    return page(meta, headline(source), data, {} if pictures is None else pictures.webp)


def _planes(source: Source) -> list[int]:
    """The planes to show: from above, and every z where these are cheap."""
    movie = source.masks if source.masks is not None else source.images
    if movie is None or len(movie.shape) == 2:
        return [-1]
    steps, depth = len(source.lineage.detections.frames), movie.shape[0]
    cheap = steps * depth <= _SLICES and steps * int(np.prod(movie.shape)) <= _SLICED_VOXELS
    return [-1, *range(depth)] if cheap else [-1]


def _of_rows(drawn: list[Contours], number: NDArray[np.int64]) -> list[Contours]:
    """The contours of the detections that are shown, counted among them."""
    out = []
    for contours in drawn:
        row = number[contours.label]
        kept = row >= 0
        points = contours.points[np.repeat(kept, np.diff(contours.start))]
        start = np.append(0, np.cumsum(np.diff(contours.start)[kept]))
        out.append(Contours(row[kept], start, points))
    return out


def _packed(
    arrays: dict[str, NDArray[np.generic]],
    drawn: list[Contours],
    planes: list[int],
    centre: NDArray[np.int64],
    max_bytes: float,
) -> tuple[list[dict[str, Any]], bytes, int, list[int]]:
    """Numbers and outlines, thinned until they take no more than their share; the thinning, 0 = none drawn."""
    if drawn:
        for shown in [planes, [-1]] if len(planes) > 1 else [planes]:
            lines = drawn[:: len(planes)] if shown == [-1] else drawn
            for thinning in _THINNINGS:
                outlines = pack_outlines(lines, shown, centre, thinning)
                columns = {
                    "line_row": outlines.row.astype("i4"),
                    "line_plane": outlines.plane.astype("i2"),
                    "line_length": outlines.length.astype("i4"),
                    "line_points": outlines.points.astype("i2"),
                }
                described, data = pack({**arrays, **columns})
                if BASE64 * len(data) <= _LINE_SHARE * max_bytes:
                    return described, data, thinning, shown
    described, data = pack(arrays)
    return described, data, 0, [-1]


def _said(source: Source, n_shown: int, thinning: int, pictures: Pictures | None, planes: list[int]) -> list[str]:
    """What a reader must know about what is not shown, or not as it is."""
    lineage, found = source.lineage, source.lineage.detections
    said = [str(note) for note in source.run["notes"]]
    writer = source.run["versions"].get("pintrack", "unknown")
    if writer != tracker.__version__:
        said.append(f"The result was made by pintrack {writer}, this page by {tracker.__version__}.")
    if source.metrics is not None:
        said += [str(note) for note in source.metrics["warnings"]]
    if n_shown < len(found):
        said.append(
            f"To keep the file small it holds {n_shown:,} of {len(found):,} detections: whole lineages, those with "
            "errors first, then those with the least certain decisions. The numbers above and the histogram are of all."
        )
    if thinning == 0 and source.masks is not None:
        said.append("To keep the file small cells are disks; their masks are in the result's folder.")
    elif thinning > 1:
        said.append(f"To keep the file small outlines have one of {thinning} of their points.")
    if pictures is not None and pictures.scale < 1:
        said.append(f"To keep the file small pictures have {100 * pictures.scale:.0f} % of their width and height.")
    if pictures is not None and pictures.every > 1:
        said.append(f"To keep the file small one frame of {pictures.every} has its picture; tracks are in all.")
    lacking = int((source.image_frames < 0).sum())
    if source.images is not None and lacking:
        said.append(f"The images have no picture of {lacking:,} of the {len(found.frames):,} frames.")
    if found.ndim == 3 and (source.masks is not None or source.images is not None):
        said.append(
            "Volumes are seen from above, the maximum along z" + (", or plane by plane." if len(planes) > 1 else ".")
        )
    if source.mistakes is not None and len(source.mistakes) > 0:
        most = int(np.bincount(source.mistakes.kind).max())
        limit = MOST_MISTAKES // len(KINDS)
        if most > limit:
            said.append(f"Of each kind of error the first {limit:,} are listed.")
    if not np.isfinite(source.margin).any() and len(lineage.links):
        said.append("No margins were measured (output.margins), so nothing says how sure the decisions are.")
    return said


def _meta(
    source: Source,
    notes: list[str],
    pictures: Pictures | None,
    described: list[dict[str, Any]],
    planes: list[int],
) -> dict[str, Any]:
    """Everything in the page that is not an array."""
    lineage, found, run = source.lineage, source.lineage.detections, source.run
    movie = source.masks if source.masks is not None else source.images
    bare = _without_comments(render_config(source.config))
    counts = np.zeros(len(KINDS), np.int64)
    if source.mistakes is not None:
        counts = np.bincount(source.mistakes.kind, minlength=len(KINDS))
    return {
        "title": f"pintrack · {source.folder.resolve().name}",
        "subtitle": f"{len(found):,} cells in {len(found.frames):,} frames, {len(lineage.divisions):,} divisions",
        "notes": notes,
        "frames": found.frames.tolist(),
        "shape": None if movie is None else [int(side) for side in movie.shape[-2:]],
        "dimensions": found.ndim,
        "planes": planes,
        "unit": found.unit,
        "scale": found.scale.tolist(),
        "line_unit_px": UNIT_PX,
        "point_radius_px": point_radius_px(source),
        "has_masks": source.masks is not None,
        "pictures": None if pictures is None else {"scale": pictures.scale, "every": pictures.every},
        "n_detections": len(found),
        "n_tracks": int(lineage.track_id.max(initial=0)),
        "n_lineages": int(lineage.appears.sum()),
        "histogram": margin_histogram(lineage, source.margin),
        "margins": source.config.output.margins,
        "has_truth": source.mistakes is not None,
        "kinds": list(KINDS),
        "kind_counts": counts.tolist(),
        "config": bare,
        "versions": dict(run["versions"]),
        "seconds": dict(run["seconds"]),
        "counts": dict(run["counts"]),
        "run": {key: run[key] for key in ("status", "objective", "bound", "gap", "proof", "peak_memory_mb")},
        "arrays": described,
    }


def _without_comments(text: str) -> str:
    """The TOML without its comments: what was asked, and nothing else."""
    lines = [line.split("  # ")[0].rstrip() for line in text.splitlines() if not line.startswith("#")]
    return "\n".join(lines).strip() + "\n"
