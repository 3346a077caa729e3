#!/bin/bash
# Installs what start.sh needs, from Debian's or Ubuntu's own packages. Needs root and apt. Does nothing where it is there.
# With --check it only says what is missing.
set -euo pipefail
# Tests of another project may be installing as well: what is half there is waited for.
[ "$(id -u)" != 0 ] || { exec 9> /var/lock/natalia-backup-tests; flock 9; }
for program in ceph-mon ceph-osd radosgw radosgw-admin monmaptool ceph; do
    if ! command -v "$program" > /dev/null; then
        [ "${1:-}" != --check ] || { echo "$program of the Ceph gateway is not installed" >&2; exit 1; }
        [ "$(id -u)" = 0 ] || { echo "installing $program needs root" >&2; exit 3; }
        command -v apt-get > /dev/null || { echo "there is no apt-get to install $program with" >&2; exit 3; }
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -q 9>&- || true
        apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 radosgw ceph-mon ceph-osd ceph-common 9>&-
        break
    fi
done
