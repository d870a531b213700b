# Everything installs into .venv; nothing else on the machine is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check bench clean system-packages

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
	$(BIN)/python benchmarks/tuning.py
	$(BIN)/python benchmarks/tokens.py
	$(BIN)/python benchmarks/transformer.py
	$(BIN)/python benchmarks/inference.py
	$(BIN)/python benchmarks/store.py

# Debian packages that tests use where they are there (they skip, saying so, where not): a private PostgreSQL server.
SYSTEM_PACKAGES := postgresql

system-packages:  ## as root on Debian; elsewhere this says what to install
	@if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		dpkg -s $(SYSTEM_PACKAGES) >/dev/null 2>&1 \
			|| { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y $(SYSTEM_PACKAGES); }; \
	else echo "To run all tests, install: $(SYSTEM_PACKAGES)"; fi

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
