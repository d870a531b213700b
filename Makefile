# Everything installs into .venv; nothing else on the machine is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Debian packages that some tests need; without them these tests are skipped, saying so.
SYSTEM_PACKAGES := chromium chromium-driver postgresql \
	xvfb xauth libgl1 libegl1 libopengl0 libgl1-mesa-dri libglib2.0-0 libdbus-1-3 libfontconfig1 \
	libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 \
	libxcb-shape0 libxcb-sync1 libxcb-xfixes0 libxcb-xkb1
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check bench pictures report-pictures view-picture system-packages clean

demo: $(VENV)/demo.installed  ## set-up, then the main job on a real movie and on a simulated one
	$(BIN)/track run configs/hela.toml --overwrite --plot
	rm -rf results/simulated
	$(BIN)/track simulate results/simulated --seed 1
	$(BIN)/track run --images results/simulated/01 --segmentation results/simulated/01_SEG \
		--output results/simulated/01_RES --overwrite --plot
	$(BIN)/track evaluate results/simulated/01_RES results/simulated/01_GT/TRA
	@echo
	@echo "Results: results/hela (real movie) and results/simulated/01_RES (simulated movie)."
	@echo "Look at results/hela/overview.png first."

test: $(VENV)/dev.installed  ## set-up, then all tests, on all cores
	$(BIN)/python -m pytest -q --numprocesses logical --maxprocesses 8 --dist loadfile

check: $(VENV)/dev.installed  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/dev.installed  ## timed comparisons; minutes
	$(BIN)/python benchmarks/solver.py
	$(BIN)/python benchmarks/motile_solver.py --time-limit 60
	$(BIN)/python benchmarks/movies.py
	$(BIN)/python benchmarks/annotations.py
	$(BIN)/python benchmarks/session.py
	$(BIN)/python benchmarks/pins.py
	if command -v xvfb-run >/dev/null; then xvfb-run -a $(BIN)/python benchmarks/viewer.py; fi
	$(BIN)/python benchmarks/tuning.py
	$(BIN)/python benchmarks/tokens.py
	$(BIN)/python benchmarks/transformer.py
	$(BIN)/python benchmarks/inference.py
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/store.py

pictures: report-pictures view-picture  ## the pictures of the documentation, by the commands themselves

report-pictures: $(VENV)/dev.installed  ## those of README.md and docs/report.md; needs Chromium
	rm -rf results/pictures
	$(BIN)/track simulate results/pictures/movie --seed 1
	$(BIN)/track run --images results/pictures/movie/01 --segmentation results/pictures/movie/01_SEG \
		--truth results/pictures/movie/01_GT/TRA --output results/pictures/result --plot --report
	cp results/pictures/result/overview.png docs/overview.png
	chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --disable-sync \
		--user-data-dir=results/pictures/profile --window-size=1440,900 --virtual-time-budget=6000 \
		--run-all-compositor-stages-before-draw --screenshot=results/pictures/report.png \
		"file://$(CURDIR)/results/pictures/result/report.html#t=18&track=57"
	$(BIN)/python -c 'from PIL import Image; Image.open("results/pictures/report.png").convert("RGB").quantize(256, 2, dither=0).save("docs/report.png", optimize=True)'

view-picture: $(VENV)/dev.installed  ## the picture of docs/view.md; needs Xvfb
	rm -rf results/view
	$(BIN)/track simulate results/view/movie --seed 1
	$(BIN)/track init results/view/movie --output results/view/config.toml
	xvfb-run -a -s "-screen 0 1600x1000x24" $(BIN)/python benchmarks/view_picture.py results/view/config.toml docs/view.png

system-packages:  ## what tests want from the system, where we may install it
	@if ! command -v apt-get >/dev/null || [ "$$(id -u)" != 0 ]; then \
		echo "not root, or no apt-get: tests that need $(SYSTEM_PACKAGES) skip"; \
	elif dpkg -s $(SYSTEM_PACKAGES) >/dev/null 2>&1; then :; \
	elif apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
		apt-get -qq install -y --no-install-recommends $(SYSTEM_PACKAGES) >/dev/null; then :; \
	else echo "apt-get failed: tests that need $(SYSTEM_PACKAGES) skip"; fi

clean:
	rm -rf $(VENV) results

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/dev.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) --editable ".[dev]"
	touch $@

$(VENV)/demo.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) --editable ".[demo]"
	touch $@
