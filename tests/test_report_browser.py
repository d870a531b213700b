"""report.html in a real browser, from a file: slider, play, tree and movie, errors, doubts, keys."""

import re
from pathlib import Path

import numpy as np
import pytest
from command_line import track
from report_cases import DATA, Page, browser, family_result, write_volume

from tracker.mistakes import KINDS

HELA = DATA / "Fluo-N2DL-HeLa-02-t00-19"
POINTS = DATA / "points" / "ascidian_Pm03.csv"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("report")
    with browser(folder / "profile") as driver:
        result = family_result(folder)
        assert track("report", result, "--quiet") == 0
        yield Page(driver, result / "report.html")


@pytest.fixture(autouse=True)
def fresh(request):
    """Every test begins at the first frame with nothing chosen, and ends with an empty console."""
    if "page" not in request.fixturenames:
        yield
        return
    page = request.getfixturevalue("page")
    page.driver.execute_script("const p = window.pintrack; p.choose(-1); p.goTo(0); document.activeElement.blur()")
    page.keys("0", "1")
    yield
    assert page.errors() == []


def step(page: Page) -> int:
    return page.js("page.state.step")


def pixel(page: Page, canvas: str, x: float, y: float) -> list[int]:
    """Colour of a canvas at a place of the screen, counted from its left and top."""
    page.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    return page.js(
        f"[...document.getElementById('{canvas}').getContext('2d').getImageData({x} * page.view.ratio, "
        f"{y} * page.view.ratio, 1, 1).data]"
    )


def on_screen(page: Page, row: int) -> tuple[float, float]:
    return tuple(page.js(f"[page.toScreenX(page.across({row})), page.toScreenY(page.down({row}))]"))


def test_frames_by_slider_buttons_and_keys(page: Page) -> None:
    from selenium.webdriver import Keys

    page.driver.execute_script(
        "const s = document.getElementById('slider'); s.value = 3; s.dispatchEvent(new Event('input'))"
    )
    assert (step(page), page.text("#time")) == (3, "t = 3 (4 of 5)")
    page.until("document.getElementById('badge').textContent === 't = 3'")  # with its picture
    page.click("#next")
    page.keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert step(page) == 2
    page.keys(Keys.END)
    assert step(page) == 4
    page.keys(Keys.HOME)
    assert step(page) == 0


def test_playing_goes_round_and_stops_at_the_end_without_loop(page: Page) -> None:
    page.driver.execute_script("document.getElementById('speed').value = '25'; document.activeElement.blur()")
    page.keys(" ")
    page.until("page.state.step === 4")
    page.until("page.state.step === 1")  # round
    page.click("#loop")
    page.until("page.state.step === 4 && !page.state.playing")
    assert page.find("#play").get_attribute("aria-label") == "Play"
    page.click("#loop")


def test_cells_have_the_colours_of_their_tracks_over_the_picture(page: Page) -> None:
    rows = page.js("[...page.arrays.start].slice(0, 2)")
    for row in range(*rows):
        x, y = on_screen(page, row)
        inside = pixel(page, "overlay", x, y)
        wanted = page.js(
            f"[...page.arrays.colour.subarray(3 * page.arrays.track[{row}], 3 * page.arrays.track[{row}] + 3)]"
        )
        assert np.abs(np.subtract(inside[:3], wanted)).max() <= 4, row  # half transparent: rounded
        assert 100 <= inside[3] <= 150
        bright, dark = pixel(page, "picture", x, y), pixel(page, "picture", *[value + 60 for value in (x, y)])
        assert bright[0] > dark[0] + 60
    assert pixel(page, "overlay", *on_screen(page, rows[0]))[3] > 0


def test_from_movie_to_tree_and_back(page: Page) -> None:
    page.driver.execute_script("window.pintrack.goTo(3)")
    row = page.js("page.arrays.start[3] + 1")
    page.click_at("#overlay", *on_screen(page, row))
    assert page.js("page.state.row") == row
    track_id = page.js("page.arrays.track_id[page.state.track]")
    assert page.text("#selection").startswith(f"Track {track_id}, t = ")
    # The same track stands out in the tree: a click on it, at another time, shows that time in the movie.
    page.driver.execute_script("window.pintrack.choose(-1)")
    other = page.js("page.arrays.track_id.indexOf(Math.max(...page.arrays.track_id))")
    first = page.js(f"page.facts.step[page.arrays.track_first[{other}]]")
    page.click_at("#tree", *page.js(f"[page.treeX({other}), page.treeY({first})]"))
    assert page.js("[page.state.track, page.state.step]") == [other, first]
    x, y = on_screen(page, page.js("page.state.row"))
    assert (x, y) == pytest.approx((page.js("page.view.width / 2"), page.js("page.view.height / 2")), abs=200)
    page.keys("\ue00c")  # Escape
    assert page.js("page.state.track") == -1
    assert page.text("#selection").startswith("Click a cell")


def test_keys_walk_through_the_trees(page: Page) -> None:
    from selenium.webdriver import Keys

    page.driver.execute_script("document.getElementById('forest').focus()")
    page.keys(Keys.ARROW_RIGHT)
    first = page.js("page.state.track")
    page.keys(Keys.ARROW_RIGHT)
    assert page.js("page.families.order.slice(0, 2)") == [first, page.js("page.state.track")]
    page.driver.execute_script("const p = window.pintrack; p.choose(p.arrays.divisions[0], {show: true})")
    mother = page.js("page.state.track")
    page.keys(Keys.ARROW_DOWN)
    assert page.js(f"page.arrays.track_parent[page.state.track] === {mother}")
    assert page.js("page.state.step") == 2
    page.keys(Keys.ARROW_UP)
    assert page.js("page.state.track") == mother


@pytest.mark.parametrize("order", ["size", "length", "margin", "root"])
def test_lineages_are_sorted(page: Page, order: str) -> None:
    page.driver.execute_script(
        f"const s = document.getElementById('sort'); s.value = '{order}'; s.dispatchEvent(new Event('change'))"
    )
    key = {
        "size": "-f.cells", "length": "f.first - f.last", "margin": "f.margin", "root": "page.arrays.track_id[f.root]",
    }[order]  # fmt: skip
    shown = (
        "[...page.families.list].sort((a, b) => page.families.x[a.tracks.at(-1)] - page.families.x[b.tracks.at(-1)])"
    )
    keys = page.js(f"{shown}.map((f) => Math.min({key}, 1e300))")
    assert keys == sorted(keys)
    assert page.text("#tree-said") == "4 tracks in 2 lineages"


def test_the_list_of_errors_jumps_to_the_place(page: Page) -> None:
    page.keys("3")
    kinds = page.text("#kinds").splitlines()
    assert "false link 1" in kinds
    assert "false division 1" in kinds
    page.click("#kinds [data-kind='6']")
    items = page.driver.find_elements("css selector", "#mistakes .item")
    assert [item.text.splitlines()[:2] for item in items] == [["false division, t = 1", "1:3 does not divide"]]
    items[0].click()
    assert step(page) == 1
    assert page.js("page.arrays.label[page.state.row]") == 3
    assert on_screen(page, page.js("page.state.row")) == pytest.approx(
        (page.js("page.view.width / 2"), page.js("page.view.height / 2")), abs=80
    )
    assert items[0].get_attribute("aria-current") == "true"
    page.click("#kinds [data-kind='-1']")
    page.keys("p", "n")
    assert page.js("page.state.mistake") >= 0


def test_the_least_certain_decisions_are_shown_and_jump(page: Page) -> None:
    page.keys("2", "n")
    row = page.js("page.arrays.uncertain[0]")
    assert page.js("page.state.row") == row
    assert page.js("Math.min(...page.arrays.margin.filter(Number.isFinite))") == page.js(f"page.arrays.margin[{row}]")
    assert page.js("document.querySelectorAll('#histogram rect').length") > 2
    page.until("document.querySelector('#doubts canvas').getContext('2d').getImageData(20, 60, 1, 1).data[3] > 0")
    assert re.match(r"1\. Cell \d:\d (goes on|divides|ends)", page.text("#doubts .item"))


# Every stroke from now on, without its colour: what a reader sees in grey.
RECORD = """
window.strokes = [];
const made = CanvasRenderingContext2D.prototype;
for (const name of ["rect", "arc", "lineTo", "stroke"]) {
  const real = made[name];
  made[name] = function (...given) {
    const white = this.strokeStyle === "#ffffff" ? "white" : "", dashed = this.getLineDash().length ? "dashed" : "";
    window.strokes.push(name === "stroke" ? name + white + dashed : name);
    return real.apply(this, given);
  };
}
"""


def test_chosen_and_other_candidates_have_lines_of_their_own(page: Page) -> None:
    """In the strips; without colours."""
    if not page.js("window.strokes"):
        page.driver.execute_script(RECORD)
    page.keys("2")
    assert "Dashed lines: what else it could have been linked to" in page.text("#doubt-said")
    for place in range(3):
        rivals = [row for row in page.js(f"[...page.arrays.rivals.slice(3 * {place}, 3 * {place} + 3)]") if row >= 0]
        row = page.js(f"page.arrays.uncertain[{place}]")
        children = page.js(f"[...page.facts.children.slice(2 * {row}, 2 * {row} + 2)].filter((one) => one >= 0)")
        family = {row, *children, page.js(f"page.arrays.parent[{row}]")} - {-1}
        assert rivals
        assert not set(rivals) & family
        names = page.js(
            f"{rivals}.map((row) => `${{page.meta.frames[page.facts.step[row]]}}:${{page.arrays.label[row]}}`)"
        )
        assert f"or {', '.join(names)} (dashed)" in page.text(f"#doubts li:nth-child({place + 1})")
        page.driver.execute_async_script(
            "window.strokes.length = 0;"
            f"document.querySelectorAll('#doubts canvas')[{place}].drawStrip().then(arguments[0])"
        )
        drawn = page.js("window.strokes")
        assert (drawn.count("strokewhite"), drawn.count("strokewhitedashed")) == (len(family), len(rivals))


def test_every_kind_of_error_has_a_mark_of_its_own(page: Page) -> None:
    if not page.js("window.strokes"):
        page.driver.execute_script(RECORD)
    at, kind = page.js("[page.arrays.mistake_step[0], page.arrays.mistake_kind[0]]")
    seen = set()
    for number in range(page.js("page.meta.kinds.length")):
        page.driver.execute_script(
            f"const p = window.pintrack; p.arrays.mistake_kind[0] = {number}; p.goTo({at}); window.strokes.length = 0;"
            "p.choose(-1);"
        )
        page.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
        seen.add(" ".join(page.js("window.strokes")))
    page.driver.execute_script(f"window.pintrack.arrays.mistake_kind[0] = {kind}")
    assert len(seen) == len(KINDS)


def test_the_chosen_track_is_framed_however_short(page: Page) -> None:
    row = page.js("page.arrays.track_first[0]")
    page.driver.execute_script(f"window.pintrack.choose({row})")
    x, y = page.js(f"[page.treeX(page.arrays.track[{row}]), page.treeY(page.facts.step[{row}])]")

    def dark() -> int:
        left = [pixel(page, "tree", x + dx, y + 2) for dx in range(-14, -4)]
        return sum(alpha == 255 and sum(colour) < 200 for *colour, alpha in left)

    assert dark() > 0
    page.driver.execute_script("window.pintrack.choose(-1)")
    assert dark() == 0


def test_tabs_tiles_and_help_are_reached_without_a_mouse(page: Page) -> None:
    from selenium.webdriver import Keys

    page.driver.execute_script("document.getElementById('tab-tree').focus()")
    page.keys(Keys.ARROW_LEFT)
    assert page.find("#tab-run").get_attribute("aria-selected") == "true"
    assert 'preset = "none"' in page.text("#panel-run pre")
    named = "one.getAttribute('aria-label') || one.textContent.trim() || one.closest('label')"
    assert page.js(f"[...document.querySelectorAll('button, select, input')].every((one) => {named})")
    page.driver.execute_script("document.querySelector('.tile').focus()")
    assert page.js("getComputedStyle(document.querySelector('.tile .meaning')).visibility") == "visible"
    page.keys("?")
    assert page.js("document.getElementById('help').open")
    page.keys(Keys.ESCAPE)
    page.until("!document.getElementById('help').open")


def test_the_address_opens_a_track_and_volumes_have_planes(page: Page, tmp_path: Path) -> None:
    before = page.driver.current_url
    path = write_volume(tmp_path)
    other = Page(page.driver, path, "#t=2&track=3&tab=doubt")
    assert other.js("[page.state.step, page.arrays.track_id[page.state.track], page.state.tab]") == [2, 3, "doubt"]
    other.click("#above")
    assert other.js("page.state.plane") == 7
    assert other.text("#plane-value") == "z = 7"
    rows = other.js("[...page.arrays.start].slice(2, 4)")
    drawn = [other.js(f"page.pathOf({row}) !== null") for row in range(*rows)]
    assert True in drawn
    assert False in drawn  # some cells lie above or below
    assert other.js("document.getElementById('axes-label').hidden")
    assert other.errors() == []
    Page(page.driver, Path(before.removeprefix("file://")))


@pytest.mark.data
@pytest.mark.parametrize("movie", ["hela", "points"])
def test_real_movies(tmp_path: Path, movie: str) -> None:
    given = HELA / "02_SEG" if movie == "hela" else POINTS
    if not given.exists():
        pytest.skip(f"the real movies are not at TRACK_DATA = {DATA}")
    with browser(tmp_path / "profile") as driver:
        if movie == "hela":
            source = ["--images", HELA / "02", "--segmentation", given, "--truth", HELA / "02_GT" / "TRA"]
        else:
            source = ["--points", given, "--truth", given]
        assert track("run", *source, "--output", tmp_path / "result", "--report", "--quiet") == 0
        path = tmp_path / "result" / "report.html"
        assert path.stat().st_size < 20e6
        page = Page(driver, path)
        frames = page.js("page.meta.frames.length")
        page.keys("\ue010")  # End
        assert step(page) == frames - 1
        division = page.js("page.arrays.divisions[1]")
        page.driver.execute_script(f"window.pintrack.choose({division}, {{show: true}})")
        x, y = on_screen(page, division)
        page.driver.execute_script("window.pintrack.choose(-1)")
        page.click_at("#overlay", x, y)
        assert page.js("page.state.row") == division
        page.click_at("#tree", *page.js("[page.treeX(page.state.track), page.treeY(page.state.step)]"))
        assert page.js("page.state.row") == division
        page.keys("3", "n")
        assert page.js("page.state.mistake") == 0
        assert step(page) == page.js("page.arrays.mistake_step[0]")
        if movie == "points":
            page.driver.execute_script(
                "const a = document.getElementById('axes'); a.value = 'x'; a.dispatchEvent(new Event('change'))"
            )
            assert page.js("page.state.along") == "x"
        assert page.errors() == []
