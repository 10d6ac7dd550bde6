#!/usr/bin/env bash
# Builds a root file system with Vagrant, libvirt and qemu: a set of tools that is entered with chroot, so that the
# machine itself gets no package, service or bridge. Prints its directory.
set -euo pipefail

name=vm-tools
project=$(cd "$(dirname "$0")/../.." && pwd)
. "$project/vagrant/vm/common.sh"

tools=(
  vagrant vagrant-libvirt libvirt-daemon-system libvirt-clients qemu-system-x86 qemu-utils dnsmasq-base iptables
  dbus netcat-openbsd openssh-client rsync procps iproute2 ca-certificates
  grub-pc-bin grub-common fdisk e2fsprogs
)

main() {
  open_cache
  build_once tools build_tools "$0" "$project/vagrant/vm/common.sh"
  echo "$built/root"
}

build_tools() {
  bootstrap "$1/root" "${tools[@]}" >&2
  # No users, cgroups or security modules of the machine are there to hold qemu; the namespaces around it are.
  cat >"$1/root/etc/libvirt/qemu.conf" <<'CONF'
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
remember_owner = 0
CONF
  printf 'auth_unix_rw = "none"\nauth_unix_ro = "none"\n' >>"$1/root/etc/libvirt/libvirtd.conf"
}

main "$@"
