#!/bin/bash
# Installs Mono from Debian's or Ubuntu's own packages; mono-devel is the one that has the netstandard assembly. Needs root and apt. Does nothing where it is there.
set -euo pipefail
# Tests of another project may be installing as well: what is half there is waited for.
[ "$(id -u)" != 0 ] || { exec 9> /var/lock/natalia-backup-tests; flock 9; }
if ! command -v mono > /dev/null || [ ! -e /usr/lib/mono/4.5/Facades/netstandard.dll ]; then
    [ "$(id -u)" = 0 ] || { echo "installing mono-runtime and mono-devel needs root" >&2; exit 3; }
    command -v apt-get > /dev/null || { echo "there is no apt-get to install mono-runtime and mono-devel with" >&2; exit 3; }
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q 9>&- || true
    apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 mono-runtime mono-devel 9>&-
fi
