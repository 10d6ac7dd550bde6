#!/usr/bin/env bash
# `npm run bench`: prepares the machine, builds what is missing, then measures as an unprivileged user.
# Arguments go to the bench: `npm run bench -- --help`.
set -euo pipefail

name=bench
project=$(cd "$(dirname "$0")/.." && pwd)
. "$project/vagrant/common.sh"
caller=$PWD
cd "$project"
user=$(id -un)
[ "$(id -u)" != 0 ] || user=${CORACLE_TEST_USER:-coracle-test}

main() {
  check_node
  provision --with-tests --user "$user"
  install_modules
  npm run -s build >&2 || fail 'build: failed; see above'
  workspace=$(mktemp -d /var/tmp/cb-XXXXXX) # short: podman allows 50 characters for a path below
  trap remove_workspace EXIT
  read_options "$@"
  local status=0
  if [ "$(id -u)" = 0 ]; then
    measure_as_user || status=$?
  else
    TMPDIR=$workspace env -u NODE_EXTRA_CA_CERTS -u NODE_OPTIONS node out/test/bench/main.js "${options[@]}" || status=$?
  fi
  write_results
  exit "$status"
}

# The user of the bench cannot write where the caller can: files of results are made in the workspace, then copied.
read_options() {
  options=()
  declare -gA results=()
  while [ $# -gt 0 ]; do
    case "$1" in
      --output | --json)
        [ $# -ge 2 ] || fail "read options: $1 wants a file"
        results[$1]=$2
        options+=("$1" "$workspace/result$1")
        shift
        ;;
      --output=* | --json=*)
        results[${1%%=*}]=${1#*=}
        options+=("${1%%=*}" "$workspace/result${1%%=*}")
        ;;
      *) options+=("$1") ;;
    esac
    shift
  done
}

# A copy of what was built, which the user can read wherever the checkout lies.
measure_as_user() {
  mkdir "$workspace/tree" "$workspace/tree/node_modules"
  cp -r out dist package.json "$workspace/tree/"
  mkdir "$workspace/tree/test" && cp -r test/fixtures "$workspace/tree/test/"
  chown -R "$user:" "$workspace"
  share_node "$user" "$workspace/bin"
  export name project user workspace PATH
  unshare --mount bash -c '
    . "$project/vagrant/common.sh"
    hide_hybrid_cgroup
    cd "$workspace/tree"
    as_user "$user" TMPDIR="$workspace" node out/test/bench/main.js "$@"
  ' bash "${options[@]}"
}

write_results() {
  local option
  cd "$caller"
  for option in "${!results[@]}"; do
    [ ! -e "$workspace/result$option" ] || cp "$workspace/result$option" "${results[$option]}"
  done
}

remove_workspace() {
  cd /
  rm -rf --one-file-system "$workspace"
}

main "$@"
