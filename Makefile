# SPDX-License-Identifier: Apache-2.0
#
# The ways in. Each target installs what it needs (Debian packages, by tools/install_deps.sh), so each works from
# nothing on a fresh Debian 12. The building itself is CMake's: CMakePresets.json.
SHELL := /bin/bash
JOBS ?= $(shell nproc)
MINUTES ?= 2
SECONDS_EACH ?= 10

.DEFAULT_GOAL := help
.PHONY: help demo build test sim fuzz bench clean

help:
	@echo "make demo    three nodes on this machine: write, kill the leader, write on; stays until Ctrl-C (ONCE=1: ends)"
	@echo "make test    builds a release and runs all its tests"
	@echo "make build   builds a release: build/release/bin/{zraftd,zraft,zraft-sim}"
	@echo "make sim     the simulator, for MINUTES=$(MINUTES)"
	@echo "make fuzz    each fuzzer, for SECONDS_EACH=$(SECONDS_EACH)"
	@echo "make bench   zraft against etcd on this machine"
	@echo "make clean   removes build/"

# The demo needs no test library, so a first configuration leaves the tests out; an existing one stays as it is.
# zraft_c is built too, so that what was built can be installed.
demo:
	@tools/install_deps.sh build
	@test -f build/release/CMakeCache.txt || cmake --preset release -DZRAFT_TESTS=OFF >/dev/null
	@cmake --build --preset release -j $(JOBS) --target zraftd zraft-cli zraft_c
	@ONCE=$(ONCE) tools/demo.sh

build:
	@tools/install_deps.sh build test
	@cmake --preset release -DZRAFT_TESTS=ON
	@cmake --build --preset release -j $(JOBS)

test: build
	@ctest --preset release -j $(JOBS)

sim: build
	@build/release/bin/zraft-sim --minutes $(MINUTES)

fuzz:
	@tools/install_deps.sh build clang
	@cmake --preset fuzz
	@cmake --build --preset fuzz -j $(JOBS)
	@fuzz/run.sh $(SECONDS_EACH)

bench: build
	@tools/install_deps.sh bench
	@bench/run.py

clean:
	@rm -rf build
