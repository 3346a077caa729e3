#!/bin/bash
# Installs clients of block devices on a network (libnbd's, libiscsi's with its conformance suite, QEMU's with iSCSI), from Debian's or Ubuntu's own packages. Needs root and apt. Does nothing where they are there.
set -euo pipefail
# Tests of another project may be installing as well: what is half there is waited for.
[ "$(id -u)" != 0 ] || { exec 9> /var/lock/natalia-backup-tests; flock 9; }
has() { command -v nbdinfo && command -v nbdcopy && command -v qemu-img && command -v qemu-io && command -v iscsi-test-cu && command -v iscsi-inq && ls /usr/lib/*/qemu/block-iscsi.so; }
if ! has > /dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || { echo "installing libnbd-bin, libiscsi-bin, qemu-utils and qemu-block-extra needs root" >&2; exit 3; }
    command -v apt-get > /dev/null || { echo "there is no apt-get to install libnbd-bin, libiscsi-bin, qemu-utils and qemu-block-extra with" >&2; exit 3; }
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q 9>&- || true
    apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 libnbd-bin libiscsi-bin qemu-utils qemu-block-extra 9>&-
fi
