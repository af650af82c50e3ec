# Two commands do everything, set-up included, on a Debian machine with Python 3.11:
#   make demo                                      the demo with the embedded model
#   make demo MODEL=IEITYuan/Yuan2-2B-Mars-hf      the demo with the real one (downloads 4 GB)
#   make test                                      linter, unit, golden and browser tests

PYTHON ?= $(shell command -v python3.11 || command -v python3)
MODEL  ?=
ARGS   ?=
VENV   := .venv
BIN    := $(VENV)/bin
# Debian keeps venv and the browser in packages of their own; they are fetched only where absent.
APT    := $(if $(filter 0,$(shell id -u)),,sudo )apt-get

.PHONY: demo test setup setup-test browser

demo: setup
	$(BIN)/python app.py $(if $(MODEL),--model "$(MODEL)") $(ARGS)

test: setup-test browser
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest

setup: $(VENV)/.demo
setup-test: $(VENV)/.test

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { $(APT) update && $(APT) install -y python3-venv \
	  && $(PYTHON) -m venv --clear $(VENV); }

$(VENV)/.demo: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install -r requirements.txt
	touch $@

$(VENV)/.test: requirements.txt tests/requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install -r tests/requirements.txt
	touch $@ $(VENV)/.demo

browser:
	command -v chromium >/dev/null || { $(APT) update && \
	  $(APT) install -y chromium fonts-noto-cjk fonts-noto-color-emoji; }
