#!/bin/bash
# Installs what make.sh needs to make the test appliance and QEMU to start it, from Debian's or Ubuntu's own packages. Needs root and apt.
# Does nothing where it is there. With --check it only says what is missing.
set -euo pipefail
# Tests of another project may be installing as well: what is half there is waited for.
[ "$(id -u)" != 0 ] || { exec 9> /var/lock/natalia-backup-tests; flock 9; }
# A file that each package brings. No grub-pc here: it would want to be this machine's own boot loader.
declare -A needs=(
    [mmdebstrap]=/usr/bin/mmdebstrap
    [debian-archive-keyring]=/usr/share/keyrings/debian-archive-keyring.gpg
    [e2fsprogs]=/sbin/mkfs.ext4
    [fdisk]=/sbin/sfdisk
    [openssh-client]=/usr/bin/ssh-keygen
    [dosfstools]=/sbin/mkfs.fat
    [mtools]=/usr/bin/mcopy
    [grub-common]=/usr/bin/grub-mkimage
    [grub-pc-bin]=/usr/lib/grub/i386-pc/boot.img
    [grub-efi-amd64-bin]=/usr/lib/grub/x86_64-efi/linux.mod
    [qemu-system-x86]=/usr/bin/qemu-system-x86_64
    [qemu-utils]=/usr/bin/qemu-img
    [ovmf]=/usr/share/OVMF/OVMF_CODE_4M.fd
)
missing=()
for package in "${!needs[@]}"; do [ -e "${needs[$package]}" ] || missing+=("$package"); done
[ ${#missing[@]} -gt 0 ] || exit 0
[ "${1:-}" != --check ] || { echo "not installed: ${missing[*]}" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "installing ${missing[*]} needs root" >&2; exit 3; }
command -v apt-get > /dev/null || { echo "there is no apt-get to install ${missing[*]} with" >&2; exit 3; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -q 9>&- || true
apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" 9>&-
