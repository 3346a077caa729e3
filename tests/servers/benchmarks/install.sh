#!/bin/bash
# Installs what benchmarks/compare.sh measures with, from Debian's or Ubuntu's own packages. Needs root and apt. Does nothing where it is there.
set -euo pipefail
# Tests of another project may be installing as well: what is half there is waited for.
[ "$(id -u)" != 0 ] || { exec 9> /var/lock/natalia-backup-tests; flock 9; }
if ! [ -x /usr/bin/time ] || ! [ -x /usr/bin/python3 ]; then
    [ "$(id -u)" = 0 ] || { echo "installing time and python3 needs root" >&2; exit 3; }
    command -v apt-get > /dev/null || { echo "there is no apt-get to install time and python3 with" >&2; exit 3; }
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q 9>&- || true
    apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 time python3 9>&-
fi
