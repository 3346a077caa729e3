#!/bin/bash
# Installs what start.sh needs, from Debian's or Ubuntu's own packages. Needs root and apt. Does nothing where it is there.
# With --check it only says what is missing.
set -euo pipefail
for program in ceph-mon ceph-osd radosgw radosgw-admin monmaptool ceph; do
    if ! command -v "$program" > /dev/null; then
        [ "${1:-}" != --check ] || { echo "$program of the Ceph gateway is not installed" >&2; exit 1; }
        [ "$(id -u)" = 0 ] || { echo "installing $program needs root" >&2; exit 3; }
        command -v apt-get > /dev/null || { echo "there is no apt-get to install $program with" >&2; exit 3; }
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -q
        exec apt-get install -q -y --no-install-recommends radosgw ceph-mon ceph-osd ceph-common
    fi
done
