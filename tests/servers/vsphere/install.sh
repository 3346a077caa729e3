#!/usr/bin/env bash
# Go and govmomi's simulator, from Debian or Ubuntu. Does nothing where they are there.
set -eu
[ -d /usr/share/gocode/src/github.com/vmware/govmomi/simulator ] && command -v go > /dev/null && exit 0
exec 9> "${TMPDIR:-/tmp}/natalia-vsphere-install.lock"
flock 9
[ -d /usr/share/gocode/src/github.com/vmware/govmomi/simulator ] && command -v go > /dev/null && exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends golang-go golang-github-vmware-govmomi-dev
