"""The keys of the viewer: what each does, in one table that binds them and explains them."""

from typing import NamedTuple


class Key(NamedTuple):
    """names: as napari writes them, the first is shown.   action: method of `Window`.   says: what it does."""

    names: tuple[str, ...]
    action: str
    says: str


KEYS = (
    Key(("N",), "next", "next suggestion: its frame, place and zoom"),
    Key(("Shift-N",), "previous", "the suggestion before"),
    Key(("C",), "complete", "these are all its children, as shown (or as picked)"),
    Key(("E",), "end", "it has no children: its track ends here"),
    Key(("L",), "link", "pin what is highlighted (or picked)"),
    Key(("F",), "forbid", "forbid what is highlighted (or picked)"),
    Key(("R",), "reject", "reject it: no cell"),
    Key(("Down",), "turn_down", "highlight the next way"),
    Key(("Up",), "turn_up", "highlight the way before"),
    Key(("Delete", "Backspace"), "take_away", "take its pins away"),
    Key(("U", "Control-Z"), "undo", "undo"),
    Key(("Shift-U", "Control-Shift-Z"), "redo", "do again"),
    Key(("S",), "save", "save the pins"),
)
DIGITS = tuple(str(number) for number in range(1, 10))
DIGITS_SAY = "the way of that number is right: these are all its children"
CLICK_SAYS = "select a cell; with Shift: pick it as a child of the selected one"
