#!/usr/bin/env bash
# Builds the Vagrant box of the tests: Debian with what coracle wants and the user vagrant, for libvirt, so that
# `vagrant up` needs no network. Prints the file. Its key and its kernel are beside it.
set -euo pipefail

name=vm-box
project=$(cd "$(dirname "$0")/../.." && pwd)
. "$project/vagrant/vm/common.sh"
size=4G

packages=(
  systemd systemd-sysv systemd-resolved libpam-systemd dbus dbus-user-session udev kmod iproute2 openssh-server sudo
  rsync procps lz4 linux-image-cloud-amd64 initramfs-tools zstd busybox-static e2fsprogs
)

# Nothing here may want the network, or the processor that the tests measure.
masked=(
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
  systemd-networkd-wait-online.service systemd-pstore.service
)

main() {
  open_cache
  build_once box build_box "$0" "$project/vagrant/vm/common.sh" "$project/vagrant/provision.sh"
  echo "$built/coracle.box"
}

build_box() {
  local place=$1 root=$1/root tools
  tools=$(bash "$project/vagrant/vm/build-tools.sh")
  ssh-keygen -q -t ed25519 -N '' -C coracle-vm -f "$place/vagrant_private_key"
  make_root "$root"
  make_disk "$root" "$place/disk.raw" "$tools"
  cp "$root/boot/vmlinuz-"* "$place/kernel"
  pack "$place"
  rm -rf --one-file-system "$root" "$place/disk.raw"
}

make_root() {
  # Package names have no spaces.
  # shellcheck disable=SC2046
  bootstrap "$1" "${packages[@]}" $(bash "$project/vagrant/provision.sh" --runtime-only --list) -- \
    --essential-hook="$(declare -f small_initramfs); small_initramfs \"\$1\"" >&2
  install -m 0755 "$project/vagrant/provision.sh" "$1/tmp/provision.sh"
  chroot "$1" bash /tmp/provision.sh --runtime-only --user vagrant >&2
  rm "$1/tmp/provision.sh"
  let_vagrant_in "$1"
  configure "$1"
}

# A small initramfs with a quick decompressor: emulated processors spend seconds on Debian's default.
small_initramfs() {
  mkdir -p "$1/etc/initramfs-tools/conf.d"
  printf 'MODULES=list\nCOMPRESS=lz4\n' >"$1/etc/initramfs-tools/conf.d/coracle"
  printf '%s\n' virtio_pci virtio_blk virtio_net ext4 >"$1/etc/initramfs-tools/modules"
}

let_vagrant_in() {
  printf 'vagrant ALL=(ALL) NOPASSWD: ALL\n' >"$1/etc/sudoers.d/vagrant"
  chmod 0440 "$1/etc/sudoers.d/vagrant"
  install -d -m 0700 "$1/home/vagrant/.ssh"
  install -m 0600 "$place/vagrant_private_key.pub" "$1/home/vagrant/.ssh/authorized_keys"
  chroot "$1" chown -R vagrant:vagrant /home/vagrant/.ssh
}

configure() {
  echo coracle >"$1/etc/hostname"
  echo '127.0.0.1 localhost coracle' >"$1/etc/hosts"
  echo 'LABEL=root / ext4 rw,noatime 0 1' >"$1/etc/fstab"
  printf '[Match]\nType=ether\n[Network]\nDHCP=yes\n' >"$1/etc/systemd/network/10-ether.network"
  chroot "$1" systemctl -q enable systemd-networkd systemd-resolved
  ln -sf ../run/systemd/resolve/resolv.conf "$1/etc/resolv.conf"
  local unit
  for unit in "${masked[@]}"; do ln -sf /dev/null "$1/etc/systemd/system/$unit"; done
}

# A disk that boots by itself, made without mounting anything: GRUB in front of the one partition.
make_disk() {
  local root=$1 disk=$2 tools=$3 kernel release
  kernel=$(cd "$root/boot" && echo vmlinuz-*)
  release=${kernel#vmlinuz-}
  mkdir -p "$root/boot/grub"
  cat >"$root/boot/grub/grub.cfg" <<GRUB
set timeout=0
linux /boot/$kernel root=LABEL=root rw console=ttyS0 net.ifnames=0 quiet mitigations=off
initrd /boot/initrd.img-$release
boot
GRUB
  truncate -s "$size" "$disk"
  local start=1048576 in_tools
  in_tools=/mnt/$(basename "$disk")
  # The tools see the place of the box at /mnt, in a mount namespace that ends with them.
  unshare --mount --propagation private bash -euc '
    mount --bind "$1" "$2/mnt"
    exec chroot "$2" bash -euc "$3" bash "$4" "$5" "$6"
  ' bash "$(dirname "$disk")" "$tools" "$(declare -f write_disk); write_disk \"\$@\"" \
    "/mnt/$(basename "$root")" "$in_tools" "$start" >&2
}

write_disk() {
  local root=$1 disk=$2 start=$3 grub=/usr/lib/grub/i386-pc
  echo "$((start / 512)),,83,*" | sfdisk -q "$disk"
  mke2fs -q -F -t ext4 -b 4096 -L root -d "$root" -E "offset=$start" "$disk" "$((($(stat -c %s "$disk") - start) / 4096))"
  grub-mkimage -d "$grub" -O i386-pc -o /tmp/core.img -p '(hd0,msdos1)/boot/grub' \
    biosdisk part_msdos ext2 linux normal configfile
  dd if="$grub/boot.img" of="$disk" bs=446 count=1 conv=notrunc status=none
  dd if=/tmp/core.img of="$disk" bs=512 seek=1 conv=notrunc status=none
  qemu-img convert -f raw -O qcow2 "$disk" "$(dirname "$disk")/box.img"
  rm /tmp/core.img
}

pack() {
  printf '{"provider":"libvirt","format":"qcow2","virtual_size":%s}\n' "${size%G}" >"$1/metadata.json"
  cat >"$1/Vagrantfile" <<'RUBY'
Vagrant.configure("2") do |config|
  config.ssh.insert_key = false
  config.ssh.private_key_path = File.expand_path("vagrant_private_key", __dir__)
end
RUBY
  tar -C "$1" -cf "$1/coracle.box" metadata.json Vagrantfile vagrant_private_key box.img
  rm "$1/box.img"
}

main "$@"
