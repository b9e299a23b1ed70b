#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A seed must mean the same whoever compiled the simulator: runs the seeds with each of the given binaries, compares
# their trace hashes, and where they differ looks for the first seed that does.
#
#   tools/same_traces.sh FIRST LAST ZRAFT_SIM ZRAFT_SIM...
set -euo pipefail

first_seed=$1 last_seed=$2
shift 2

# hash_of BINARY ARGUMENT...: the last trace hash that it prints.
hash_of() {
  "$@" | sed -nE 's/.*trace hash( of all)? ([0-9a-f]{16}).*/\2/p' | tail -n 1
}

wanted=$(hash_of "$1" --seeds "$first_seed..$last_seed")
[[ -n $wanted ]] || {
  echo "same_traces: $1 prints no trace hash" >&2
  exit 1
}
for binary in "${@:2}"; do
  found=$(hash_of "$binary" --seeds "$first_seed..$last_seed")
  [[ $found == "$wanted" ]] && continue
  for ((seed = first_seed; seed <= last_seed; seed++)); do
    [[ $(hash_of "$1" --seed "$seed") == $(hash_of "$binary" --seed "$seed") ]] && continue
    echo "same_traces: seed $seed differs; compare $1 --seed $seed --verbose with $binary --seed $seed --verbose" >&2
    exit 1
  done
  echo "same_traces: $1 gives $wanted, $binary gives $found" >&2
  exit 1
done
echo "same_traces: seeds $first_seed to $last_seed have the trace hash $wanted in $# builds"
