#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian packages that a group of work needs, and only those that are missing, so a second run does
# nothing and needs neither root nor a network.
#
#   tools/install_deps.sh [build] [test] [clang] [bench]      (no group: build)
set -euo pipefail

build=(g++ cmake ninja-build ccache libasio-dev liburing-dev libcli11-dev libtomlplusplus-dev nlohmann-json3-dev
  librocksdb-dev libzstd-dev)
test=(libgtest-dev python3 procps strace)
clang=(clang-19 libclang-rt-19-dev llvm-19)
bench=(etcd-server etcd-client golang-go golang-etcd-server-dev python3)

wanted=()
for group in "${@:-build}"; do
  case "$group" in
    build) wanted+=("${build[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    clang) wanted+=("${clang[@]}") ;;
    bench) wanted+=("${bench[@]}") ;;
    *)
      echo "install_deps: there is no group '$group': give build, test, clang or bench" >&2
      exit 2
      ;;
  esac
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "install_deps: this is no Debian (no apt-get): install what is like these packages yourself, then build with" >&2
  echo "install_deps: cmake --preset release && cmake --build --preset release" >&2
  printf '  %s\n' "${wanted[@]}" >&2
  exit 1
fi

missing=()
for package in "${wanted[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ "$status" == installed ]] || missing+=("$package")
done
if [[ ${#missing[@]} -eq 0 ]]; then
  exit 0
fi

as_root=()
if [[ $EUID -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "install_deps: these packages are missing, and there is neither root nor sudo to install them:" >&2
    printf '  %s\n' "${missing[@]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "install_deps: installing ${missing[*]}"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends "${missing[@]}" >/dev/null || {
  echo "install_deps: apt-get could not install ${missing[*]}: see its words above (Debian 12 has all of them)" >&2
  exit 1
}
