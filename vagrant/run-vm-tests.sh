#!/usr/bin/env bash
# `npm run test:vm`: `vagrant up` of this directory's Vagrantfile with a box that is built here, then test/vm as an
# unprivileged user of that machine, over ssh. As root; nothing stays but what is cached in /var/tmp/coracle-vm.
#
#   run-vm-tests.sh [AVA ARGUMENT...]
#   run-vm-tests.sh --run COMMAND...   COMMAND instead of the tests, with the variables that they get
#
#   CORACLE_VM_DRIVER  kvm or qemu (emulation); default: kvm where it works
#   CORACLE_VM_CACHE   where what is built is kept
#   CORACLE_VM_MIRROR  a mirror of Debian; default: the one of this host's own packages
#   CORACLE_TEST_VM=1  a machine that cannot do this is a failure, not exit code 77
set -euo pipefail

name=test-vm
project=$(cd "$(dirname "$0")/.." && pwd)
. "$project/vagrant/vm/common.sh"
cd "$project"
# Seconds for each of two builds, and for each command of Vagrant.
build_limit=600
up_limit=600

main() {
  if [ "${1:-}" = --inside ]; then
    shift
    test_machine "$@"
    return
  fi
  check_host
  check_node
  provision --with-tests
  install_modules
  npm run -s build || fail 'build coracle: see above'
  build_all
  place=$(mktemp -d /var/tmp/coracle-vm-XXXXXX)
  trap 'end_machine' EXIT
  trap 'exit 143' TERM INT HUP
  lay_out
  local status=0
  export CORACLE_VM_PLACE=$place CORACLE_VM_DRIVER
  bash vagrant/vm/inside.sh "$tools" "$place" bash "$0" --inside "$@" &
  machine=$!
  wait "$machine" || status=$?
  machine=
  [ "$status" = 0 ] || show_console
  say "all: $SECONDS s"
  exit "$status"
}

# What the machine lacks that no package gives.
check_host() {
  [ "$(id -u)" = 0 ] || cannot 'be root: bridges and file systems of the virtual machine need it; sudo npm run test:vm'
  [ "$(uname -m)" = x86_64 ] || cannot "build a box: it is made for x86_64, this machine is $(uname -m)"
  unshare --mount --net --pid --fork --kill-child true 2>/dev/null || cannot 'make namespaces: unshare refused'
  [ -c /dev/net/tun ] || cannot 'open /dev/net/tun: it is not there'
  local free
  free=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
  [ "$free" -ge 3000 ] || cannot "find memory: $free MB are free, 3000 are wanted"
  free=$(df --output=avail -BM /var/tmp | tail -n 1 | tr -dc 0-9)
  [ "$free" -ge 5000 ] || cannot "find room in /var/tmp: $free MB are free, 5000 are wanted"
}

not_built() {
  [ "$2" != 124 ] || cannot "build the $1: it was not done within $build_limit s; this machine is too busy"
  fail "build the $1: see above"
}

# What the kernel of a host that is itself a container may lack.
check_network() {
  local said
  said=$(unshare --mount --net --propagation private bash -euc '
    mount -t tmpfs tmpfs "$1/mnt"
    mkdir "$1/mnt/"{lower,upper,work,root}
    mount -t overlay overlay -o "lowerdir=$1/mnt/lower,upperdir=$1/mnt/upper,workdir=$1/mnt/work" "$1/mnt/root"
    chroot "$1" ip link add bridge0 type bridge
    chroot "$1" iptables -t nat -A POSTROUTING -j MASQUERADE
  ' bash "$tools" 2>&1) || cannot "make an overlay, a bridge and a packet filter: $said"
}

build_all() {
  open_cache
  cached box vagrant/vm/build-box.sh vagrant/vm/common.sh vagrant/provision.sh
  [ -e "$built/complete" ] || check_mirror
  tools=$(timeout "$build_limit" bash vagrant/vm/build-tools.sh) || not_built tools "$?"
  box=$(timeout "$build_limit" bash vagrant/vm/build-box.sh) || not_built box "$?"
  use_built "${tools%/root}"
  use_built "${box%/*}"
  check_network
  : "${CORACLE_VM_DRIVER:=$(bash vagrant/vm/driver.sh "$tools" "$(dirname "$box")/kernel")}"
  say "driver $CORACLE_VM_DRIVER"
}

# Everything of this run, which the machine sees as /place: the box, its key, the tree as a disk, Vagrant's directory.
lay_out() {
  ln "$box" "$place/coracle.box" 2>/dev/null || cp "$box" "$place/coracle.box"
  install -m 0600 "$(dirname "$box")/vagrant_private_key" "$place/key"
  mkdir -p "$place/vagrant" "$place/tree/bin"
  cp vagrant/Vagrantfile vagrant/provision.sh "$place/vagrant/"
  cp "$(readlink -f "$(command -v node)")" "$place/tree/bin/node"
  cp -r dist "$place/tree/"
  rm -rf "$place/tree/dist/obj"
  chmod -R go=rX "$place/tree"
  tar -C "$place/tree" --owner=0 --group=0 -cf "$place/tree.tar" .
  rm -rf "$place/tree"
}

# In the namespaces of vm/inside.sh.
test_machine() {
  export CORACLE_VM_BOX=coracle/local CORACLE_VM_DISK=/place/tree.tar CORACLE_VM_CONSOLE=/place/console
  step 'vagrant box add' vagrant box add --name "$CORACLE_VM_BOX" /place/coracle.box
  step 'vagrant validate' vagrant validate
  step 'vagrant up' vagrant up --provider=libvirt
  "$VM_CHROOT" vagrant ssh-config --host machine |
    sed "s|IdentityFile .*|IdentityFile $CORACLE_VM_PLACE/key|" >"$CORACLE_VM_PLACE/ssh_config"
  printf '  %s\n' 'ControlMaster auto' "ControlPath $CORACLE_VM_PLACE/ssh" 'ControlPersist yes' \
    >>"$CORACLE_VM_PLACE/ssh_config"
  if [ "${1:-}" = --run ]; then
    shift
    "$@"
    return
  fi
  step 'run test/vm' env -u NODE_EXTRA_CA_CERTS -u NODE_OPTIONS \
    node_modules/.bin/ava --config vagrant/vm/ava.config.js "$@"
  step 'vagrant destroy' vagrant destroy -f
}

# Lines with the second they came at, without progress bars.
vagrant() {
  timeout "$up_limit" "$VM_CHROOT" vagrant "$@" 2>&1 | sed -u -e 's/\r$//' -e 's/.*\r//' -e 's/\x1b\[K//' -e '/Progress:/d' |
    while IFS= read -r line; do printf '%5s  %s\n' "$SECONDS" "$line"; done
}

show_console() {
  [ -s "$place/console" ] || return 0
  say 'the end of what the serial console showed:'
  tail -n 60 "$place/console" | tr -d '\r' >&2
}

# With the first process of its namespaces the machine ends, and every mount of its places.
end_machine() {
  [ -z "${machine:-}" ] || kill -KILL "$machine" 2>/dev/null || true
  [ -z "${machine:-}" ] || wait "$machine" 2>/dev/null || true
  rm -rf --one-file-system "$place"
}

main "$@"
