#!/bin/bash
# guest.sh FOLDER: makes a small guest for QEMU in FOLDER: kernel and initrd.gz. A kernel of Debian, busybox and the QEMU guest agent, in
# memory alone; it boots in seconds. On its first disk, /dev/vda, it makes a file system, mounts it on /mnt and writes all the while, so
# that the agent has something to freeze; on the second, /dev/vdb, it writes blocks at places that differ from each other.
# Made once, from Debian's packages, and kept in ${NATALIA_CACHE:-/var/cache/natalia-tests}. Installs nothing.
set -euo pipefail
[ $# = 1 ] || { echo "usage: guest.sh FOLDER" >&2; exit 64; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
cache=${NATALIA_CACHE:-/var/cache/natalia-tests}
mkdir -p "$cache"
guest=$cache/qemu-guest-$(sha256sum "$0" | cut -c 1-16)
exec 8> "$cache/qemu-guest.lock"
flock -w 600 8
if [ ! -e "$guest" ]; then
    work=$(mktemp -d "$cache/qemu-guest.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    cd "$work"
    kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/ *Depends: //p' | head -n 1)
    packages=("$kernel" busybox-static qemu-guest-agent)
    # The libraries of the agent are taken of the same distribution, not of this machine.
    packages+=(libc6 libglib2.0-0 libudev1 liburing2 libnuma1 libpcre2-8-0)
    chmod 777 . && apt-get download -q "${packages[@]}" > /dev/null
    for package in *.deb; do dpkg-deb -x "$package" root; done
    mkdir -p initrd/{bin,dev,proc,sys,mnt,tmp,run,modules,lib64,usr/sbin}
    cp root/bin/busybox initrd/bin/
    cp root/usr/sbin/qemu-ga initrd/usr/sbin/
    mkdir -p initrd/lib/x86_64-linux-gnu
    for library in ld-linux-x86-64.so.2 libc.so.6 libm.so.6 libudev.so.1 libglib-2.0.so.0 libgmodule-2.0.so.0 liburing.so.2 libnuma.so.1 libpcre2-8.so.0; do
        cp -L "$(find root/lib root/usr/lib -path '*x86_64-linux-gnu*' -name "$library" | head -n 1)" initrd/lib/x86_64-linux-gnu/
    done
    cp initrd/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 initrd/lib64/
    # In the order in which they need each other.
    modules="virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk virtio_console"
    for module in $modules; do cp "$(find root/lib/modules -name "$module.ko")" initrd/modules/; done
    cat > initrd/init << EOF
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox --install -s /bin
export PATH=/bin:/usr/sbin
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /var/run /dev/virtio-ports
for module in $modules; do insmod /modules/\$module.ko; done
if [ -b /dev/vda ]; then
    mke2fs /dev/vda > /dev/null && mount -t ext4 /dev/vda /mnt
    (i=0; while :; do i=\$((i + 1)); dd if=/dev/urandom of=/mnt/f\$((i % 20)) bs=32k count=\$((i % 3 + 1)) 2> /dev/null; sync; usleep 20000; done) &
fi
if [ -b /dev/vdb ]; then
    blocks=\$((\$(cat /sys/block/vdb/size) / 8)); (i=0; while :; do i=\$((i + 7919)); dd if=/dev/urandom of=/dev/vdb bs=4k count=1 seek=\$((i % blocks)) conv=notrunc,fsync 2> /dev/null; usleep 20000; done) &
fi
# The port is there a moment after its driver.
while :; do
    for port in /sys/class/virtio-ports/*; do ln -sf "/dev/\${port##*/}" "/dev/virtio-ports/\$(cat "\$port/name")"; done 2> /dev/null
    [ -e /dev/virtio-ports/org.qemu.guest_agent.0 ] && qemu-ga -m virtio-serial -p /dev/virtio-ports/org.qemu.guest_agent.0
    usleep 200000
done
EOF
    chmod +x initrd/init
    mkdir "$work/made"
    (cd initrd && find . | cpio -o -H newc --quiet | gzip -1) > made/initrd.gz
    cp root/boot/vmlinuz-* made/kernel
    mv made "$guest"
    cd /
fi
cp "$guest/kernel" "$guest/initrd.gz" "$folder/"
