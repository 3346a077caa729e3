#!/bin/bash
# Installs what reads and writes disk images besides the product (qemu-img, libvhdi), from Debian's or Ubuntu's own packages. Needs root and apt. Does nothing where it is there.
set -euo pipefail
# Tests of another project may be installing as well: what is half there is waited for.
[ "$(id -u)" != 0 ] || { exec 9> /var/lock/natalia-backup-tests; flock 9; }
if ! command -v qemu-img > /dev/null || ! /usr/bin/python3 -c 'import pyvhdi' 2> /dev/null; then
    [ "$(id -u)" = 0 ] || { echo "installing qemu-utils and python3-libvhdi needs root" >&2; exit 3; }
    command -v apt-get > /dev/null || { echo "there is no apt-get to install qemu-utils and python3-libvhdi with" >&2; exit 3; }
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q 9>&- || true
    apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 qemu-utils python3 python3-libvhdi 9>&-
fi
