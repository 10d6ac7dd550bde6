# Shared by the scripts of the virtual machine. Sourced with `name` (for messages) and `project` (the checkout) set.
# What is built is kept below $CORACLE_VM_CACHE, in directories named after a hash of what they are built from.

cache=${CORACLE_VM_CACHE:-/var/tmp/coracle-vm}
suite=bookworm
. "$project/vagrant/common.sh"

# Exit code of scripts that cannot work on this machine, through no fault of the project.
# Where the tests are demanded, that is a failure.
cannot_here=77
cannot() {
  say "$*"
  [ "${CORACLE_TEST_VM:-}" != 1 ] || exit 1
  exit "$cannot_here"
}

# Others may write to /var/tmp: what root boots and enters must be nobody else's.
open_cache() {
  mkdir -p -m 0700 "$cache" || fail "make the cache $cache: mkdir failed"
  [ "$(stat -c '%u %a' "$cache")" = "$(id -u) 700" ] ||
    fail "use the cache $cache: it must belong to $(id -un), with mode 0700; remove it or set CORACLE_VM_CACHE"
}

# cached NAME FILE...: the directory of what FILE... build, in the variable `built`.
cached() {
  local kind=$1
  shift
  built=$cache/$kind-$(cat "$@" | sha256sum | cut -c1-12)
}

# build_once KIND FUNCTION FILE...: calls FUNCTION with an empty directory unless an earlier call succeeded, while
# nobody else does. What older versions of the files built goes, if nobody uses it. Leaves the directory in `built`.
build_once() {
  local kind=$1 make=$2 lock
  shift 2
  cached "$kind" "$@"
  exec {lock}>"$cache/$kind.lock"
  flock "$lock"
  if [ ! -e "$built/complete" ]; then
    local old
    for old in "$cache/$kind-"*; do remove_unused "$old"; done
    mkdir "$built"
    step "build $kind" "$make" "$built"
    touch "$built/complete"
  fi
  exec {lock}>&-
}

remove_unused() {
  [ -d "$1" ] || return 0
  if [ -e "$1/complete" ]; then flock -n "$1/complete" rm -rf --one-file-system "$1" || true
  else rm -rf --one-file-system "$1"; fi
}

# Keeps what was built until this process and its children end.
use_built() {
  local kept
  exec {kept}<"$1/complete"
  flock -s "$kept"
}

# The mirror that was named, else the one that this host's own packages come from; without one mmdebstrap chooses.
debian_mirror() {
  printf '%s\n' "${CORACLE_VM_MIRROR:-$(apt-get indextargets --format '$(SITE)' 'Label: Debian' "Codename: $suite" | sed -n 1p)}"
}

# A build that fails although Debian answers is a fault of the project.
check_mirror() {
  local mirror
  mirror=$(debian_mirror)
  [ -z "$mirror" ] || curl --silent --fail --location --max-time 60 --retry 3 --output /dev/null "$mirror/dists/$suite/InRelease" ||
    cannot "fetch packages: $mirror does not answer; CORACLE_VM_MIRROR names another mirror"
}

# bootstrap DIRECTORY PACKAGE... -- OPTION...: a Debian root file system.
bootstrap() {
  local root=$1 packages=() mirror
  shift
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    packages+=("$1")
    shift
  done
  [ $# = 0 ] || shift
  command -v mmdebstrap >/dev/null || fail 'bootstrap Debian: mmdebstrap is not installed; see vagrant/provision.sh --with-tests'
  mirror=$(debian_mirror)
  local list
  list=$(IFS=,; echo "${packages[*]}")
  # In namespaces, so that nothing stays mounted and nothing runs on when it is ended.
  unshare --mount --pid --fork --kill-child --mount-proc \
    mmdebstrap --quiet --mode=root --variant=apt --components=main --include="$list" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Retries "3"' --aptopt='Acquire::Languages "none"' \
    --dpkgopt='force-unsafe-io' "$@" "$suite" "$root" ${mirror:+"$mirror"}
}
