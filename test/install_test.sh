#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The package can be used from a tree that is not ours: installs it to a place of its own, builds the examples against
# it with find_package(zraft), runs the counter (test/system/examples_test.py runs the others), and counts the lines
# that they took their author. A program in C is built with it twice: by a project that knows no C++, and by the
# compiler alone.
#
#   test/install_test.sh BUILD_DIRECTORY CXX
set -euo pipefail

source_dir=$(cd "$(dirname "$0")/.." && pwd)
build_dir=$(cd "$1" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
prefix=$place/prefix

cmake --install "$build_dir" --prefix "$prefix" >"$place/install.log"

# build_against NAME ARGUMENT...: the project in $place/NAME, into $place/build/NAME
build_against() {
  local name=$1 log=$place/$1.log
  shift
  cmake -S "$place/$name" -B "$place/build/$name" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_PREFIX_PATH="$prefix" "$@" \
    >"$log" || { cat "$log" && exit 1; }
  cmake --build "$place/build/$name" || exit 1
}

# try_example NAME LINES_MAX
try_example() {
  cp -r "$source_dir/examples/$1" "$place/$1"
  local lines
  lines=$(cat "$place/$1"/*.cc | wc -l)
  if ((lines > $2)); then
    echo "install_test: examples/$1 has $lines lines, more than $2" >&2
    exit 1
  fi
  build_against "$1" -DCMAKE_CXX_COMPILER="$cxx"
}

cxx=$2
try_example counter 60
"$place/counter/try.sh" "$place/build/counter/counter"
try_example lock 100
try_example election 100

# It fails before it is connected, so that it runs without a cluster.
expect_usage() {
  local said
  said=$("$@" 2>&1) && exit 1
  [[ $said == *"usage: c_client"* ]] || { echo "install_test: $1 said: $said" >&2 && exit 1; }
}
mkdir "$place/c_client"
cp "$source_dir/test/c/c_client.c" "$place/c_client"
cat >"$place/c_client/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(c_client LANGUAGES C)
find_package(zraft REQUIRED)
add_executable(c_client c_client.c)
target_link_libraries(c_client PRIVATE zraft::c)
END
build_against c_client
expect_usage "$place/build/c_client/c_client"
library=$(dirname "$(find "$prefix" -name libzraft_c.so)")
cc -std=c99 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -pedantic -Werror -I"$prefix/include" "$place/c_client/c_client.c" \
  -L"$library" -lzraft_c -Wl,-rpath,"$library" -o "$place/by_hand"
expect_usage "$place/by_hand"
echo "install_test: 5 passed, 0 failed"
