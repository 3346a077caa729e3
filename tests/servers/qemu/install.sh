#!/bin/bash
# Installs QEMU, its tools and its UEFI firmware, and what a small guest is made of, from Debian's or Ubuntu's own packages. Needs root and apt. Does nothing where it is there.
# With --check it only says what is missing.
set -euo pipefail
# Tests of another project may be installing as well: what is half there is waited for.
[ "$(id -u)" != 0 ] || { exec 9> /var/lock/natalia-backup-tests; flock 9; }
for program in qemu-system-x86_64 qemu-img qemu-nbd nbdinfo cpio; do
    if ! command -v "$program" > /dev/null || [ ! -e /usr/share/OVMF/OVMF_CODE_4M.fd ]; then
        [ "${1:-}" != --check ] || { echo "$program or the UEFI firmware (ovmf) is not installed" >&2; exit 1; }
        [ "$(id -u)" = 0 ] || { echo "installing QEMU needs root" >&2; exit 3; }
        command -v apt-get > /dev/null || { echo "there is no apt-get to install QEMU with" >&2; exit 3; }
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -q 9>&- || true
        apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 qemu-system-x86 qemu-utils ovmf libnbd-bin cpio 9>&-
        break
    fi
done
