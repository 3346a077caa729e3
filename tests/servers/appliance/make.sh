#!/bin/bash
# make.sh FOLDER: makes the test appliance natalia-nice in FOLDER: vm.json, system.raw, data.raw, switched off. A Debian VM with
# PostgreSQL, the QEMU guest agent and natalia-cli; its system disk boots from BIOS and from UEFI, its data disk holds the call
# records of the last 14 days and an audit log. The last line printed is the number of call records of the business day (Monday to
# Friday, UTC) before now.
#
# What is in FOLDER of an earlier appliance is replaced. Needs root (chroot), and what install.sh installs; mounts nothing. The base
# system is made once and kept in ${NATALIA_CACHE:-/var/cache/natalia-tests}, in a folder named by the hash of these scripts; the
# records are made every time. Several may run at the same time.
set -euo pipefail
umask 022
[ $# = 1 ] || { echo "usage: make.sh FOLDER" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
[ "$(id -u)" = 0 ] || { echo "making the appliance needs root" >&2; exit 3; }
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
bash "$here/install.sh" --check || { echo "run $here/install.sh first" >&2; exit 3; }
cache=${NATALIA_CACHE:-/var/cache/natalia-tests}
mkdir -p "$cache"

hash_of() { (cd "$here" && find "$@" -type f | sort | xargs sha256sum | sha256sum | cut -c 1-16); }
base=$cache/appliance-base-$(hash_of base.sh)
system=$cache/appliance-system-$(hash_of base.sh make.sh guest)

# Of several that start at once, one makes what is missing; whoever died while making left a folder that nobody counts on.
exec 8> "$cache/appliance.lock"
flock -w 1200 8 || { echo "another make.sh has been making the base system for 20 minutes" >&2; exit 1; }
if [ ! -e "$base" ]; then
    echo "The base system is made once; that takes a few minutes."
    rm -rf "$cache"/appliance-base-*.new
    timeout 1200 bash "$here/base.sh" "$base.new" 8>&-
    mv "$base.new" "$base"
fi

# A disk of one partition for BIOS and UEFI each: the boot loader is written into the places that firmware reads.
make_system() {
    local new=$1 tree=$1/tree boot=$1/boot size
    cp -a "$base" "$tree"
    mv "$tree/cluster" "$new/cluster-unused" && rm -rf "$new/cluster-unused"
    cp -r "$here/guest/." "$tree/"
    chmod 755 "$tree/usr/local/bin/natalia-cli" "$tree"/usr/local/lib/natalia/*
    mkdir -p "$tree/var/lib/natalia" "$tree/boot/grub"
    echo natalia-nice > "$tree/etc/hostname"
    printf '127.0.0.1 localhost natalia-nice\n' > "$tree/etc/hosts"
    # Without passwords: whoever has the console of a test VM may use it, and SSH wants a key.
    chroot "$tree" passwd -d root > /dev/null
    chroot "$tree" systemctl --quiet enable natalia-mode natalia-postgresql natalia-collector natalia-mcp.socket systemd-networkd ssh qemu-guest-agent
    chroot "$tree" systemctl --quiet mask postgresql.service apt-daily.timer apt-daily-upgrade.timer e2scrub_reap.service systemd-networkd-wait-online.service systemd-logind.service systemd-update-utmp.service systemd-update-utmp-runlevel.service modprobe@drm.service getty@tty1.service
    ln -sf "$(cd "$tree/boot" && ls vmlinuz-*)" "$tree/boot/vmlinuz"
    ln -sf "$(cd "$tree/boot" && ls initrd.img-*)" "$tree/boot/initrd.img"
    cat > "$tree/boot/grub/grub.cfg" << 'EOF'
serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
set timeout=0
menuentry natalia {
    search --no-floppy --label natalia-sys --set=root
    linux /boot/vmlinuz root=LABEL=natalia-sys ro console=tty0 console=ttyS0 quiet net.ifnames=0 mitigations=off
    initrd /boot/initrd.img
}
EOF
    # A kilobyte of the tree is more on a file system; and some room to live.
    size=$(( $(du -sm --apparent-size "$tree" | cut -f 1) * 115 / 100 + 96 ))
    mkdir "$boot"
    printf 'search --no-floppy --label natalia-sys --set=root\nset prefix=($root)/boot/grub\nconfigfile /boot/grub/grub.cfg\n' > "$boot/early.cfg"
    local modules="part_msdos ext2 search search_label configfile normal linux serial terminal echo test"
    grub-mkimage -O i386-pc -o "$boot/core.img" -p /boot/grub -c "$boot/early.cfg" biosdisk $modules
    grub-mkimage -O x86_64-efi -o "$boot/bootx64.efi" -p /boot/grub -c "$boot/early.cfg" fat efi_gop $modules
    # Sectors: the boot loader from 1 on, the system from 1 MiB on, then 4 MiB for UEFI.
    local image=$new/system.raw
    truncate -s "$((1 + size + 4))M" "$image"
    printf 'label: dos\nstart=1MiB, size=%sMiB, type=83, bootable\nstart=%sMiB, size=4MiB, type=ef\n' "$size" "$((1 + size))" | sfdisk -q "$image"
    mkfs.ext4 -q -L natalia-sys -E offset=1048576,lazy_itable_init=1 -d "$tree" "$image" "${size}M"
    mkfs.fat -n NATALIA-EFI -C "$boot/esp" 4096 > /dev/null
    mmd -i "$boot/esp" ::EFI ::EFI/BOOT
    mcopy -i "$boot/esp" "$boot/bootx64.efi" ::EFI/BOOT/BOOTX64.EFI
    dd if="$boot/esp" of="$image" bs=1M seek="$((1 + size))" conv=notrunc,sparse status=none
    # GRUB's first sector looks for the rest at sector 1, which is where it is; the partition table behind byte 440 stays.
    dd if=/usr/lib/grub/i386-pc/boot.img of="$image" bs=440 count=1 conv=notrunc status=none
    [ "$(stat -c %s "$boot/core.img")" -lt $((2047 * 512)) ] || { echo "the boot loader is too large" >&2; return 1; }
    dd if="$boot/core.img" of="$image" bs=512 seek=1 conv=notrunc status=none
    rm -rf "$tree" "$boot"
}
if [ ! -e "$system" ]; then
    echo "The system disk is made."
    rm -rf "$cache"/appliance-system-*
    mkdir "$system.new"
    make_system "$system.new"
    mv "$system.new" "$system"
fi
# Bases of other scripts are nobody's any more, once nobody uses them.
exec 7< "$base"
flock -s 7
for other in "$cache"/appliance-base-*; do
    [ "$other" = "$base" ] || { flock -n "$other" true && rm -rf "$other"; }
done
cp --sparse=always --reflink=auto "$system/system.raw" "$folder/system.raw.new"
flock -u 8

# The records: written by PostgreSQL itself, as one process without a port, in a folder of this run's own.
work=$(mktemp -d "$base/tmp/make.XXXXXX")
trap 'rm -rf "$work" "$folder"/*.new' EXIT
inside=${work#"$base"}
chmod 755 "$work"
mkdir "$work/data" "$work/data/audit"
cp -a "$base/cluster" "$work/data/postgresql"
chown --reference="$base/cluster" "$work"
as_postgres() { chroot --userspec=postgres:postgres "$base" "$@"; }
previous() {
    local back=1
    while [ "$(date -u -d "$today -$back day" +%u)" -gt 5 ]; do back=$((back + 1)); done
    date -u -d "$today -$back day" +%F
}
now=$(date -u +'%F %T')
today=${now% *}
day=$(previous)
# Between 20,000 and 24,999 a day, a number of its own for each, so that a count of another day is not taken for the right one.
printf '%s\n\n' \
    "INSERT INTO cdr (started, seconds, caller, callee, exchange)
     SELECT started, 1 + (random() * 600)::int, '+43' || (random() * 1e9)::bigint, '+49' || (random() * 1e9)::bigint, 'exchange-' || n % 4
     FROM generate_series(0, 14) AS back,
          LATERAL (SELECT date '$today' - back AS day, 20000 + (extract(epoch FROM date '$today' - back)::bigint / 86400) * 1237 % 5000 AS records) AS d,
          LATERAL generate_series(0, records - 1) AS n,
          LATERAL (SELECT (day::timestamp + n * (interval '24 hours' / records)) AT TIME ZONE 'UTC' AS started) AS s
     WHERE started < '$now+00' ORDER BY started;" \
    "CREATE UNIQUE INDEX cdr_id ON cdr (id);" \
    "CREATE INDEX cdr_started ON cdr (started);" \
    "VACUUM (FREEZE, ANALYZE) cdr;" \
    "COPY (SELECT count(*) FROM cdr WHERE started >= '$day 00:00+00' AND started < timestamptz '$day 00:00+00' + interval '1 day') TO '$inside/count';" \
    | as_postgres timeout 300 /usr/lib/postgresql/15/bin/postgres --single -j -D "$inside/data/postgresql" -c fsync=off -c log_checkpoints=off -c max_wal_size=1GB natalia > /dev/null
count=$(cat "$work/count")
[ "$count" -ge 20000 ] || { echo "there are $count records of $day" >&2; exit 1; }
# The chain is made by the same program that verifies it.
seq 1 5000 | sed 's/^/an operator looked at call record /' | NATALIA_DATA=$work/data perl "$here/guest/usr/local/bin/natalia-cli" audit add -
truncate -s 512M "$folder/data.raw.new"
mkfs.ext4 -q -F -L natalia-data -d "$work/data" "$folder/data.raw.new"

# A new VM every time, so with an id of its own.
cat > "$folder/vm.json.new" << EOF
{
  "id": "$(cat /proc/sys/kernel/random/uuid)",
  "name": "natalia-nice",
  "processorCount": 2,
  "memoryBytes": 1073741824,
  "networks": [ { "name": "voice", "vlan": 110, "macAddress": "52:54:00:6e:61:74" } ],
  "disks": [
    { "id": "system", "path": "system.raw", "role": "System" },
    { "id": "data", "path": "data.raw", "role": "Data" }
  ]
}
EOF
for file in system.raw data.raw vm.json; do mv "$folder/$file.new" "$folder/$file"; done
echo "The call records of $day, the business day before now:"
echo "$count"
