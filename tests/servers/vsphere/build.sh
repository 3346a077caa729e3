#!/usr/bin/env bash
# Builds the simulator where it was not built yet from these very sources, and prints the program's path.
set -eu
cd "$(dirname "$0")"
hash=$({ cat ./*.go; go version; dpkg-query -W golang-github-vmware-govmomi-dev 2> /dev/null || true; } | sha256sum | cut -c 1-16)
cache=${NATALIA_VSPHERE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/natalia-vsphere}
program=$cache/vsphere-$hash
if [ ! -x "$program" ]; then
  mkdir -p "$cache"
  exec 9> "$cache/lock"
  flock 9
  if [ ! -x "$program" ]; then
    find "$cache" -maxdepth 1 -name "vsphere-*" -mtime +7 -delete
    GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS=-buildvcs=false GOCACHE=$cache/go \
      go build -o "$program.new" ./*.go >&2
    mv "$program.new" "$program"
  fi
fi
echo "$program"
