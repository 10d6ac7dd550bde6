#!/usr/bin/env bash
# The tour: makes a base image from the host's busybox, builds an image on it, runs it and fetches its page.
# Every command is printed before it runs. Needs a built dist/; uses a store of its own, removed at the end.
set -euo pipefail

cd "$(dirname "$0")/.."
[ "$(id -u)" != 0 ] || printf 'tour: running as root; containers are meant to be run without\n' >&2
busybox=/bin/busybox
place=$(mktemp -d /var/tmp/coracle-tour-XXXXXX)
mkdir -m 0700 "$place/run"
export CORACLE_ROOT=$place/store XDG_RUNTIME_DIR=$place/run PATH=$PWD/dist:$PATH
trap finish EXIT

main() {
  local port
  port=$(free_port)
  explain 'A base image, made from the busybox of this machine: no registry needed'
  make_rootfs "$place/rootfs"
  show tar -C "$place/rootfs" --owner=0 --group=0 -cf "$place/busybox.tar" .
  show coracle import "$place/busybox.tar" localhost/busybox
  explain 'Build'
  show coracle build -t hello test/fixtures/hello
  show coracle images
  explain 'Run, with a published port'
  # --init: busybox httpd as process 1 would not end at the signal of stop
  show coracle run -d --init --name hello-quickstart -p "127.0.0.1:$port:8080" hello
  # The port answers before the server inside listens.
  show curl --silent --fail --retry 10 --retry-all-errors --retry-delay 1 --output "$place/page" \
    "http://127.0.0.1:$port/"
  cat "$place/page"
  grep -q 'Hello from coracle' "$place/page"
  show coracle ps
  show coracle logs hello-quickstart
  explain 'Stop and remove'
  show coracle stop hello-quickstart
  show coracle rm hello-quickstart
  explain 'That was an unprivileged user without a daemon: nothing runs now'
}

explain() { printf '\n# %s\n' "$*"; }

show() {
  printf '$ %s\n' "$*"
  "$@" || {
    local status=$?
    printf 'tour: exit code %s from: %s\n' "$status" "$*" >&2
    return "$status"
  }
}

# busybox, a link for each of its applets, accounts and the usual directories.
make_rootfs() {
  mkdir -p "$1"/{bin,dev,etc,home,proc,root,sys,tmp,usr,var/www}
  chmod 1777 "$1/tmp"
  cp "$busybox" "$1/bin/busybox"
  local applet
  for applet in $("$busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$1/bin/$applet"
  done
  printf 'root:x:0:0:root:/root:/bin/sh\n' >"$1/etc/passwd"
  printf 'root:x:0:\n' >"$1/etc/group"
}

free_port() {
  local port
  for port in $(seq 8080 8180); do
    if node -e 'require("net").createServer().on("error", () => process.exit(1)).listen(+process.argv[1], "127.0.0.1", () => process.exit(0))' "$port"; then
      echo "$port"
      return
    fi
  done
  printf 'tour: choose a port: 8080 to 8180 are all taken\n' >&2
  return 1
}

finish() {
  local status=$?
  [ "$status" = 0 ] || coracle logs hello-quickstart >&2 || true
  coracle rm -f hello-quickstart >/dev/null 2>&1 || true
  # Layers hold files of subordinate ids, which only a root of the user's own namespace may remove.
  rm -rf "$place" 2>/dev/null || unshare --user --map-root-user --map-auto rm -rf "$place"
  exit "$status"
}

main "$@"
