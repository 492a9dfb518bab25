# `make demo` and `make test` set up what they need; `make help` lists the rest.
SHELL := /bin/bash
PY ?= python3
BIN := .venv/bin
OUT ?= outputs
CONFIG ?= mnist_tiny
TORCH := $(shell grep '^torch==' constraints.txt)

.PHONY: help setup setup-dev demo test train train-cifar sample traj eval report docs docs-preview bench clean readme
help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

.venv/bin/python:
	$(PY) -m venv .venv

.venv/.runtime: .venv/bin/python settings.ini setup.py constraints.txt
	@echo "== installing into .venv (torch first, as pinned; a CPU build is used where pip finds one)"
	$(BIN)/pip install -q $(TORCH)
	$(BIN)/pip install -q -c constraints.txt -e .
	@touch $@

.venv/.dev: .venv/.runtime
	@echo "== installing what tests and docs need"
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

setup: .venv/.runtime       ## .venv with the package
setup-dev: .venv/.dev       ## .venv with the package and the tools for tests and docs

demo: .venv/.runtime        ## train on MNIST, sample, evaluate and report: about five minutes on two CPU cores
	$(BIN)/ddpm-nb demo --config mnist_tiny --output_dir $(OUT)

test: .venv/.dev            ## everything CI runs
	$(BIN)/python tests/checks/run_all.py

train: .venv/.runtime       ## train CONFIG (default mnist_tiny)
	$(BIN)/ddpm-nb train --config $(CONFIG) --output_dir $(OUT)
train-cifar: .venv/.runtime ## train on CIFAR-10
	$(BIN)/ddpm-nb train --config cifar10 --output_dir $(OUT)/cifar10
sample: .venv/.runtime      ## a grid from the last training
	$(BIN)/ddpm-nb sample.grid --output_dir $(OUT)
traj: .venv/.runtime        ## a film of a reverse trajectory
	$(BIN)/ddpm-nb sample.traj --output_dir $(OUT)
eval: .venv/.runtime        ## measure the last training
	$(BIN)/ddpm-nb eval --output_dir $(OUT)
report: .venv/.runtime      ## write the report
	$(BIN)/ddpm-nb report --output_dir $(OUT)

docs: .venv/.dev            ## the site, into _docs
	$(BIN)/python tests/checks/build_docs.py
docs-preview: docs          ## serve the site on 127.0.0.1:8000
	$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory _docs
readme: .venv/.dev          ## README.md from nbs/index.ipynb
	$(BIN)/python tests/checks/build_readme.py
bench: .venv/.runtime       ## speed, as ratios in one run
	$(BIN)/python benchmarks/sampling.py
clean:                      ## remove what was built; .venv and outputs stay
	rm -rf _proc _docs build dist *.egg-info .pytest_cache
