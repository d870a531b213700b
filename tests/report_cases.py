"""Results for the tests of the report, and a browser to look at it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import track, write_movie

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
DATA = Path(os.environ.get("TRACK_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))


def family_movie(folder: Path) -> Path:
    """Images, masks and a wrong truth of a cell that divides at t = 2 and one that walks; 5 frames of 40 x 48."""
    masks = []
    for t in range(5):
        mask = np.zeros((40, 48), np.uint16)
        mask[28:34, 4 + t : 10 + t] = 7  # walks
        if t < 2:
            mask[8:16, 16:26] = 3
        else:
            mask[6:14, 12 - t : 19 - t] = 4
            mask[6:14, 25 + t : 32 + t] = 2
        masks.append(mask)
    write_movie(folder / "masks", *masks)
    write_movie(folder / "images", *[(100 + 20 * (mask > 0) + mask).astype(np.uint16) for mask in masks])
    write_movie(folder / "truth", *[np.where(mask == 4, 3, mask).astype(np.uint16) for mask in masks])
    for path in sorted((folder / "truth").glob("t*.tif")):
        path.rename(path.with_name(path.name.replace("t", "man_track", 1)))
    # To the truth cell 3 goes on as 4, and 2 comes in: the division is false.
    (folder / "truth" / "man_track.txt").write_text("2 2 4 0\n3 0 4 0\n7 0 4 0\n")
    return folder


CONFIG = """\
[data]
images = "images"
segmentation = "masks"
truth = "truth"
[candidates]
neighbors = 3
[costs]
preset = "none"
appear = 30.0
disappear = 30.0
division = 1.0
[[costs.terms]]
on = "link"
feature = "distance"
weight = 1.0
standardise = "none"
[[costs.terms]]
on = "division"
feature = "distance"
weight = 0.5
standardise = "none"
[output]
path = "result"
"""


def family_result(folder: Path) -> Path:
    """The result of `family_movie`: one division, which its truth calls false."""
    pytest.importorskip("traccuracy")
    family_movie(folder)
    (folder / "config.toml").write_text(CONFIG)
    assert track("run", folder / "config.toml", "--quiet") == 0
    return folder / "result"


def write_volume(folder: Path) -> Path:
    """The report of a simulated movie of 4 volumes, 14 planes each, in result/ of the folder."""
    movie, result = folder / "movie", folder / "result"
    sizes = ["--frames", 4, "--shape", "14,50,50", "--cells", 6, "--quiet"]
    assert track("simulate", movie, "--seed", 1, *sizes) == 0
    given = ["--images", movie / "01", "--segmentation", movie / "01_SEG", "--output", result]
    assert track("run", *given, "--report", "--quiet") == 0
    return result / "report.html"


@contextmanager
def browser(profile: Path, width: int = 1400, height: int = 900) -> Iterator[Any]:
    """Headless Chromium by selenium, or the test is skipped, saying why."""
    if not CHROMIUM.exists() or not DRIVER.exists():
        pytest.skip(f"no browser: {CHROMIUM} and {DRIVER} are needed (`make system-packages` installs them)")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
        f"--user-data-dir={profile}", f"--window-size={width},{height}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


class Page:
    """report.html opened from a file, with what the tests ask of it."""

    def __init__(self, driver: Any, path: Path, shown: str = "") -> None:
        """Open it and wait until it is drawn."""
        from selenium.webdriver.support.ui import WebDriverWait

        self.driver, self._wait = driver, WebDriverWait(driver, 60)
        driver.get(path.resolve().as_uri() + shown)
        self.until("document.documentElement.dataset.ready || !document.getElementById('problem').hidden")
        assert self.js("document.getElementById('problem').hidden"), self.text("#problem")

    def js(self, expression: str) -> Any:
        return self.driver.execute_script(f"const page = window.pintrack; return {expression}")

    def until(self, condition: str) -> None:
        self._wait.until(lambda driver: self.js(condition))

    def find(self, css: str) -> Any:
        return self.driver.find_element("css selector", css)

    def text(self, css: str) -> str:
        return self.find(css).text

    def click(self, css: str) -> None:
        self.find(css).click()

    def click_at(self, css: str, x: float, y: float) -> None:
        """A real click at a place of an element, counted from its left and top."""
        from selenium.webdriver import ActionChains

        target = self.find(css)
        dx, dy = x - target.size["width"] / 2, y - target.size["height"] / 2
        ActionChains(self.driver).move_to_element_with_offset(target, round(dx), round(dy)).click().perform()

    def keys(self, *keys: str) -> None:
        """Real keys, to whatever has the focus."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def errors(self) -> list[Any]:
        """What the console holds, but for its advice to whoever reads pixels often, as the tests do."""
        return [line for line in self.driver.get_log("browser") if "getImageData" not in line["message"]]
