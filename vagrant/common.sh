# Shared by the scripts beside it. Sourced with `name` (for messages) and `project` (the checkout) set.

say() { printf '%s: %s\n' "$name" "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

# step TITLE COMMAND...: says what is done, and how long it took.
step() {
  local title=$1 started=$SECONDS status=0
  shift
  say "$title"
  "$@" || status=$?
  [ "$status" = 0 ] || say "$title: failed with exit code $status after $((SECONDS - started)) s"
  [ "$status" != 0 ] || say "$title: $((SECONDS - started)) s"
  return "$status"
}

# Host packages, device modes and the user. Root is asked for only when something is missing.
provision() {
  bash "$project/vagrant/provision.sh" --check "$@" 2>/dev/null || bash "$project/vagrant/provision.sh" "$@" ||
    fail 'prepare this machine: vagrant/provision.sh failed; see above'
}

check_node() {
  command -v npm >/dev/null && node -e 'process.exit(parseInt(process.version.slice(1)) < 20 ? 1 : 0)' 2>/dev/null ||
    fail 'find Node.js: 20 or newer is needed (Debian 12 has 18): install it from https://nodejs.org/en/download'
}

# node-pty is compiled: with the headers that came with Node.js where they did, else node-gyp fetches them.
use_node_headers() {
  local prefix
  prefix=$(node -p 'path.dirname(path.dirname(process.execPath))')
  [ ! -e "$prefix/include/node/node.h" ] || export npm_config_nodedir="${npm_config_nodedir:-$prefix}"
}

# Exact versions of the lock file; nothing to do while it is no newer than what npm noted at the last install.
install_modules() {
  local noted=node_modules/.package-lock.json
  # npm ci would empty what the link leads to.
  [ ! -L node_modules ] || fail 'install node modules: node_modules is a link; remove it first'
  if [ ! -e "$noted" ] || [ package-lock.json -nt "$noted" ]; then
    say 'npm ci'
    use_node_headers
    npm ci --no-audit --no-fund || fail 'install node modules: npm ci failed; see above'
    touch "$noted"
  fi
}

# Runs a command as the unprivileged user with an environment of its own: as_user NAME VARIABLE=VALUE... COMMAND...
as_user() {
  local user=$1
  shift
  runuser -u "$user" -- env -i HOME="$(getent passwd "$user" | cut -d: -f6)" USER="$user" LOGNAME="$user" \
    PATH="$PATH" LANG="${LANG:-C.UTF-8}" TERM="${TERM:-dumb}" "$@"
}

# Node.js below root's home is out of that user's reach: share_node NAME DIRECTORY puts a copy there and first in PATH.
share_node() {
  local user=$1 directory=$2 node
  node=$(readlink -f "$(command -v node)")
  runuser -u "$user" -- test -x "$node" && return
  mkdir -p "$directory"
  cp "$node" "$directory/node"
  PATH=$directory:$PATH
}

# In a mount namespace of our own: mounts the hierarchy of version 2 and gives the user a part of it to divide, with this
# shell in a leaf of that: delegate_cgroup USER MOUNT NAME.
delegate_cgroup() {
  local user=$1 mount=$2 part=$2/$3
  mkdir -p "$mount" && mount -t cgroup2 none "$mount" 2>/dev/null || return 0
  mkdir -p "$part/suite" && chown -R "$user" "$part" && echo $$ >"$part/suite/cgroup.procs"
}

# Takes that part away, with what a test left in it.
remove_cgroup() {
  local place try
  for place in /sys/fs/cgroup /sys/fs/cgroup/unified; do
    for try in 1 2 3 4 5 6 7 8 9 10; do
      [ -d "$place/$1" ] || break
      [ "$try" = 1 ] || sleep 0.2
      { echo 1 >"$place/$1/cgroup.kill"; } 2>/dev/null || :
      find "$place/$1" -depth -type d -exec rmdir {} + 2>/dev/null || :
    done
  done
}

# In a mount namespace of our own: takes away the empty cgroup2 part of a hybrid hierarchy, with which podman's crun
# refuses to work.
hide_hybrid_cgroup() {
  ! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified
}

# In a mount namespace of our own: mounts each KIND.img of a directory beside it, for a user: mount_images DIRECTORY USER.
# Where loop devices are not to be had, the tests say what is missing.
mount_images() {
  local image kind
  for image in "$1"/*.img; do
    kind=$(basename "$image" .img)
    mkdir -p "$1/$kind"
    mount -t "$kind" -o loop "$image" "$1/$kind" 2>/dev/null || { rmdir "$1/$kind"; continue; }
    chown "$2:" "$1/$kind"
  done
}
