# `make demo` and `make test` set up what they need; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PY ?= python3
BIN := .venv/bin
OUT ?= outputs
CONFIG ?= mnist_tiny
# The tested versions. Torch is named on its own, so that pip takes a CPU build where it finds one.
PINS = -c constraints.txt
TORCH = $(shell grep '^torch==' constraints.txt)
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test test-quick train train-cifar sample traj eval report export docs docs-preview playground pictures starter readme bench bench-compare clean
help:                       ## this list
	@grep -hE '^[a-z-]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:[^#]*## /\t/' | expand -t 16

$(BIN)/pip:
	@echo "== making .venv"
	@$(PY) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"needs Python 3.11 or newer, and {sys.executable} is {sys.version.split()[0]}; choose another one: make PY=python3.12 …")'
	@$(PY) -m venv .venv || { rm -rf .venv; echo "python3 cannot make virtual environments; on Debian: apt install python3-venv" >&2; exit 1; }

.venv/.runtime: $(BIN)/pip settings.ini setup.py constraints.txt
	@echo "== installing the package and what it runs on (a minute or so)"
	@t=$$SECONDS; $(BIN)/pip install -q $(TORCH); $(BIN)/pip install -q $(PINS) -e .; echo "   $$((SECONDS - t)) s"
	@touch $@

.venv/.vision: .venv/.runtime
	@$(BIN)/pip install -q $(PINS) -e '.[vision]'
	@touch $@

.venv/.dev: .venv/.runtime
	@echo "== installing what tests and docs need"
	@t=$$SECONDS; $(BIN)/pip install -q $(PINS) -e '.[dev]'; echo "   $$((SECONDS - t)) s"
	@touch $@

setup: .venv/.runtime       ## .venv with the package
setup-dev: .venv/.dev       ## .venv with JupyterLab and the tools for tests and docs; turns the git hook on
	@if git rev-parse --git-dir >/dev/null 2>&1; then git config core.hooksPath .githooks; \
	  git config merge.nbdev-merge.name "merge notebooks cell by cell"; \
	  git config merge.nbdev-merge.driver "$(CURDIR)/$(BIN)/nbdev_merge %O %A %B %P"; fi

demo: .venv/.runtime        ## train on MNIST for 4 minutes, sample, film, evaluate and report: 6 minutes in all on two CPU cores
	$(BIN)/ddpm-nb demo --config mnist_demo --output_dir $(OUT)

test: .venv/.dev            ## rules, types, tests, notebooks, wheel, site; STEPS="docs wheel" runs only those, CI=1 all that CI runs
	@$(BIN)/python tools/run_all.py $(STEPS)
test-quick: .venv/.dev      ## rules, types and the quick tests
	@$(BIN)/python tools/run_all.py --quick

train: .venv/.runtime       ## train CONFIG (default mnist_tiny) into OUT (default outputs)
	$(BIN)/ddpm-nb train --config $(CONFIG) --output_dir $(OUT)
train-cifar: .venv/.vision  ## train on CIFAR-10, downloaded; wants a GPU
	$(BIN)/ddpm-nb train --config cifar10 --output_dir $(OUT)/cifar10
sample: .venv/.runtime      ## a grid from the last training
	$(BIN)/ddpm-nb sample.grid --output_dir $(OUT)
traj: .venv/.runtime        ## a film of a reverse trajectory
	$(BIN)/ddpm-nb sample.traj --output_dir $(OUT)
eval: .venv/.runtime        ## measure the last training
	$(BIN)/ddpm-nb eval --output_dir $(OUT)
report: .venv/.runtime      ## write the report
	$(BIN)/ddpm-nb report --output_dir $(OUT)

export: .venv/.dev          ## the package and its stubs from the notebooks
	@$(BIN)/python tools/export.py
docs: .venv/.dev            ## the site, into _docs
	@$(BIN)/python tools/build_docs.py
docs-preview: docs          ## serve the site on 127.0.0.1, port 8000
	$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory _docs
playground: .venv/.dev      ## the playground as an app, on 127.0.0.1, port 8866
	$(BIN)/python -m voila nbs/playground.ipynb --Voila.ip=127.0.0.1 --config tools/voila_config.py
pictures: .venv/.dev        ## remake the site's animation and the playground's pictures from the pretrained models
	$(BIN)/python tools/make_pictures.py
starter: .venv/.dev         ## the course for a class, with nbgrader's grader, into OUT/starter
	@$(BIN)/python tools/make_starter.py $(OUT)/starter
readme: .venv/.dev          ## README.md from nbs/index.ipynb
	@$(BIN)/python tools/build_readme.py
bench: .venv/.dev           ## speed, as ratios to diffusers in one run
	$(BIN)/python benchmarks/sampling.py --json $(OUT)/bench/sampling.json
	$(BIN)/python benchmarks/train_step.py --json $(OUT)/bench/train_step.json
	$(BIN)/python benchmarks/trainer_overhead.py --json $(OUT)/bench/trainer_overhead.json
bench-compare: .venv/.dev   ## what make bench measured last beside what it measured before, or beside OLD=folder
	@$(BIN)/python benchmarks/records.py $(OUT)/bench $(if $(OLD),--old $(OLD))
clean:                      ## remove what was built; .venv and outputs stay
	rm -rf _proc _docs build dist *.egg-info .pytest_cache
