#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A seed must mean the same whoever compiled the simulator: runs the seeds with each of the given binaries and
# compares the trace hashes.
#
#   tools/same_traces.sh FIRST..LAST ZRAFT_SIM ZRAFT_SIM...
set -euo pipefail

seeds=$1
shift
hashes_of() { "$1" --seeds "$seeds" | grep -oE 'seed +[0-9]+|hash +[0-9a-f]+|hash=[0-9a-f]+'; }

first=$1
wanted=$(hashes_of "$first")
[[ -n $wanted ]] || {
  echo "same_traces: $first prints no hashes" >&2
  exit 1
}
for binary in "${@:2}"; do
  if ! difference=$(diff <(echo "$wanted") <(hashes_of "$binary")); then
    printf 'same_traces: %s and %s differ for the seeds %s:\n%s\n' "$first" "$binary" "$seeds" "$difference" >&2
    exit 1
  fi
done
echo "same_traces: seeds $seeds give the same hashes in $# builds"
