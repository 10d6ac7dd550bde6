#!/usr/bin/env bash
# `npm run quickstart`: from a clean clone to a page served by a container, on a fresh Debian 12. Prepares the
# machine (as root or through sudo), builds, then takes the tour as an unprivileged user. Leaves no image, no
# container and no process; running it again does the same.
set -euo pipefail

name=quickstart
project=$(cd "$(dirname "$0")/.." && pwd)
. "$project/vagrant/common.sh"
cd "$project"
user=$(id -un)
[ "$(id -u)" != 0 ] || user=coracle-test

main() {
  check_node
  provision --user "$user"
  install_modules
  say 'building'
  npm run -s build || fail 'build coracle: see above'
  local tour=(bash vagrant/tour.sh)
  if [ "$(id -u)" = 0 ]; then
    copy_for_tour
    tour=(as_user "$user" "${tour[@]}")
  fi
  "${tour[@]}" || fail 'take the tour: a step failed; see above'
}

# Root's checkout may lie where nobody else can read, so the user gets a copy of what the tour runs.
copy_for_tour() {
  local place
  place=$(mktemp -d /var/tmp/coracle-quickstart-XXXXXX)
  # shellcheck disable=SC2064 # the path as it is now
  trap "rm -rf --one-file-system '$place'" EXIT
  cp -a dist "$place/"
  install -D vagrant/tour.sh "$place/vagrant/tour.sh"
  mkdir -p "$place/test/fixtures"
  cp -a test/fixtures/hello "$place/test/fixtures/"
  chmod -R go=rX "$place"
  share_node "$user" "$place/bin"
  cd "$place"
}

main "$@"
