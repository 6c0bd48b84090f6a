# Every target builds what it needs: a fresh machine has Python 3.11 or newer, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := schemas smt_features smt_model benchmarks cli
MODULES := -p smt_schemas -p smt_features -p smt_model -p smt_bench -p smt_cli
# A strict editable install links each file, so a new file asks for a new install.
SOURCES := $(shell find $(PACKAGES) -type f ! -name '*.pyc' | LC_ALL=C sort)
STAMP := $(VENV)/installed-$(shell echo $(SOURCES) | cksum | cut -d' ' -f1)
EXAMPLES := $(STAMP)-examples

# Errors only: warnings of package indices and build tools are not the reader's business.
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip install -qq --disable-pip-version-check

.PHONY: install demo test test-slow lint docs clean
install: $(STAMP)

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Installing into $(VENV), about half a minute"
	@$(PIP) --upgrade -c constraints.txt pip setuptools
	@$(PIP) --no-build-isolation -c constraints.txt \
		--config-settings editable_mode=strict -e '.[train,dev]'
	@rm -f $(VENV)/installed-*
	@touch $@

# What the tests of readers, examples and benchmarks need besides: too large for every install.
$(EXAMPLES): $(STAMP)
	@echo "Installing PyTorch, JAX, LightGBM, DuckDB, pandas and matplotlib for the tests"
	@$(PIP) --no-build-isolation -c constraints.txt \
		--config-settings editable_mode=strict -e '.[examples,bench]'
	@touch $@

demo: install
	@BIN=$(BIN) sh examples/demo.sh

# A process a core; files stay whole, since their tests share what is made for them.
test: lint $(EXAMPLES)
	$(BIN)/python -m pytest -n auto --dist loadfile

test-slow: $(EXAMPLES)
	$(BIN)/python -m pytest -m slow

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(MODULES)
	$(BIN)/mypy --explicit-package-bases tests
	$(BIN)/lint-imports

# Any warning fails the build (`strict`); the variable silences a banner about a later mkdocs.
docs: install
	@$(PIP) --no-build-isolation -c constraints.txt \
		--config-settings editable_mode=strict -e '.[docs]'
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

clean:
	rm -rf $(VENV) build demo .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
