"""The picture of docs/view.md: the viewer on the simulated movie, a cell that divides selected.

python benchmarks/view_picture.py CONFIG PNG      needs a display (or: xvfb-run -a -s "-screen 0 1600x1000x24" ...)
"""

import argparse
import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from qtpy.QtWidgets import QApplication

from tracker.config import load_config
from tracker.view.application import make_window
from tracker.view.proofreading import Proofreading


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("picture", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        opened = Proofreading(load_config(given.config), Path(folder) / "pins.csv")
        window = make_window(opened, title="pintrack")
        window.viewer.window.resize(1400, 860)
        window.viewer.window._qt_viewer.dockLayerControls.setVisible(False)
        found, mothers = opened.session.inputs.detections, opened.lineage.divisions[:, 0]
        middle = np.asarray(found.image_shape, float)[-2:] * found.scale[-2:] / 2
        central = mothers[np.argmin(np.linalg.norm(found.position[mothers][:, -2:] - middle, axis=1))]
        window.next()
        window.complete()  # an answer, so that there is a pin to see
        window.settle()
        window.go_to(int(central))
        window.stack.camera.zoom *= 1.1
        for _ in range(20):
            QApplication.processEvents()
        pixels = window.viewer.window.screenshot(canvas_only=False, flash=False)
        held = io.BytesIO()
        Image.fromarray(pixels[..., :3]).quantize(256, 2, dither=0).save(held, "PNG", optimize=True)
        given.picture.write_bytes(held.getvalue())
        window.close()
        window.viewer.close()


if __name__ == "__main__":
    main()
