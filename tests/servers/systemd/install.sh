#!/bin/bash
# Installs systemd from Debian's or Ubuntu's own packages: its systemd-analyze reads unit files and calendar expressions as the running one does. Needs root and apt. Does nothing where it is there.
set -euo pipefail
# Tests of another project may be installing as well: what is half there is waited for.
[ "$(id -u)" != 0 ] || { exec 9> /var/lock/natalia-backup-tests; flock 9; }
if ! command -v systemd-analyze > /dev/null; then
    [ "$(id -u)" = 0 ] || { echo "installing systemd needs root" >&2; exit 3; }
    command -v apt-get > /dev/null || { echo "there is no apt-get to install systemd with" >&2; exit 3; }
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q 9>&- || true
    apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 systemd 9>&-
fi
