# One command each on a fresh machine: `make studio` and `make test` set up what they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 8501

.PHONY: studio test check bench bench-ui bench-peers reference clean

$(VENV)/.studio: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.studio
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

studio: $(VENV)/.studio  ## set up and serve the studio
	$(BIN)/streamlit run studio/Home.py --server.port $(PORT)

test: check  ## set up and run every check and test
	$(BIN)/pytest -n auto --dist loadfile

check: $(VENV)/.dev  ## format, lint, types, Dockerfile
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile

bench: $(VENV)/.dev  ## HOG, training and data reading, each against the plain way in the same run
	$(BIN)/python -m benchmarks.hog
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.data
	$(BIN)/python -m benchmarks.explain

bench-ui: $(VENV)/.dev  ## the studio in a browser beside a hello-world app: paint, clicks, ten visitors
	$(BIN)/python -m benchmarks.ui

bench-peers: $(VENV)/.dev  ## packages that do the same, on the same faces and photos, in their own venv
	$(BIN)/python -m benchmarks.peers

reference: $(VENV)/.dev  ## the API reference as HTML, from docstrings
	$(BIN)/python -m docs.reference reference

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
