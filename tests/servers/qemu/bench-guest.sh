#!/bin/bash
# bench-guest.sh FOLDER: makes a small appliance in FOLDER that boots in seconds: vm.json, system.qcow2 and data.raw, switched off. Its
# system is the kernel, the busybox and the guest agent of guest.sh, in memory alone, started by GRUB from the disk; it has a natalia-cli
# that reads the data disk: a line with the SHA-256 of all behind it, a line with the number of call records, and bytes of chance.
# The last line printed is that number. Needs what tests/servers/appliance/install.sh installs; mounts nothing, needs no root.
set -euo pipefail
[ $# = 1 ] || { echo "usage: bench-guest.sh FOLDER" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
mkdir -p "$1"
folder=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tree" "$work/more/usr/bin"
bash "$here/guest.sh" "$work/tree"
cat > "$work/more/init" << 'EOF'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin:/usr/sbin
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /var/run /dev/virtio-ports
ln -s /bin/env /usr/bin/env
for module in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk virtio_console; do insmod /modules/$module.ko; done
# The port is there a moment after its driver.
while :; do
    for port in /sys/class/virtio-ports/*; do ln -sf "/dev/${port##*/}" "/dev/virtio-ports/$(cat "$port/name")"; done 2> /dev/null
    [ -e /dev/virtio-ports/org.qemu.guest_agent.0 ] && qemu-ga -m virtio-serial -p /dev/virtio-ports/org.qemu.guest_agent.0
    usleep 200000
done
EOF
cat > "$work/more/usr/bin/natalia-cli" << 'EOF'
#!/bin/sh
for disk in /dev/vd?; do head -c 65 $disk | grep -qE '^[0-9a-f]{64}$' && data=$disk; done
[ -n "$data" ] || { echo "there is no data disk" >&2; exit 3; }
case "$*" in
    check-integrity|"audit verify") [ "$(head -c 64 $data)" = "$(tail -c +66 $data | sha256sum | cut -c 1-64)" ] ;;
    "cdr count --day "*) head -c 100 $data | sed -n 2p ;;
    licence) echo "valid" ;;
    *) echo "unknown: $*" >&2; exit 64 ;;
esac
EOF
chmod 755 "$work/more/init" "$work/more/usr/bin/natalia-cli"
(cd "$work/more" && find . | cpio -o -H newc --quiet | gzip -1) > "$work/tree/more.gz"
cat > "$work/tree/grub.cfg" << 'EOF'
linux /kernel quiet
initrd /initrd.gz /more.gz
boot
EOF
printf 'search --no-floppy --file /more.gz --set=root\nset prefix=($root)/\nconfigfile /grub.cfg\n' > "$work/early.cfg"
grub-mkimage -O i386-pc -o "$work/core.img" -p / -c "$work/early.cfg" biosdisk part_msdos ext2 search search_fs_file configfile normal linux boot
size=$(( $(du -sm --apparent-size "$work/tree" | cut -f 1) + 8 ))
image=$work/system.raw
truncate -s "$((1 + size))M" "$image"
printf 'label: dos\nstart=1MiB, size=%sMiB, type=83, bootable\n' "$size" | sfdisk -q "$image"
mkfs.ext4 -q -E offset=1048576 -d "$work/tree" "$image" "${size}M"
# GRUB's first sector looks for the rest at sector 1, which is where it is; the partition table behind byte 440 stays.
dd if=/usr/lib/grub/i386-pc/boot.img of="$image" bs=440 count=1 conv=notrunc status=none
[ "$(stat -c %s "$work/core.img")" -lt $((2047 * 512)) ] || { echo "the boot loader is too large" >&2; exit 1; }
dd if="$work/core.img" of="$image" bs=512 seek=1 conv=notrunc status=none
qemu-img convert -O qcow2 "$image" "$folder/system.qcow2"
count=1000
{ echo "$count"; head -c 1048576 /dev/urandom; } | head -c $((1048576 - 65)) > "$work/behind"
{ echo "$(sha256sum < "$work/behind" | cut -c 1-64)"; cat "$work/behind"; } > "$folder/data.raw"
cat > "$folder/vm.json" << EOF
{
  "id": "$(cat /proc/sys/kernel/random/uuid)",
  "name": "$(basename "$folder")",
  "processorCount": 1,
  "memoryBytes": 268435456,
  "bus": "virtio",
  "networks": [ { "name": "voice", "macAddress": "52:54:00:6e:61:75" } ],
  "disks": [
    { "id": "scsi0", "path": "system.qcow2", "role": "System" },
    { "id": "scsi1", "path": "data.raw", "role": "Data" }
  ]
}
EOF
echo "$count"
