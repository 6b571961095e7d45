# Everything that people and CI do here. `make help` lists it.

PYTHON ?= python3#               the interpreter that .venv is made with
BENCH_PYTHON ?= /usr/bin/python3# Debian's own is the fastest at hand, so it is the one measured
JOBS ?= $(shell nproc)
TESTS ?= tests#                  a package, module, class or method: make test TESTS=tests.packaging
ARGS ?=#                         more arguments for make run, bench, storm, soak, fuzz and simulate

VENV := .venv
BENCH_VENV := .venv-bench
BIN := $(VENV)/bin
TRIAL = $(BIN)/trial --jobs=$(JOBS)

# Longer trials, too long for every day. A module that is not named test_*.py is not
# found by `make test`.
STORM := tests.simulate.storm
SOAK := tests.simulate.soak
FUZZ := tests.simulate.fuzz
SIMULATE := tests.simulate.simulate

.DEFAULT_GOAL := help
.PHONY: help
help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV)/.installed ## start a node that works at once; ARGS= adds twistd sipx options
	@$(BIN)/twistd --nodaemon --pidfile= sipx --quickstart $(ARGS)

.PHONY: test
test: venv ## run the whole suite; SIPX_REQUIRE_PEERS=1 fails where a peer program is missing
	@.ci/peers --if-possible
	@$(TRIAL) $(TESTS)

.PHONY: lint lint-rules lint-format lint-types lint-imports
lint: lint-rules lint-format lint-types lint-imports ## check rules, format, types and who imports whom
lint-rules: venv
	@$(BIN)/ruff check --output-format=concise
lint-format: venv
	@$(BIN)/ruff format --check
lint-types: venv
	@$(BIN)/mypy
lint-imports: venv
	@$(BIN)/lint-imports

.PHONY: format
format: venv ## put the source into shape
	@$(BIN)/ruff check --fix --exit-zero --quiet
	@$(BIN)/ruff format

.PHONY: coverage
coverage: venv ## run the suite and report the branches that it does not reach
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m twisted.trial --jobs=$(JOBS) $(TESTS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage html --quiet
	@$(BIN)/coverage report

.PHONY: bench
bench: $(BENCH_VENV)/.installed ## CPU per call and per registration next to Kamailio, with limits
	@.ci/peers --if-possible
	@$(BENCH_VENV)/bin/python -m tests.benchmarks.sidebyside.run $(ARGS)

# $(call longer,MODULE): run a module of longer trials, if there is one yet.
longer = $(if $(wildcard $(subst .,/,$(1)).py $(subst .,/,$(1))/__init__.py),\
	$(BIN)/trial $(ARGS) $(1),\
	echo "sipx: there is no $(1) yet" >&2; false)

.PHONY: storm soak fuzz simulate
storm: venv ## everybody registers and calls at once
	@$(call longer,$(STORM))
soak: venv ## hours of ordinary use
	@$(call longer,$(SOAK))
fuzz: venv ## what no phone would send
	@$(call longer,$(FUZZ))
simulate: venv ## a cluster on a simulated network
	@$(call longer,$(SIMULATE))

.PHONY: docs
docs: venv ## write the API documentation to docs/api
	@$(BIN)/pydoctor || test $$? -eq 2 # that is: it could not read a docstring, and said which

.PHONY: peers
peers: ## install the phones, servers and tools that system tests use (as root, on Debian)
	@.ci/peers

.PHONY: venv
venv: $(VENV)/.installed-dev ## make or refresh .venv; PYTHON= selects the interpreter

$(VENV)/.installed: setup.cfg pyproject.toml
	@.ci/venv $(PYTHON) $(VENV)
$(VENV)/.installed-dev: setup.cfg pyproject.toml
	@.ci/venv $(PYTHON) $(VENV) dev
$(BENCH_VENV)/.installed: setup.cfg pyproject.toml
	@.ci/venv $(BENCH_PYTHON) $(BENCH_VENV)

.PHONY: clean
clean: ## remove what make and the tests made; what a node keeps in var stays
	@rm -rf $(VENV) $(BENCH_VENV) build dist *.egg-info docs/api htmlcov .coverage .coverage.* \
		.hypothesis .import_linter_cache .mypy_cache .ruff_cache _trial_temp* twistd.log
	@rm -f twisted/plugins/dropin.cache
	@find sipx media config tests twisted -name __pycache__ -prune -exec rm -rf {} +
