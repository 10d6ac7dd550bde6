#!/usr/bin/env bash
# `npm test`: prepares the machine, builds everything, then runs the suite as an unprivileged user.
# Further arguments go to ava, and the checks of the native program are left out then:
# `npm test -- out/test/oci/digest.test.js --match '*digest*'`. CORACLE_TEST_USER names another user than coracle-test.
set -euo pipefail

name=test
project=$(cd "$(dirname "$0")/.." && pwd)
. "$project/vagrant/common.sh"
cd "$project"
user=$(id -un)
[ "$(id -u)" != 0 ] || user=${CORACLE_TEST_USER:-coracle-test}

main() {
  check_node
  provision --with-tests --user "$user"
  install_modules
  # What a source that is gone compiled to would still run.
  rm -rf out
  step 'build' npm run -s build
  [ $# -gt 0 ] || step 'test the native program' make -s -C native test
  make_workspace
  local status=0
  step 'run the suite' run_suite "$@" || status=$?
  exit "$status"
}

# A private place for one run: the runtime directory, temporary files and, when root runs this, a copy of the tree
# that the user owns. Removed at the end, with what containers left of other users' files.
make_workspace() {
  workspace=$(mktemp -d /var/tmp/coracle-XXXXXX)
  trap remove_workspace EXIT
  mkdir -m 0700 "$workspace/run" "$workspace/t"
  if [ "$(id -u)" = 0 ]; then
    copy_tree "$workspace/tree"
    share_node "$user" "$workspace/bin"
  fi
}

run_suite() {
  local settings=(XDG_RUNTIME_DIR="$workspace/run" TMPDIR="$workspace/t")
  local variable
  for variable in CORACLE_TEST_POINTS FUZZ_SECONDS FUZZ_SEED; do
    [ -z "${!variable-}" ] || settings+=("$variable=${!variable}")
  done
  if [ "$(id -u)" = 0 ]; then
    make_images
    settings+=(CORACLE_TEST_FILE_SYSTEMS="$workspace/fs")
    export name project user workspace PATH
    unshare --mount bash -c '
      . "$project/vagrant/common.sh"
      hide_hybrid_cgroup
      delegate_cgroup "$user" "$workspace/cgroup" "${workspace##*/}"
      mount_images "$workspace/fs" "$user"
      cd "$workspace/tree"
      as_user "$user" "$@"
    ' bash "${settings[@]}" node_modules/.bin/ava "$@"
  else
    env -u NODE_EXTRA_CA_CERTS -u NODE_OPTIONS "${settings[@]}" node_modules/.bin/ava "$@"
  fi
}

# One file system of each kind in a sparse file, for tests of stores on them.
make_images() {
  local kind
  mkdir "$workspace/fs"
  for kind in ext4 xfs btrfs; do
    truncate -s 400M "$workspace/fs/$kind.img"
    "mkfs.$kind" "$workspace/fs/$kind.img" >/dev/null 2>&1 || rm "$workspace/fs/$kind.img"
  done
}

copy_tree() {
  mkdir "$1"
  { tracked_files && find out dist -type f -print0; } | tar -c --null -T - | tar -x -C "$1"
  chown -R "$user:" "$workspace"
  # The modules are only read: links to root's own files do, save for ava's cache.
  cp -al node_modules "$1/" 2>/dev/null || { rm -rf "$1/node_modules" && cp -a node_modules "$1/"; }
  install -d -o "$user" "$1/node_modules/.cache"
}

# Without git (a source archive), everything that is no build product.
tracked_files() {
  if git -c safe.directory="$project" rev-parse --git-dir >/dev/null 2>&1; then
    git -c safe.directory="$project" ls-files -z --cached --others --exclude-standard --deduplicate |
      while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done
  else
    find . -path ./node_modules -prune -o -path ./out -prune -o -path ./dist -prune -o -type f -print0
  fi
}

remove_workspace() {
  cd /
  remove_cgroup "${workspace##*/}"
  if [ "$(id -u)" = 0 ]; then
    rm -rf --one-file-system "$workspace"
  else
    rm -rf "$workspace" 2>/dev/null || unshare --user --map-root-user --map-auto rm -rf "$workspace"
  fi
}

main "$@"
