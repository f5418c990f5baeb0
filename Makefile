# Assay's front door. `make` lists what there is; every target says what it is doing.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
CARGO := . scripts/toolchain.sh && cargo
# All JavaScript, by the rules of .prettierrc.json.
PRETTIER := tests/js/node_modules/.bin/prettier --log-level warn
SCRIPTS := '**/*.mjs' '!target/**' scripts/check-imports
# Tests that start nodes, workers and providers of their own.
LIVE := scripts/live node --test --test-reporter spec
LIVE_TESTS := tests/js/resilience

.DEFAULT_GOAL := help
.PHONY: help setup build demo check-docs check-circles check-imports fmt-check lint fmt test \
	test-rust test-js test-resilience test-disputes test-busy test-finality test-blobs test-arm blobs \
	bench doc fidelity random fuzz adversaries honest mutants soak network-keeper zombienet \
	test-network

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

setup: ## Install what is missing on Debian 12 (compilers, wasm target, lavapipe, npm packages)
	@scripts/setup

build: setup ## Build the node, the worker and the client
	@echo "build: assay-node, assay-worker and assay (cold: 25 to 40 minutes on two cores)"
	@$(CARGO) build --release --workspace --bins

demo: build ## Post a real job to a fresh chain and follow it to settlement
	@scripts/demo

check-docs: setup ## Links, widths and the glossary of the docs (scripts/check-docs --help)
	@echo "lint: docs"
	@scripts/check-docs --self-test
	@scripts/wrap-comments --self-test
	@scripts/check-docs

check-circles: setup ## Files of a crate that use each other in a circle (scripts/check-circles --help)
	@echo "lint: circles of files"
	@scripts/check-circles --self-test
	@scripts/check-circles

check-imports: setup ## Imports of the JavaScript, without running it
	@echo "lint: imports"
	@scripts/check-imports --self-test
	@scripts/check-imports

fmt-check: setup ## Formatting, differences as errors
	@echo "lint: rustfmt"
	@$(CARGO) fmt --all -- --check
	@$(CARGO) fmt --manifest-path zombienet/Cargo.toml -- --check
	@echo "lint: prettier"
	@$(PRETTIER) --check $(SCRIPTS)

lint: check-docs check-circles check-imports fmt-check ## Docs, circles, imports, formatting, clippy
	@echo "lint: clippy"
	@export SKIP_WASM_BUILD=1; $(CARGO) clippy --release --workspace --all-targets -- -D warnings

fmt: setup ## Format everything
	@$(CARGO) fmt --all
	@$(CARGO) fmt --manifest-path zombienet/Cargo.toml
	@$(PRETTIER) --write $(SCRIPTS)

# Clippy comes last: it leaves the runtime blob out, and the next build has to take it in again.
test: check-docs check-circles check-imports fmt-check test-rust test-js test-resilience
test: test-disputes test-blobs test-network lint ## Set up and run every test

test-rust: build ## Unit, property, runtime, service and worker tests
	@echo "test: Rust (unit, property, runtime, service, worker process)"
	@scripts/test-rust

test-js: build ## A real --dev node driven through Polkadot.js
	@echo "test: Polkadot.js against a running node"
	@scripts/test-js

# Nearly all of it is waiting for blocks: delivery's one market runs beside the others'.
test-resilience: build ## Real processes killed in every phase, tools missing, silence (6 minutes)
	@echo "test: resilience (real nodes, workers and providers)"
	@$(LIVE) --test-concurrency 2 $(LIVE_TESTS)/{delivery,resilience,provider}.test.mjs

# One after the other: the second fills blocks.
test-disputes: build ## A lying provider brought down on a live chain; a busy honest one (5 minutes)
	@echo "test: disputes (real nodes, a provider that lies)"
	@ASSAY_BUSY_RESULTS=$${ASSAY_BUSY_RESULTS:-4} $(LIVE) --test-concurrency 1 $(LIVE_TESTS)/{dispute,busy}.test.mjs

# Further arguments of the provider, such as BUSY="--keep-traces 0": each answer takes a replay.
BUSY ?=
test-busy: build ## 22 results demanded of at once while every block is full (9 minutes)
	@echo "test: busy (a real node and provider, an attacker, a crowd)"
	@ASSAY_BUSY_ARGS="$(BUSY)" ASSAY_BUSY_RESULTS=$${ASSAY_BUSY_RESULTS:-22} $(LIVE) $(LIVE_TESTS)/busy.test.mjs

test-finality: build ## A job goes all its way while finality stands still (15 minutes)
	@echo "test: finality (a real node that makes blocks and finalizes none)"
	@$(LIVE) $(LIVE_TESTS)/finality.test.mjs

test-blobs: build ## Blobs between three real nodes, one killed half way (3 minutes)
	@echo "test: blobs (real nodes that fetch from each other)"
	@$(LIVE) $(LIVE_TESTS)/blobs.test.mjs

test-arm: ## The CPU engine on emulated 64-bit ARM; not in `test`, since it needs an emulator
	@echo "test: ARM (cross-compiled, emulated; cold: about 10 minutes on two cores)"
	@scripts/test-arm

SIZE ?= 64MiB
blobs: setup ## A blob between peers, of which one lies and one stalls (SIZE=64MiB)
	@echo "blobs: $(SIZE) over litep2p and libp2p on loopback"
	@scripts/blobs "$(SIZE)"

# Options of scripts/bench, such as BENCH="--only gemm --json".
BENCH ?=
bench: setup ## The engine against onnxruntime, tract and candle, in turns (BENCH="--help")
	@scripts/bench $(BENCH)

doc: setup ## Build the API documentation
	@export SKIP_WASM_BUILD=1; $(CARGO) doc --release --workspace --no-deps

# Further options of scripts/fidelity, such as FIDELITY="--only cnn --json".
FIDELITY ?=

fidelity: setup ## Real models against onnxruntime; ONNX's node tests (FIDELITY="--only cnn")
	@scripts/fidelity $(FIDELITY)

ROUNDS ?= 20
random: setup ## The random tests ROUNDS=20 times with fresh seeds; a failure prints its seed
	@scripts/random "$(ROUNDS)"

TARGET ?= program
SECONDS ?= 60
fuzz: setup ## Fuzz with libFuzzer (TARGET=program SECONDS=60; another TARGET lists them)
	@echo "fuzz: $(TARGET) for $(SECONDS) s"
	@scripts/fuzz "$(TARGET)" "$(SECONDS)"

# How many cases, and of which seed (empty: a random one, which is printed).
N ?= 10000
SEED ?=
BIN = $${CARGO_TARGET_DIR:-target}/release
cases = --count $(N) $(if $(SEED),--seed $(SEED))

adversaries: build ## Every attack that the protocol names, on the real runtime
	@echo "adversaries: each attack on a chain of its own (about two minutes)"
	@$(BIN)/adversaries

honest: build ## N=10000 random honest jobs: none may be slashed (SEED=…)
	@$(BIN)/fairness honest $(cases)

mutants: build ## N=10000 random runs with one wrong bit: each must be found and proved (SEED=…)
	@$(BIN)/fairness mutants $(cases)

# How long jobs are posted, and further options of scripts/soak.
MINUTES ?= 10
SOAK ?=

soak: build ## As many jobs as the chain takes for MINUTES=10 (SOAK="--help")
	@echo "soak: posting for $(MINUTES) minutes, then waiting for what is under way"
	@scripts/soak --minutes $(MINUTES) $(SOAK)

# One scenario or several, such as SCENARIO="cheat settle"; all without.
SCENARIO ?=

# zombienet's SDK is another workspace with other features: its artefacts have their own folder.
KEEPER = --locked --manifest-path zombienet/Cargo.toml \
	--target-dir "$${CARGO_TARGET_DIR:-target}/zombienet"

network-keeper: setup ## Build the program that starts the networks of the next two targets
	@echo "zombienet: network-keeper (cold: about 5 minutes on two cores)"
	@$(CARGO) build $(KEEPER)

zombienet: build network-keeper ## Adversaries on networks of nodes (SCENARIO=cheat; all: 45 min)
	@scripts/zombienet $(if $(SCENARIO),--only "$(SCENARIO)")

test-network: build network-keeper ## Two short ones: all honest; a provider that lies (5 minutes)
	@echo "test: networks (four validators by zombienet)"
	@$(CARGO) test --quiet $(KEEPER)
	@scripts/zombienet --only settle,cheat
