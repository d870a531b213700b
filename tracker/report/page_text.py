"""The page itself: template, style and script, which lie beside as they are, filled with a result."""

import html
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from tracker.report.pack import as_base64, as_json

# In the order in which the browser reads them; together they are one function.
SCRIPTS = (
    "unpack", "state", "view", "pictures", "cells", "marks", "movie", "playback", "timeline", "families", "tree",
    "strips", "histogram", "uncertain", "mistakes", "selection", "tabs", "keys", "start",
)  # fmt: skip


def page(
    meta: Mapping[str, Any], tiles: Sequence[Mapping[str, str]], data: bytes, webp: Mapping[tuple[int, int], bytes]
) -> Iterator[str]:
    """The parts of report.html, to be written one after the other: pictures are many bytes.

    meta: everything but numbers, as JSON.   data: see `pack`.   webp: (step, plane) -> picture.
    """
    folder = files("tracker.report") / "page"

    def text(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    script = "\n".join(text(f"{name}.js") for name in SCRIPTS)
    filled = {
        "TITLE": html.escape(str(meta["title"])),
        "SUBTITLE": html.escape(str(meta["subtitle"])),
        "STYLE": text("page.css"),
        "TILES": "\n".join(_tile(tile) for tile in tiles),
        "NOTES": "".join(f"<li>{html.escape(note)}</li>" for note in meta["notes"]),
        "SCRIPT": f'(() => {{\n"use strict";\n{script}\n}})();',
        "META": as_json(meta),
        "DATA": as_base64(data),
    }
    before, after = text("page.html").split("<!--PICTURES-->")
    yield _fill(before, filled)
    for (step, plane), picture in webp.items():
        yield f'<script type="text/plain" id="picture-{step}-{plane}">{as_base64(picture)}</script>\n'
    yield _fill(after, filled)


def _fill(template: str, filled: Mapping[str, str]) -> str:
    """Put each text in the place of its mark, <!--NAME--> or /*NAME*/; what is put in is not looked at again."""
    parts = [template]
    for name, text in filled.items():
        for mark in (f"<!--{name}-->", f"/*{name}*/"):
            parts = [
                piece
                for index, part in enumerate(parts)
                for piece in (_split(part, mark, text) if index % 2 == 0 else [part])
            ]
    return "".join(parts)


def _split(part: str, mark: str, text: str) -> list[str]:
    """The template around each mark, and between two of its pieces the text: template pieces stay at even places."""
    pieces = part.split(mark)
    return [piece for index, one in enumerate(pieces) for piece in ([one] if index == 0 else [text, one])]


def _tile(tile: Mapping[str, str]) -> str:
    name, value, note, meaning = (html.escape(tile[key]) for key in ("name", "value", "note", "meaning"))
    return (
        f'<div class="tile" tabindex="0"><dt>{name}</dt><dd class="value">{value}</dd><dd class="note">{note}</dd>'
        f'<dd class="meaning" role="tooltip">{meaning}</dd></div>'
    )
