# Ropeteam. `make help` lists what there is. Everything runs in .venv, which `make setup` makes.
SHELL := /bin/sh
PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
TOOLS := .venv/bin/ruff
YES ?=
MINUTES ?= 5
FRAMES ?= 1000000
HOURS ?= 20000
FIRST ?= 100000
RECORD ?= build/simulation.jsonl
DOCKER ?= docker
BASE ?= python:3.12-slim
IMAGE ?= ropeteam
VERSION ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
REVISION ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
# Levels in the order in which a failure is cheapest to see; `make test` is one run over all that are there.
LEVELS := $(wildcard $(addprefix tests/,unit contract loopback simulation fuzz torture soak browser docker))

.DEFAULT_GOAL := help
.PHONY: help setup check test unit simulate simulate-long torture torture-docker soak references fuzz loopback docker browser bench bench-peers demo demo-failover demo-return demo-down image fmt lock screenshots

help: ## show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv with pinned versions; installs what is missing, and says so (YES=1: without asking)
	@YES=$(YES) sh scripts/setup.sh dev

# There once .venv has the tools for work, which the demo alone does not install.
$(TOOLS):
	@YES=$(YES) sh scripts/setup.sh dev

check: $(TOOLS) ## format, lint, types, import contracts, unit tests, 40 short simulations; under a minute
	$(PYTHON) -m ruff format --check --quiet .
	$(PYTHON) -m ruff check --quiet .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports --no-cache
	$(PYTEST) -q -n 2 -m "not slow" tests/unit tests/simulation

test: ## every test that fits 25 minutes; as root on several real Docker Engines (YES=1: installs without asking)
	@YES=$(YES) sh scripts/setup.sh test
	$(PYTEST) -n 2 --dist loadfile $(LEVELS)

unit: $(TOOLS) ## unit tests
	$(PYTEST) -q tests/unit

simulate: $(TOOLS) ## 500 seeds of one simulated hour each
	$(PYTHON) -m tests.simulation --seeds 500 --minutes 60

simulate-long: $(TOOLS) ## many hours on one core; stopped and begun again it goes on (HOURS=20000)
	nice -n 19 $(PYTHON) -m tests.simulation --seeds $(HOURS) --first $(FIRST) --minutes 60 --jobs 1 --record $(RECORD)

torture: $(TOOLS) ## kill, stop and fill real processes while people work (MINUTES=20; SEED=n plays one again)
	nice -n 10 $(PYTHON) -m tests.torture --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

torture-docker: $(TOOLS) ## power losses, cuts, kills on four hosts with real Docker Engines (MINUTES=20; needs root)
	nice -n 10 $(PYTHON) -m tests.torture.real --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

soak: $(TOOLS) ## 50 simulated agents, with root 3 real hosts, faults: memory, database (MINUTES=30; SEED=n)
	nice -n 5 $(PYTHON) -m tests.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

references: $(TOOLS) ## write docs/cli.md and docs/configuration.md anew, from commands and settings
	$(PYTHON) -m tests.references

fuzz: $(TOOLS) ## hostile frames, Compose files and more against the parsers (FRAMES=1000000)
	nice -n 10 $(PYTHON) -m tests.fuzz --frames $(FRAMES) $(if $(SEED),--seed $(SEED))

loopback: $(TOOLS) ## real sockets, fake Docker
	$(PYTEST) -q tests/loopback

docker: $(TOOLS) ## real Docker Engines on several hosts (needs root)
	$(PYTEST) -q tests/docker

browser: $(TOOLS) ## the dashboard in Chromium
	$(PYTEST) -q tests/browser

bench: $(TOOLS) ## measure what things cost, about 5 minutes; prints tables for benchmarks/RESULTS.md
	$(PYTHON) -m benchmarks $(NAMES)

bench-peers: $(TOOLS) ## measure beside Docker Swarm and the engines' API on four hosts, about 15 minutes (needs root)
	$(PYTHON) -m benchmarks peers releases

demo: ## a Center and three hosts with real Docker Engines on this machine (YES=1: without asking)
	@YES=$(YES) sh scripts/setup.sh demo

demo-failover: ## cut the power of one host of the demo and watch its replicas come back elsewhere
	@$(PYTHON) -m lab demo-failover

demo-return: ## give the host without power its power back
	@$(PYTHON) -m lab demo-return

demo-down: ## take the demo down, leaving nothing behind
	@$(PYTHON) -m lab demo-down

image: ## images of agent, Center and command line: IMAGE:VERSION, …-center, …-cli (BASE=python:3.12-slim)
	@DOCKER=$(DOCKER) sh scripts/wheelhouse.sh $(BASE)
	@for part in agent: center:-center cli:-cli; do \
	  $(DOCKER) build --quiet --network none --file deploy/Dockerfile --target $${part%%:*} \
	    --build-arg BASE=$(BASE) --build-arg IMAGE=$(IMAGE):$(VERSION) \
	    --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
	    --tag $(IMAGE):$(VERSION)$${part#*:} . >/dev/null || exit 1; \
	  echo "$(IMAGE):$(VERSION)$${part#*:}"; \
	done

screenshots: $(TOOLS) ## pictures of every page of the dashboard into docs/screenshots, about 4 minutes (needs Chromium)
	$(PYTHON) -m tests.browser.gallery

fmt: $(TOOLS) ## format and fix what can be fixed
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

lock: ## write requirements*.lock anew (UPGRADE=1: with the newest versions)
	@sh scripts/lock.sh
