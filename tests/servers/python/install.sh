#!/bin/bash
# Installs what the escape kit (tools/escape-kit) needs, from Debian's or Ubuntu's own packages. Needs root and apt. Does nothing where it is there.
set -euo pipefail
# Tests of another project may be installing as well: what is half there is waited for.
[ "$(id -u)" != 0 ] || { exec 9> /var/lock/natalia-backup-tests; flock 9; }
if ! /usr/bin/python3 -c 'import cryptography, zstandard' 2> /dev/null; then
    [ "$(id -u)" = 0 ] || { echo "installing python3-cryptography and python3-zstandard needs root" >&2; exit 3; }
    command -v apt-get > /dev/null || { echo "there is no apt-get to install python3-cryptography and python3-zstandard with" >&2; exit 3; }
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q 9>&- || true
    apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 python3 python3-cryptography python3-zstandard 9>&-
fi
