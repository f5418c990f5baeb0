# Assay's front door. `make` lists what there is; every target says what it is doing.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
CARGO := . scripts/toolchain.sh && cargo

.DEFAULT_GOAL := help
.PHONY: help setup build demo test lint fmt fmt-check check-docs check-imports test-rust test-js test-resilience test-disputes test-blobs blobs doc fuzz

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

setup: ## Install what is missing on Debian 12 (compilers, wasm target, lavapipe, JavaScript packages)
	@scripts/setup

build: setup ## Build the node, the worker and the client
	@echo "build: assay-node, assay-worker and assay (cold: 25 to 40 minutes on two cores)"
	@$(CARGO) build --release --workspace --bins

demo: build ## Post a real job to a fresh chain and follow it to settlement
	@scripts/demo

check-docs: setup ## Links, widths and the glossary of the docs (scripts/check-docs --help)
	@echo "lint: docs"
	@scripts/check-docs --self-test
	@scripts/check-docs

check-imports: setup ## Imports of the JavaScript, without running it
	@echo "lint: imports"
	@scripts/check-imports --self-test
	@scripts/check-imports

fmt-check: setup ## Formatting, differences as errors
	@echo "lint: rustfmt"
	@$(CARGO) fmt --all -- --check
	@$(CARGO) fmt --manifest-path zombienet/Cargo.toml -- --check

lint: check-docs check-imports fmt-check ## Docs, imports, formatting and clippy, warnings as errors
	@echo "lint: clippy"
	@. scripts/toolchain.sh && SKIP_WASM_BUILD=1 cargo clippy --release --workspace --all-targets -- -D warnings

fmt: ## Format everything
	@cargo fmt --all
	@cargo fmt --manifest-path zombienet/Cargo.toml

# Clippy comes last: it leaves the runtime blob out, and the next build has to take it in again.
test: check-docs check-imports fmt-check test-rust test-js test-resilience test-disputes test-blobs test-network lint ## Set up and run every test

test-rust: build ## Unit, property, runtime, service and worker tests
	@echo "test: Rust (unit, property, runtime, service, worker process)"
	@scripts/test-rust

test-js: build ## A real --dev node driven through Polkadot.js
	@echo "test: Polkadot.js against a running node"
	@scripts/test-js

test-resilience: build ## Real processes killed in every phase, tools missing, silence, outputs withheld, providers stopped (about 8 minutes)
	@echo "test: resilience (real nodes, workers and providers)"
	@scripts/test-resilience

test-disputes: build ## A lying provider on a live chain, brought down by a validator and by an outsider; a busy honest one (about 5 minutes)
	@echo "test: disputes (real nodes, a provider that lies)"
	@scripts/test-disputes

# Further arguments of the provider, such as BUSY="--keep-traces 0": every answer then takes a replay.
BUSY ?=
.PHONY: test-busy
test-busy: build ## 22 open results of one provider, all demanded of at once while every block is full (about 9 minutes)
	@echo "test: busy (a real node and provider, an attacker, a crowd)"
	@ASSAY_BUSY_ARGS="$(BUSY)" scripts/test-busy

test-blobs: build ## Blobs between three real nodes, one of them killed half way (about 3 minutes)
	@echo "test: blobs (real nodes that fetch from each other)"
	@scripts/test-blobs

.PHONY: test-arm
test-arm: ## The CPU engine on emulated 64-bit ARM processors; not in `test`: needs an emulator and another toolchain
	@echo "test: ARM (cross-compiled, emulated; cold: about 10 minutes on two cores)"
	@scripts/test-arm

SIZE ?= 64MiB
blobs: setup ## Move a blob over real networks with a peer that lies and one that stalls: make blobs SIZE=1GiB
	@echo "blobs: $(SIZE) over litep2p and libp2p on loopback"
	@scripts/blobs "$(SIZE)"

# Options of scripts/bench, such as BENCH="--only gemm --json".
BENCH ?=
.PHONY: bench
bench: setup ## The engine against onnxruntime, tract and candle on this machine, in turns (BENCH="--help")
	@scripts/bench $(BENCH)

doc: setup ## Build the API documentation
	@. scripts/toolchain.sh && SKIP_WASM_BUILD=1 cargo doc --release --workspace --no-deps

# Further options of scripts/fidelity, such as FIDELITY="--only cnn --json".
FIDELITY ?=

.PHONY: fidelity
fidelity: setup ## Import real models and compare them with onnxruntime; ONNX's node tests (FIDELITY="--only cnn")
	@scripts/fidelity $(FIDELITY)

# Crates whose tests draw random programs; each round draws new ones.
RANDOM_CRATES = assay-ops assay-program assay-referee assay-commitments assay-dispute assay-exec
ROUNDS ?= 20
.PHONY: random
random: setup ## Repeat the random tests ROUNDS=20 times with fresh seeds; a failure prints its seed (needs cargo-nextest)
	@echo "random: $(ROUNDS) rounds of $(RANDOM_CRATES) (about half a minute each)"
	@$(CARGO) nextest run --cargo-profile release $(addprefix -p ,$(RANDOM_CRATES)) --stress-count $(ROUNDS) --no-fail-fast --status-level fail

TARGET ?= program
SECONDS ?= 60
fuzz: setup ## Fuzz with libFuzzer: make fuzz TARGET=program|proof|sample|frames|onnx|npz|safetensors|description|calls SECONDS=60
	@echo "fuzz: $(TARGET) for $(SECONDS) s"
	@scripts/fuzz "$(TARGET)" "$(SECONDS)"

# How many cases, and of which seed (empty: a random one, which is printed).
N ?= 10000
SEED ?=
BIN = $${CARGO_TARGET_DIR:-target}/release
cases = --count $(N) $(if $(SEED),--seed $(SEED))

.PHONY: adversaries honest mutants
adversaries: build ## Attack the real runtime in every way the protocol names: table of outcomes and money
	@echo "adversaries: each attack on a chain of its own (about two minutes)"
	@$(BIN)/adversaries

honest: build ## N random honest jobs through engines, referee and runtime: none may be slashed (SEED=…)
	@$(BIN)/fairness honest $(cases)

mutants: build ## N random runs with one wrong bit: each must be found and proved (SEED=…)
	@$(BIN)/fairness mutants $(cases)

# How long jobs are posted, and further options of scripts/soak.
MINUTES ?= 10
SOAK ?=

.PHONY: soak
soak: build ## As many jobs as the chain takes for MINUTES=10: throughput, fullness, memory, books (SOAK="--help")
	@echo "soak: posting for $(MINUTES) minutes, then waiting for what is under way"
	@scripts/soak --minutes $(MINUTES) $(SOAK)

# One scenario or several, such as SCENARIO="cheat settle"; all without.
SCENARIO ?=

.PHONY: zombienet test-network network-keeper
# zombienet's SDK is another workspace with other features: its artefacts stay in a folder of their own.
network-keeper: setup
	@echo "zombienet: network-keeper (cold: about 5 minutes on two cores)"
	@$(CARGO) build --locked --manifest-path zombienet/Cargo.toml --target-dir "$${CARGO_TARGET_DIR:-target}/zombienet"

zombienet: build network-keeper ## Adversary scenarios on networks of four validators (SCENARIO=…; all: about 45 minutes)
	@scripts/zombienet $(if $(SCENARIO),--only "$(SCENARIO)")

test-network: build network-keeper ## The two short ones of them: all honest, and a provider that lies (about 5 minutes)
	@echo "test: networks (four validators by zombienet)"
	@$(CARGO) test --locked --quiet --manifest-path zombienet/Cargo.toml --target-dir "$${CARGO_TARGET_DIR:-target}/zombienet"
	@scripts/zombienet --only settle,cheat
