# make test       lint, then every test that takes seconds (two at a time: most of their time is tracing, on one core), then the portable ones on JAX
# make test-slow  every test
# make test-torch the portable tests on PyTorch, which it installs first (some gigabytes); not part of make test
# make fashion    train the fashion sample on its embedded data and draw detections
# PYTHON=python3.12 make test   chooses the interpreter of a .venv that does not exist yet
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_JAX := $(VENV)/.installed-jax
INSTALLED_TORCH := $(VENV)/.installed-torch
export TF_CPP_MIN_LOG_LEVEL ?= 2

PORTABLE := -m "portable and not slow" tests/ops tests/nn tests/training tests/test_build.py

.PHONY: install test test-slow test-jax test-torch lint fashion clean

install: $(INSTALLED)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mrcnn needs Python 3.11 or later: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

# imgaug comes last and without its opencv-python, which would lie over opencv-python-headless; pip may say that
# opencv-python is missing, which does no harm.
$(INSTALLED): setup.py | $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	$(BIN)/python -m pip install --quiet imageio scikit-image scipy Shapely six
	$(BIN)/python -m pip install --quiet --no-deps 'imgaug==0.4.0'
	touch $@

$(INSTALLED_JAX): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --editable '.[jax]'
	touch $@

$(INSTALLED_TORCH): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --editable '.[torch]'
	touch $@

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not gpu"
	$(MAKE) --no-print-directory test-jax

test-slow: lint
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not gpu"
	$(MAKE) --no-print-directory test-jax

test-jax: $(INSTALLED_JAX)
	KERAS_BACKEND=jax $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder $(PORTABLE)

test-torch: $(INSTALLED_TORCH)
	KERAS_BACKEND=torch OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder $(PORTABLE)

fashion: $(INSTALLED)
	$(BIN)/python samples/fashion/fashion.py train

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache
	find mrcnn samples tests -name __pycache__ -type d -prune -exec rm -rf {} +
