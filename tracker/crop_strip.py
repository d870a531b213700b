"""Draw one strip: panels side by side, cells outlined in them, and in words what they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_erosion

Style = Literal["cell", "parent", "child", "grandchild", "candidate"]
Color = tuple[int, int, int]

YELLOW, CYAN, MAGENTA = (255, 214, 10), (64, 206, 255), (255, 116, 208)
PANEL_PX, GAP_PX, HEADER_PX, FOOTER_PX = 360, 8, 80, 30
_DARK, _BLANK, _INK, _FAINT = (16, 20, 27), (29, 36, 47), (230, 234, 240), (150, 160, 175)
_DASH_PX = 9

# Colour, width in pixels of the strip, whether dashed; drawn in this order, the last on top.
_STYLES: dict[Style, tuple[Color, int, bool]] = {
    "candidate": (MAGENTA, 2, True),
    "parent": (YELLOW, 1, False),
    "grandchild": (CYAN, 1, False),
    "child": (CYAN, 3, False),
    "cell": (YELLOW, 3, False),
}


@dataclass(frozen=True)
class Outline:
    """A cell to be outlined: inside: (h, w) bool, its pixels.   text: written above it."""

    inside: NDArray[np.bool_]
    style: Style
    text: str


@dataclass(frozen=True)
class Panel:
    """One frame. grey: (h, w) float64 in 0..1, or None for a blank panel, on which the title says why.

    labels: (h, w) integers, 0 = background: every region gets a faint edge.
    """

    title: str
    grey: NDArray[np.float64] | None
    labels: NDArray[np.int64]
    outlines: Sequence[Outline] = ()


def draw_strip(panels: Sequence[Panel], title: str, subtitle: str, other_candidates: str) -> Image.Image:
    """RGB picture of the panels in a row, each fitted into a square of PANEL_PX, with title above and legend below."""
    width = len(panels) * (PANEL_PX + GAP_PX) + GAP_PX
    strip = Image.new("RGB", (width, HEADER_PX + PANEL_PX + FOOTER_PX), _DARK)
    draw = ImageDraw.Draw(strip)
    draw.text((GAP_PX, 18), title, _INK, ImageFont.load_default(19), anchor="lm")
    draw.text((GAP_PX, 42), subtitle, _FAINT, ImageFont.load_default(14), anchor="lm")
    for index, panel in enumerate(panels):
        left, top = panel_corner(index)
        if panel.grey is None:
            strip.paste(_BLANK, (left, top, left + PANEL_PX, top + PANEL_PX))
            middle = (left + PANEL_PX // 2, top + PANEL_PX // 2)
            draw.text(middle, panel.title, _FAINT, ImageFont.load_default(16), anchor="mm")
            continue
        draw.text((left, top - 11), panel.title, _INK, ImageFont.load_default(14), anchor="lm")
        picture = _draw_panel(panel, panel.grey)
        strip.paste(picture, (left + (PANEL_PX - picture.width) // 2, top + (PANEL_PX - picture.height) // 2))
    _draw_legend(draw, other_candidates)
    return strip


def panel_corner(index: int) -> tuple[int, int]:
    """Left and top of the square of a panel in the strip, in pixels."""
    return GAP_PX + index * (PANEL_PX + GAP_PX), HEADER_PX


def _draw_panel(panel: Panel, grey: NDArray[np.float64]) -> Image.Image:
    """The panel, its longer side PANEL_PX, each of its pixels a block of pixels."""
    height, width = (max(1, round(PANEL_PX * side / max(grey.shape))) for side in grey.shape)
    grid = np.ix_(np.arange(height) * grey.shape[0] // height, np.arange(width) * grey.shape[1] // width)
    pixels = np.repeat((255 * np.clip(grey, 0, 1)).astype(np.uint8)[grid][:, :, None], 3, axis=2)
    labels = panel.labels[grid]
    border = np.zeros(labels.shape, bool)
    border[:-1] |= labels[:-1] != labels[1:]
    border[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    pixels[border] = pixels[border] // 2 + np.array(_FAINT, np.uint8) // 2
    names = []
    for style, (color, width_px, dashed) in _STYLES.items():
        for outline in panel.outlines:
            inside = outline.inside[grid]
            if outline.style != style or not inside.any():
                continue
            rows, columns = np.nonzero(_edge(inside, width_px, dashed))
            pixels[rows, columns] = color
            down, across = np.nonzero(inside)
            names.append((float(across.min() + across.max() + 1) / 2, int(down.min()), outline.text, color))
    picture = Image.fromarray(pixels)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    for middle, top, text, color in names:
        half = draw.textlength(text, font) / 2 + 2
        place = (float(np.clip(middle, half, max(half, width - half))), max(top - 2, 14))
        draw.text(place, text, color, font, anchor="mb", stroke_width=2, stroke_fill=(0, 0, 0))
    return picture


def _edge(inside: NDArray[np.bool_], width_px: int, dashed: bool) -> NDArray[np.bool_]:
    """The outermost `width_px` pixels of a region; where it leaves the picture there is no edge."""
    edge = np.zeros(inside.shape, bool)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    # One pixel more than its box, so that inside the picture the region ends within what is looked at.
    box = (slice(max(rows[0] - 1, 0), rows[-1] + 2), slice(max(columns[0] - 1, 0), columns[-1] + 2))
    edge[box] = inside[box] & ~binary_erosion(inside[box], np.ones((3, 3)), iterations=width_px, border_value=1)
    if dashed:
        y, x = np.nonzero(edge)
        dy, dx = y - y.mean(), x - x.mean()
        dashes = max(4, round(2 * np.pi * float(np.hypot(dy, dx).mean()) / (2 * _DASH_PX)))
        off = np.floor((np.arctan2(dy, dx) / np.pi + 1) * dashes) % 2 == 1
        edge[y[off], x[off]] = False
    return edge


def _draw_legend(draw: ImageDraw.ImageDraw, other_candidates: str) -> None:
    entries = (
        ("this cell (thin: its parent)", YELLOW),
        ("the model's answer (thin: what comes of it)", CYAN),
        (other_candidates, MAGENTA),
    )
    font, left, middle = ImageFont.load_default(14), GAP_PX, HEADER_PX + PANEL_PX + FOOTER_PX // 2
    for text, color in entries:
        if not text:
            continue
        draw.rectangle((left, middle - 5, left + 10, middle + 5), outline=color, width=3)
        draw.text((left + 17, middle), text, _INK, font, anchor="lm")
        left += 17 + int(draw.textlength(text, font)) + 28
