#!/bin/bash
# base.sh FOLDER: unpacks Debian bookworm with a kernel, PostgreSQL and the QEMU guest agent into FOLDER, and makes an empty
# PostgreSQL cluster in FOLDER/cluster of it. The slow part of make.sh, which keeps what this makes; needs root.
set -euo pipefail
folder=$1
release=bookworm

# From where this machine gets its own packages, as long as that is the same release; else from the mirror that the user names.
sources() {
    local own
    own=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' 2> /dev/null \
        | grep -E "^\S+ $release(-updates|-security)? main$" | sort -u | sed 's/^/deb /') || true
    if grep -qE "^deb \S+ $release main$" <<< "$own"; then echo "$own"; else
        [ -n "${NATALIA_DEBIAN_MIRROR:-}" ] || { echo "apt has no Debian $release here: name a mirror in NATALIA_DEBIAN_MIRROR" >&2; exit 3; }
        echo "deb $NATALIA_DEBIAN_MIRROR $release main"
    fi
}

# The kernel's modules that a VM needs on one of our hypervisors; the rest is most of its size. No compiler for PostgreSQL, no documents.
keep() {
    cat << 'EOF'
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/i18n/*
path-exclude=/usr/lib/x86_64-linux-gnu/libLLVM*
path-exclude=/usr/lib/postgresql/*/lib/bitcode/*
path-exclude=/usr/lib/postgresql/*/lib/llvmjit*
path-exclude=/lib/modules/*/kernel/arch/*/kvm/*
path-exclude=/lib/modules/*/kernel/sound/*
path-exclude=/lib/modules/*/kernel/net/*
path-include=/lib/modules/*/kernel/net/core/*
path-exclude=/lib/modules/*/kernel/fs/*
path-include=/lib/modules/*/kernel/fs/ext4/*
path-include=/lib/modules/*/kernel/fs/jbd2/*
path-include=/lib/modules/*/kernel/fs/mbcache.ko
path-include=/lib/modules/*/kernel/fs/fat/*
path-include=/lib/modules/*/kernel/fs/nls/*
path-include=/lib/modules/*/kernel/fs/efivarfs/*
path-include=/lib/modules/*/kernel/fs/autofs/*
path-include=/lib/modules/*/kernel/fs/configfs/*
path-exclude=/lib/modules/*/kernel/drivers/*
path-include=/lib/modules/*/kernel/drivers/virtio/*
path-include=/lib/modules/*/kernel/drivers/block/virtio_blk.ko
path-include=/lib/modules/*/kernel/drivers/char/virtio_console.ko
path-include=/lib/modules/*/kernel/drivers/char/hw_random/*
path-include=/lib/modules/*/kernel/drivers/ata/*
path-include=/lib/modules/*/kernel/drivers/scsi/*.ko
path-include=/lib/modules/*/kernel/drivers/nvme/*
path-include=/lib/modules/*/kernel/drivers/firmware/*
path-include=/lib/modules/*/kernel/drivers/hv/*
path-include=/lib/modules/*/kernel/drivers/acpi/*
path-include=/lib/modules/*/kernel/drivers/net/virtio_net.ko
path-include=/lib/modules/*/kernel/drivers/net/net_failover.ko
path-include=/lib/modules/*/kernel/drivers/net/ethernet/intel/e1000/*
path-include=/lib/modules/*/kernel/drivers/net/ethernet/intel/e1000e/*
path-include=/lib/modules/*/kernel/drivers/net/vmxnet3/*
path-include=/lib/modules/*/kernel/drivers/net/hyperv/*
path-include=/lib/modules/*/kernel/drivers/pps/*
path-include=/lib/modules/*/kernel/drivers/ptp/*
EOF
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
keep > "$work/dpkg"
# What this machine says of its way to the packages: a proxy, dates that are not checked.
apt-config dump | grep -E '^Acquire::(http|https|Check)' > "$work/apt" || true

# Before anything is configured: no cluster of Debian's own, and an initial RAM disk with the disks of all buses.
prepare="$work/prepare"
cat > "$prepare" << 'EOF'
#!/bin/sh
set -e
mkdir -p "$1/etc/postgresql-common" "$1/etc/initramfs-tools/conf.d"
echo 'create_main_cluster = false' > "$1/etc/postgresql-common/createcluster.conf"
printf 'MODULES=list\nCOMPRESS=gzip\n' > "$1/etc/initramfs-tools/conf.d/natalia"
printf '%s\n' virtio_pci virtio_blk virtio_scsi ahci ata_piix sd_mod nvme vmw_pvscsi hv_storvsc hv_vmbus ext4 crc32c_generic \
    > "$1/etc/initramfs-tools/modules"
EOF
chmod +x "$prepare"

sources | SOURCE_DATE_EPOCH=0 mmdebstrap --mode=root --variant=minbase --quiet \
    --include=linux-image-amd64,systemd-sysv,udev,dbus,kmod,initramfs-tools,qemu-guest-agent,postgresql,openssh-server,perl,iproute2 \
    --aptopt="$work/apt" --dpkgopt="$work/dpkg" --essential-hook="$prepare" \
    "$release" "$folder" -
rm -rf "$folder"/var/cache/apt/* "$folder"/var/lib/apt/lists/* "$folder"/usr/share/postgresql-common/server "$folder"/etc/machine-id
: > "$folder/etc/machine-id"

# The cluster, without records; checksums are on, so that a flipped page is found.
bin=/usr/lib/postgresql/15/bin
as_postgres() { chroot --userspec=postgres:postgres "$folder" "$@"; }
install -d -o "$(stat -c %u "$folder/var/lib/postgresql")" -g "$(stat -c %g "$folder/var/lib/postgresql")" -m 700 "$folder/cluster"
as_postgres $bin/initdb -D /cluster --data-checksums --locale=C.UTF-8 --encoding=UTF8 --auth-local=peer --auth-host=reject --no-sync --wal-segsize=4 > /dev/null
cat >> "$folder/cluster/postgresql.conf" << 'EOF'
# The appliance's own
listen_addresses = ''
jit = off
dynamic_shared_memory_type = mmap
max_wal_size = 64MB
min_wal_size = 16MB
max_wal_senders = 4
wal_level = replica
shared_buffers = 64MB
log_timezone = 'UTC'
timezone = 'UTC'
EOF
# root is the appliance's operator.
printf 'local all all peer map=natalia\nlocal replication all peer map=natalia\n' > "$folder/cluster/pg_hba.conf"
printf 'natalia root postgres\nnatalia postgres postgres\n' > "$folder/cluster/pg_ident.conf"
single() { as_postgres $bin/postgres --single -j -D /cluster -c fsync=off -c log_checkpoints=off "$1" > /dev/null; }
printf 'CREATE DATABASE natalia;\n\n' | single postgres
printf '%s\n\n' 'CREATE EXTENSION amcheck;' \
    'CREATE TABLE cdr (id bigint GENERATED ALWAYS AS IDENTITY, started timestamptz NOT NULL, seconds integer NOT NULL, caller text NOT NULL, callee text NOT NULL, exchange text NOT NULL);' \
    | single natalia
