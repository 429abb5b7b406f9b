# make live | make test | make check. Each makes .venv when needed, installs what it needs and no more, and runs.
# GUISE_ARGS="show.toml --camera 0" make live       passes arguments on.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# setuptools warns of every editable installation whose packages lie at the top level, as ours must.
INSTALL := PYTHONWARNINGS="ignore:Editable installation" $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: live test check slow clean

live: $(VENV)/.live
	$(BIN)/guise live $(GUISE_ARGS)

test: $(VENV)/.test
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest $(PYTEST_ARGS)

# The tests of `test` with a floor, in percent, under the lines of code that their own process reaches (setup.cfg says
# which), then those that take minutes each. Measured once, on the quick suite: 89.9.
COVERAGE_FLOOR := 87

slow: $(VENV)/.test
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest --cov --cov-report=term --cov-fail-under=$(COVERAGE_FLOOR)
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture models export live calibration guise.py tests/vulture_allowlist.py

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Guise needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --upgrade pip
	touch $@

$(VENV)/.live: setup.cfg pyproject.toml | $(VENV)/.made
	$(INSTALL) --editable .
	touch $@

# resemblyzer for its weights alone: what it draws in would compile C and overwrite webrtcvad-wheels.
$(VENV)/.test: setup.cfg pyproject.toml | $(VENV)/.made
	$(INSTALL) --editable '.[train,test]'
	$(INSTALL) --no-deps 'resemblyzer>=0.1.4'
	touch $(VENV)/.live $@

clean:
	rm -rf $(VENV) build *.egg-info
