#!/bin/bash
# Installs what reads reports besides the product: Chromium, a parser of OpenMetrics, OpenSSL, fonts. From Debian's own packages. Needs root and apt. Does nothing where it is there.
set -euo pipefail
# Tests of another project may be installing as well: what is half there is waited for.
[ "$(id -u)" != 0 ] || { exec 9> /var/lock/natalia-backup-tests; flock 9; }
if ! command -v chromium > /dev/null || ! command -v openssl > /dev/null || ! /usr/bin/python3 -c 'import prometheus_client' 2> /dev/null; then
    [ "$(id -u)" = 0 ] || { echo "installing chromium, openssl and python3-prometheus-client needs root" >&2; exit 3; }
    command -v apt-get > /dev/null || { echo "there is no apt-get to install chromium, openssl and python3-prometheus-client with" >&2; exit 3; }
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q 9>&- || true
    apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 chromium openssl python3 python3-prometheus-client fonts-liberation fonts-dejavu-core 9>&-
fi
