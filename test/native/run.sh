#!/bin/sh
# Runs hand-made plans through coracle-sv and looks at what comes out. TAP on standard output.
# Environment: SV (the program), OBJ (directory with mkplan and unit). Root switches to the user coracle-test.
set -u
if [ "$(id -u)" = 0 ] && [ -z "${CORACLE_TEST_AS_ROOT:-}" ] && id coracle-test >/dev/null 2>&1; then
    # The checkout may lie where that user cannot go: it gets copies.
    place=$(mktemp -d /var/tmp/coracle-native.XXXXXX)
    cp "$(dirname "$0")"/*.sh "$OBJ/mkplan" "$OBJ/ask" "$SV" "$place/"
    chmod -R a+rX "$place"
    runuser -u coracle-test -- env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin SV="$place/$(basename "$SV")" OBJ="$place" HOME=/home/coracle-test sh "$place/run.sh" "$@"
    status=$?
    rm -rf "$place"
    exit $status
fi
here=$(dirname "$0")
T=$(mktemp -d /tmp/coracle-native.XXXXXX)
chmod 755 "$T"
MK=$OBJ/mkplan
uid=$(id -u) gid=$(id -g) sub=$(awk -F: -v u="$(id -un)" '$1==u{print $2; exit}' /etc/subuid)
count=0 failed=0
cleanup() {
    for r in "$T"/c*/live; do
        [ -f "$r" ] && kill -9 "$(sed 's/.*"sv":\([0-9]*\).*/\1/' "$r")" 2>/dev/null
    done
    unshare -Ur --map-auto rm -rf "$T" 2>/dev/null || rm -rf "$T" 2>/dev/null
}
trap cleanup EXIT
ok() { # ok STATUS TITLE
    count=$((count + 1))
    if [ "$1" = 0 ]; then echo "ok $count - $2"; else echo "not ok $count - $2"; failed=$((failed + 1)); [ -f "$T/out" ] && sed 's/^/# /' "$T/out" | head -20; fi
}
is() { # is ACTUAL EXPECTED TITLE
    if [ "$1" = "$2" ]; then ok 0 "$3"; else ok 1 "$3"; printf '# expected: %s\n# actual:   %s\n' "$2" "$1"; fi
}
has() { # has PATTERN TITLE: something in the output matches
    grep -q -e "$1" "$T/out"; ok $? "$2"
}
lacks() {
    if grep -q -e "$1" "$T/out"; then ok 1 "$2"; else ok 0 "$2"; fi
}

# --- a root file system of busybox
new_base() {
    mkdir -p "$1/bin" "$1/etc" "$1/tmp" "$1/root"
    cp /bin/busybox "$1/bin/"
    for a in sh true false ls cat echo id ps sleep mount stat touch dd yes head wc env tty stty ln readlink grep kill hostname mkdir rm rmdir cp sed tail seq chown find nc ip wget; do ln -sf busybox "$1/bin/$a"; done
    printf 'root:x:0:0:root:/root:/bin/sh\nu1:x:1000:1000::/home/u1:/bin/sh\n' > "$1/etc/passwd"
    printf 'root:x:0:\nu1:x:1000:\nextra:x:2000:u1\n' > "$1/etc/group"
}
new_base "$T/base"
chmod 1777 "$T/base/tmp"

fresh() { # fresh NAME: an empty container directory
    mkdir -p "$T/$1/fs" "$T/$1/work"
    chmod 700 "$T/$1"
}
ids="idmap	newuidmap
uidmap	0	$uid	1
uidmap	1	$sub	65536
gidmap	0	$gid	1
gidmap	1	$sub	65536"
kernel_mounts='mount	proc	proc	/proc	nosuid,nodev,noexec
mount	sysfs	sysfs	/sys	ro,nosuid,nodev,noexec
mount	cgroup2	cgroup2	/sys/fs/cgroup	ro,nosuid,nodev,noexec
mount	dev	dev	/dev	nosuid,noexec
mount	devpts	devpts	/dev/pts	nosuid,noexec,gid=5,mode=0620
mount	tmpfs	shm	/dev/shm	nosuid,nodev,noexec,mode=1777,size=65536k
mount	mqueue	mqueue	/dev/mqueue	nosuid,nodev,noexec
readonly-path	/proc/bus
readonly-path	/proc/fs
readonly-path	/proc/irq
readonly-path	/proc/sys
readonly-path	/proc/sysrq-trigger
mask	/proc/kcore
mask	/proc/keys
mask	/proc/timer_list
mask	/proc/acpi
mask	/sys/firmware'
caps=$(for c in 0 1 2 3 5 6 7 8 10 18 31; do printf 'cap\t%s\n' $c; done)
layers="layer	$T/base"
plan() { # plan NAME MODE [ARG...]: a plan on standard output; extra records come from $X, ids from $I, root from $R
    n=$1 mode=$2
    shift 2
    {
        printf 'id\t%064d\nmode\t%s\ndir\t%s\n' 0 "$mode" "$T/$n"
        [ "$mode" = child ] || printf 'socket\t%s\n' "$T/$n/s"
        printf '%s\n' "${I:-$ids}" "${R:-root	overlay
$layers
upper	$T/$n/fs
work	$T/$n/work}" "${K-$kernel_mounts}" "${C-$caps}" 'hostname	box' 'cwd	/' 'env	PATH=/bin'
        printf "${X:-}"
        for a in "$@"; do printf 'arg\t%s\n' "$a"; done
    } | "$MK" > "$T/$n.plan"
}
run() { # run NAME MODE [ARG...]: output in $T/out, status in $rc, status lines in $T/status
    plan "$@"
    : > "$T/status"
    "$SV" run 3< "$T/$1.plan" 4> "$T/status" > "$T/out" 2>&1 < "${IN:-/dev/null}"
    rc=$?
}
enter() { # enter NAME MODE [ARG...]: an exec session
    n=$1 mode=$2
    shift 2
    { printf 'socket\t%s\nmode\t%s\ncwd\t/\nenv\tPATH=/bin\n%s\n' "$T/$n/s" "$mode" "${C-$caps}"; printf "${X:-}"; for a in "$@"; do printf 'arg\t%s\n' "$a"; done; } | "$MK" > "$T/$n.exec"
    : > "$T/status"
    "$SV" exec 3< "$T/$n.exec" 4> "$T/status" > "$T/out" 2>&1 < "${IN:-/dev/null}"
    rc=$?
}
sv_pid() { sed 's/.*"sv":\([0-9]*\).*/\1/' "$T/$1/live"; }
until_true() { # until_true SECONDS COMMAND...
    limit=$(($1 * 20)); shift
    while ! "$@" >/dev/null 2>&1; do limit=$((limit - 1)); [ $limit -gt 0 ] || return 1; sleep 0.05; done
}
ended() { until_true 10 test -s "$T/$1/exit"; }

. "$here/modes.sh"
. "$here/security.sh"
. "$here/lifecycle.sh"
. "$here/control.sh"
. "$here/trees.sh"
. "$here/namespaces.sh"
. "$here/accounts.sh"

echo "1..$count"
[ $failed = 0 ] || echo "# $failed failed"
[ $failed = 0 ]
