#!/bin/bash
# Installs strace from Debian's or Ubuntu's own packages: it lets single system calls fail, as a full or dying disk does. Needs root and apt. Does nothing where it is there.
set -euo pipefail
# Tests of another project may be installing as well: what is half there is waited for.
[ "$(id -u)" != 0 ] || { exec 9> /var/lock/natalia-backup-tests; flock 9; }
if ! command -v strace > /dev/null; then
    [ "$(id -u)" = 0 ] || { echo "installing strace needs root" >&2; exit 3; }
    command -v apt-get > /dev/null || { echo "there is no apt-get to install strace with" >&2; exit 3; }
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q 9>&- || true
    apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 strace 9>&-
fi
