# Every command of the project; `make` alone lists them. The set-up is in scripts/bootstrap.

PYTHON ?= python3
FAMILY ?=
GOAL ?=
ARGS ?=
PRESET ?= quick
SEEDS ?= 0 1 2 3 4

BIN := .venv/bin
# DDS stays on this machine unless the user has said otherwise.
export ROS_AUTOMATIC_DISCOVERY_RANGE ?= LOCALHOST

.DEFAULT_GOAL := help
.PHONY: help adapt rehearse fault-table test check lint fast-tests format bench train results setup setup-run clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

adapt: setup-run ## adapt to a hidden task in simulation: make adapt [FAMILY=push [GOAL=0.17,-0.04]]
	@$(BIN)/damsel-adapt $(if $(FAMILY),--family='$(FAMILY)') $(if $(GOAL),--goal='$(GOAL)') $(ARGS)

rehearse: setup-run ## the same as adapt, through a virtual Sawyer, ROS 1 and the Intera server
	@$(BIN)/damsel-rehearse $(if $(FAMILY),--family='$(FAMILY)') $(if $(GOAL),--goal='$(GOAL)') $(ARGS)

fault-table: setup ## break everything once and write what came of it into docs/safety.md
	@$(BIN)/python -m pytest tests/ros/test_sawyer_backend.py tests/ros/test_rehearsal_contact.py \
	tests/ros/test_rehearsal_faults.py tests/ros/test_rehearsal_harmless.py \
	-k "fault or lost" --fault-table .faults.json $(ARGS)
	@$(BIN)/python docs/write_safety.py .faults.json

test: setup ## run every test
	@$(BIN)/python -m pytest $(ARGS)

check: lint fast-tests ## check format, lint, types; run the fast tests

lint: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

fast-tests: setup
	@$(BIN)/python -m pytest -m "not slow" $(ARGS)

format: setup ## format the code and mend what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## run the benchmarks
	@$(BIN)/python -m benchmarks $(ARGS)

train: setup ## from nothing to an evaluated bundle, in half an hour on two cores
	@$(BIN)/damsel-train all --preset quick $(ARGS)

results: setup ## train and compare every method over SEEDS, then write docs/results.md: hours
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/results $(PRESET) $(SEEDS)

setup: python ## make the environment and build the workspace; all other commands do so themselves
	@$(PYTHON) scripts/bootstrap all

setup-run: python
	@$(PYTHON) scripts/bootstrap run

.PHONY: python
python:
	@command -v $(PYTHON) >/dev/null || { echo "set-up: error: no $(PYTHON) found; install Python \
	3.11 or newer (Debian: apt-get install python3 python3-dev python3-venv)" >&2; exit 1; }

clean: ## remove the environment and all that was built, but no training run
	rm -rf .venv .venv-metaworld ros2_ws/build ros2_ws/install ros2_ws/log log build dist
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
