#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# fuzz/run.sh SECONDS [NAME...]: each fuzzer that was built (or those named, as `frame`), for SECONDS each, over its
# seeds in fuzz/corpus and what earlier runs found. Prints libFuzzer's own last line of each and a sum. Writes into the
# build directory only: found/<name> are the inputs that reached something new, findings/ those that broke something.
# Another build directory: FUZZ_BUILD=... . Exit code: 0 clean, 1 something was found, 2 nothing to run.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || { echo "usage: fuzz/run.sh SECONDS [NAME...]" >&2; exit 2; }
seconds=$1
shift
build=${FUZZ_BUILD:-build/fuzz}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "fuzz/run.sh: \"$seconds\" is no number of seconds from 1 on" >&2; exit 2; }

# What a decoder can be given in one go is small against what makes it slow: the longest inputs are of the log.
length_max() {
  case $1 in
    wal) echo 16384 ;;
    *) echo 4096 ;;
  esac
}

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  for program in "$build"/bin/*_fuzz; do
    [ -x "$program" ] && names+=("$(basename "$program" _fuzz)")
  done
fi
[ ${#names[@]} -gt 0 ] || { echo "fuzz/run.sh: no fuzzers in $build/bin: make fuzz builds them" >&2; exit 2; }

total=0
failed=()
for name in "${names[@]}"; do
  [ -x "$build/bin/${name}_fuzz" ] || { echo "fuzz/run.sh: there is no $build/bin/${name}_fuzz" >&2; exit 2; }
  found=$build/found/$name
  findings=$build/findings/$name
  log=$build/findings/$name.log
  rm -rf "$findings"
  mkdir -p "$found" "$findings"
  # A single block beyond 64 MiB, more than 1 GiB in all, or an input that takes 10 s, is a finding as well.
  if "$build/bin/${name}_fuzz" -max_total_time="$seconds" -max_len="$(length_max "$name")" -rss_limit_mb=1024 \
    -malloc_limit_mb=64 -timeout=10 -print_final_stats=1 -artifact_prefix="$findings/" "$found" "fuzz/corpus/$name" \
    >"$log" 2>&1; then
    printf '%-12s %s\n' "$name" "$(grep -a '^Done ' "$log" | tail -n 1)"
  else
    failed+=("$name")
    printf '%-12s FOUND: %s\n' "$name" "$(grep -aE 'CHECK failed|runtime error|^SUMMARY|ERROR:' "$log" | head -n 1)"
    for input in "$findings"/*; do
      [ -f "$input" ] || continue
      printf '%-12s look at %s; again with: %s %s\n' "" "$log" "$build/bin/${name}_fuzz" "$input"
    done
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  total=$((total + ${runs:-0}))
done

if [ ${#failed[@]} -gt 0 ]; then
  echo "${#names[@]} fuzzers, $total executions: findings in ${failed[*]}; the inputs are in $build/findings"
  exit 1
fi
echo "${#names[@]} fuzzers, $total executions, nothing found"
