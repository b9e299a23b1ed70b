#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the counter twice on one directory: the second run finds what the first one added.
#
#   try.sh PATH_OF_COUNTER
set -euo pipefail

counter=$1
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

are_free() {
  for add in 0 1 2; do
    (exec 3<>"/dev/tcp/127.0.0.1/$(($1 + add))") 2>/dev/null && return 1
  done
  return 0
}
port=0
until ((port > 0)) && are_free "$port"; do port=$((20000 + RANDOM % 10000)); done

expect() {
  local wanted=$1 found
  shift
  found=$("$counter" "$place/data" "$port" "$@")
  [[ $found == "$wanted" ]] && return
  echo "try: counter $* printed '$found', not '$wanted'" >&2
  exit 1
}
expect 42 40 5 -3
expect 42
expect 50 8
echo "try: the counter counts"
