#!/bin/bash
# Installs OpenSSH's server and ssh-keygen from Debian's or Ubuntu's own packages. Needs root and apt. Does nothing where they are there. The tests start servers
# of their own on 127.0.0.1; the system's service is not started by this script.
set -euo pipefail
# Tests of another project may be installing as well: what is half there is waited for.
[ "$(id -u)" != 0 ] || { exec 9> /var/lock/natalia-backup-tests; flock 9; }
if [ -x /usr/sbin/sshd ] && command -v ssh-keygen > /dev/null; then exit 0; fi
[ "$(id -u)" = 0 ] || { echo "installing OpenSSH's server needs root" >&2; exit 3; }
command -v apt-get > /dev/null || { echo "there is no apt-get to install OpenSSH's server with" >&2; exit 3; }
# What a package asks this of is not started; a policy that is there already is left as it is.
if [ ! -e /usr/sbin/policy-rc.d ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q 9>&- || true
apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 openssh-server openssh-client 9>&-
