#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The README is executed: its blocks marked `sh test` run, in order and in one shell, in a directory that looks like
# the tree after `make build`. A line that ends in `# => TEXT` must print TEXT. Ports are exchanged for free ones.
#
#   test/readme_test.sh BUILD_DIRECTORY
set -euo pipefail

source_dir=$(cd "$(dirname "$0")/.." && pwd)
build_dir=$(cd "$1" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

mkdir -p "$place/tree/build"
ln -s "$build_dir" "$place/tree/build/release"
for name in examples tools server; do ln -s "$source_dir/$name" "$place/tree/$name"; done

cat >"$place/run" <<'END'
set -euo pipefail
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
says() {
  local wanted=$1 found
  shift
  found=$("$@")
  [[ $found == "$wanted" ]] && return
  echo "readme_test: '$*' printed '$found', the README says '$wanted'" >&2
  exit 1
}
END
awk '/^```sh test$/ { inside = 1; next } /^```/ { inside = 0 } inside' "$source_dir/README.md" |
  sed -E 's/^(.*[^ ]) *# => (.*)$/says "\2" \1/' >"$place/blocks"
[[ -s $place/blocks ]] || {
  echo "readme_test: README.md has no block marked 'sh test'" >&2
  exit 1
}

ports=$(python3 - <<'END'
import socket
sockets = [socket.socket() for _ in range(3)]
for one in sockets:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))
END
)
read -r -a port <<<"$ports"
sed -e "s/:7101/:${port[0]}/g" -e "s/:7102/:${port[1]}/g" -e "s/:7103/:${port[2]}/g" "$place/blocks" >>"$place/run"

cd "$place/tree"
if ! bash -x "$place/run"; then
  echo "readme_test: a command of the README failed; the nodes said:" >&2
  tail -n 20 data/*.log >&2 || true
  exit 1
fi
echo "readme_test: 1 passed, 0 failed"
