#!/usr/bin/env bash
# Runs a command with a libvirt of its own: inside.sh TOOLS PLACE COMMAND...
#
# In private mount, network and process namespaces, the tools (see build-tools.sh) are started in a root of their own,
# over which everything they write goes to PLACE. Bridge, dnsmasq and packet filter are of that network namespace, and
# all of it ends with the command. COMMAND runs outside of that root, but in its network; $VM_CHROOT enters it:
# `$VM_CHROOT vagrant up`. PLACE is /place there.
set -euo pipefail

main() {
  case ${INSIDE:-no} in
    no)
      INSIDE=yes exec unshare --mount --net --pid --fork --kill-child --propagation private bash "$0" "$@"
      ;;
    yes)
      build_root "$1" "$2"
      export VM_CHROOT=$2/enter
      shift 2
      unset INSIDE
      start_libvirt
      "$@"
      ;;
  esac
}

build_root() {
  local tools=$1 place=$2 root=$2/root
  mkdir -p "$place"/{upper,work,root}
  mount -t overlay overlay -o "lowerdir=$tools,upperdir=$place/upper,workdir=$place/work" "$root"
  mkdir -p "$root/place"
  mount --bind "$place" "$root/place"
  mount --rbind /dev "$root/dev"
  mount -t proc proc "$root/proc"
  mount -t proc proc /proc
  mount -t sysfs -o ro sysfs "$root/sys"
  mount -t tmpfs tmpfs "$root/run"
  mkdir -p "$root/run/lock" "$root/run/dbus"
  ip link set lo up
  cat >"$place/enter" <<ENTER
#!/bin/bash
# The root is an overlay; disks are written to the directory below it.
cd /
exec chroot "$root" env -C /place/vagrant -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb \\
  VAGRANT_NO_COLOR=1 VAGRANT_CHECKPOINT_DISABLE=1 CORACLE_VM_BOX="\$CORACLE_VM_BOX" \\
  CORACLE_VM_DRIVER="\$CORACLE_VM_DRIVER" CORACLE_VM_DISK="\$CORACLE_VM_DISK" \\
  CORACLE_VM_CONSOLE="\$CORACLE_VM_CONSOLE" "\$@"
ENTER
  chmod 0755 "$place/enter"
  mkdir -p "$place/vagrant" "$root/var/lib/libvirt/images" "$place/images"
  mount --bind "$place/images" "$root/var/lib/libvirt/images"
}

start_libvirt() {
  "$VM_CHROOT" dbus-daemon --system --fork
  "$VM_CHROOT" virtlogd --daemon
  "$VM_CHROOT" libvirtd --daemon
  local try
  for try in $(seq 100); do
    ! "$VM_CHROOT" virsh -q -c qemu:///system list >/dev/null 2>&1 || return 0
    sleep 0.1
  done
  echo "inside: wait for libvirt: no answer after $try tries" >&2
  return 1
}

main "$@"
