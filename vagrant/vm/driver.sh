#!/usr/bin/env bash
# driver.sh TOOLS KERNEL: prints `kvm` where a guest runs by hardware, else `qemu`. A device that can be opened proves
# little (a nested one may hang every guest), so the kernel of the box is run until it finds no root and panics.
set -euo pipefail

main() {
  if [ -c /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo && run_guest "$1" "$2"; then echo kvm; else echo qemu; fi
}

run_guest() {
  unshare --mount --propagation private --pid --fork --kill-child bash -euc '
    mount -t tmpfs tmpfs "$1/mnt"
    mount --rbind /dev "$1/dev"
    cp "$2" "$1/mnt/kernel"
    timeout -s KILL 30 chroot "$1" qemu-system-x86_64 -accel kvm -m 256 -display none -monitor none -no-reboot \
      -serial file:/mnt/serial -kernel /mnt/kernel -append "console=ttyS0 panic=-1" || exit 1
    grep -q "Kernel panic" "$1/mnt/serial"
  ' bash "$1" "$2" >&2
}

main "$@"
