#!/usr/bin/env bash
# Prepares a Debian 12 machine for coracle: host packages, device modes and an unprivileged user with subordinate
# ids. The virtual machine, the quickstart and CI all use it. Running it again changes nothing.
#
#   provision.sh [--with-tests | --runtime-only] [--user NAME] [--check | --list]
#
#   --with-tests    also what only the test suite needs (other container tools, a registry, sanitizers)
#   --runtime-only  no compilers: for a machine that gets coracle built
#   --user NAME     the unprivileged user, made when missing (default coracle-test)
#   --check         change nothing: exit 0 when nothing is left to do, else list it and exit 1
#   --list          print the names of the packages wanted
set -euo pipefail

# What running containers needs from the distribution.
runtime=(uidmap fuse-overlayfs fuse3 passt slirp4netns ca-certificates)
# Compilers for the native program and for node-pty (a test dependency); busybox is the quickstart's base image.
build=(gcc libc6-dev make musl-tools libzstd-dev libdeflate-dev python3 g++ busybox-static curl)
# Other implementations that read or repeat what coracle made, and what tests serve, trace and package with.
tests=(
  mmdebstrap docker-registry skopeo umoci qemu-user-static podman netavark aardvark-dns iptables buildah crun rpm golang-github-containers-common
  apache2-utils openssl clang libclang-rt-dev procps iproute2 nginx-light zstd strace git openssh-client
  e2fsprogs xfsprogs btrfs-progs bindfs
)
devices=(/dev/fuse /dev/net/tun)
subids=65536

user=coracle-test
want=build
check=no
list=no

main() {
  parse_options "$@"
  local packages=("${runtime[@]}")
  [ "$want" = runtime ] || packages+=("${build[@]}")
  [ "$want" != tests ] || packages+=("${tests[@]}")
  if [ "$list" = yes ]; then
    printf '%s\n' "${packages[@]}"
    return
  fi
  # Package names have no spaces.
  # shellcheck disable=SC2207
  missing=($(missing_packages "${packages[@]}"))
  if [ "$check" = yes ]; then
    report_pending
    return
  fi
  [ "$(id -u)" = 0 ] || become_root "$@"
  [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
  open_devices
  make_user
  check_node
}

parse_options() {
  while [ $# -gt 0 ]; do
    case "$1" in
      --with-tests) want=tests ;;
      --runtime-only) want=runtime ;;
      --check) check=yes ;;
      --list) list=yes ;;
      --user)
        [ $# -ge 2 ] || fail 'read options: --user wants a name'
        user=$2
        shift
        ;;
      *) fail "read options: unknown option '$1' (known: --with-tests, --runtime-only, --user NAME, --check, --list)" ;;
    esac
    shift
  done
  [[ $user =~ ^[a-z_][a-z0-9_-]*$ ]] || fail "read options: '$user' is not a user name"
}

missing_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

report_pending() {
  local pending=()
  [ ${#missing[@]} = 0 ] || pending+=("packages: ${missing[*]}")
  local device
  for device in "${devices[@]}"; do
    if tight "$device"; then pending+=("mode 0666 of $device"); fi
  done
  id "$user" >/dev/null 2>&1 || pending+=("user $user")
  has_range /etc/subuid && has_range /etc/subgid || pending+=("subordinate ids of $user")
  [ ${#pending[@]} = 0 ] || {
    printf 'provision: missing: %s\n' "${pending[@]}" >&2
    exit 1
  }
}

become_root() {
  command -v sudo >/dev/null || fail 'become root: sudo is not installed; run this script as root'
  exec sudo -- bash "$0" "$@"
}

install_packages() {
  command -v apt-get >/dev/null ||
    fail "install packages: no apt-get here; install by the system's own means: $*"
  export DEBIAN_FRONTEND=noninteractive
  compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null || update_lists
  say "installing $*"
  # Lists may be older than the mirror: one retry with fresh ones.
  without_services "$@" || { update_lists && without_services "$@"; } ||
    fail "install packages: apt-get failed; see its output above (wanted: $*)"
}

update_lists() {
  say 'updating package lists'
  apt-get -q -o Acquire::Retries=3 update || fail 'update package lists: apt-get update failed; is the network there?'
}

# The registry and the web server are wanted as programs. Their services would take ports of this machine.
without_services() {
  local policy=/usr/sbin/policy-rc.d made=no status=0
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made=yes
  fi
  apt-get -q -y -o Acquire::Retries=3 --no-install-recommends install "$@" || status=$?
  [ "$made" = no ] || rm -f "$policy"
  local service
  for service in docker-registry nginx; do
    case " $* " in
      *" $service"*) [ ! -d /run/systemd/system ] || systemctl -q disable "$service" || true ;;
    esac
  done
  return "$status"
}

# Distributions give everybody these two; bare machines and containers often do not.
open_devices() {
  local device
  for device in "${devices[@]}"; do
    if tight "$device"; then
      chmod 0666 "$device" || fail "open $device: chmod 0666 refused"
    fi
  done
}

tight() { [ -c "$1" ] && [ "$(stat -c %a "$1")" != 666 ]; }

make_user() {
  if ! id "$user" >/dev/null 2>&1; then
    say "making user $user"
    useradd -m -s /bin/bash "$user" || fail "make user $user: useradd failed"
  fi
  local first
  first=$(next_free_id)
  has_range /etc/subuid || usermod --add-subuids "$first-$((first + subids - 1))" "$user" ||
    fail "give $user subordinate ids: usermod failed"
  has_range /etc/subgid || usermod --add-subgids "$first-$((first + subids - 1))" "$user" ||
    fail "give $user subordinate ids: usermod failed"
}

has_range() {
  [ -f "$1" ] && awk -F: -v user="$user" -v uid="$(id -u "$user" 2>/dev/null || echo none)" -v want="$subids" \
    '($1 == user || $1 == uid) && $3 >= want { found = 1 } END { exit !found }' "$1"
}

next_free_id() {
  cat /etc/subuid /etc/subgid 2>/dev/null |
    awk -F: 'BEGIN { next_id = 100000 } $2 + $3 > next_id { next_id = $2 + $3 } END { printf "%d\n", next_id }'
}

check_node() {
  local major
  major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
  [ "$major" -ge 20 ] ||
    say 'Node.js 20 or newer is missing (Debian 12 has 18): install it from https://nodejs.org/en/download'
}

say() { printf 'provision: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

main "$@"
