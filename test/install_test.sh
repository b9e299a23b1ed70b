#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The package can be used from a tree that is not ours: installs it to a place of its own, builds examples/counter
# against it with find_package(zraft), runs that, and counts that it took its author at most 60 lines.
#
#   test/install_test.sh BUILD_DIRECTORY CXX
set -euo pipefail

source_dir=$(cd "$(dirname "$0")/.." && pwd)
build_dir=$(cd "$1" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

cmake --install "$build_dir" --prefix "$place/prefix" >"$place/install.log"
cp -r "$source_dir/examples/counter" "$place/counter"
cmake -S "$place/counter" -B "$place/build" -G Ninja -DCMAKE_CXX_COMPILER="$2" -DCMAKE_BUILD_TYPE=Debug \
  -DCMAKE_PREFIX_PATH="$place/prefix" >"$place/configure.log" || { cat "$place/configure.log" && exit 1; }
cmake --build "$place/build" || exit 1

lines=$(cat "$place"/counter/*.cc | wc -l)
if ((lines > 60)); then
  echo "install_test: examples/counter has $lines lines, more than 60" >&2
  exit 1
fi
"$place/counter/try.sh" "$place/build/counter"
echo "install_test: 1 passed, 0 failed ($lines lines)"
