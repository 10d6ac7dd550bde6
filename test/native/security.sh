# Named after the requirements of the design: each attack, and that it does not work.

fresh s1
X='stdin\topen\n' run s1 detach sh -c 'while :; do for p in /proc/[0-9]*; do for l in $p/exe $p/root $p/cwd $p/fd/*; do t=$(readlink $l 2>/dev/null) && case $t in */out) ;; *coracle*|/tmp/coracle*|*memfd*) echo $l $t;; esac; done; done; done >> /leaks'
is "$rc" 0 'S1: a container that watches /proc runs'
i=0; while [ $i -lt 25 ]; do enter s1 child true; i=$((i + 1)); done
enter s1 child sh -c 'cat /leaks'
is "$(cat "$T/out")" '' 'S1: no descriptor, root or program of an exec helper is visible during 25 execs'
enter s1 child sh -c 'ls /proc/self/fd | tr "\n" " "'
is "$(cat "$T/out")" '0 1 2 3 ' 'S3: exec passes only the standard streams on (3 is ls itself)'
enter s1 child sh -c 'cat /proc/self/status'
has '^CapInh:	0000000000000000' 'S6: exec has no inheritable capabilities'
has '^CapAmb:	0000000000000000' 'S6: nor ambient ones'
has '^CapEff:	00000000800405ef' 'and exactly those of its plan'
X='user\tu1\n' enter s1 child sh -c 'id -u; id -G; grep CapEff /proc/self/status'
has '^1000 2000$' 'S10: exec resolves the groups of its user'
has 'CapEff:	0000000000000000' 'another user than root has no effective capabilities'
X='cwd\t/proc/self/fd/7\n' enter s1 child true
is "$rc" 127 'S3: a working directory behind a descriptor is refused'
kill -9 "$(sv_pid s1)"

fresh s2
before=$(sha256sum "$SV")
cp /bin/busybox "$T/base/bin/rewrite"
printf '#!/proc/self/exe\n' > "$T/base/bin/selfscript"; chmod 755 "$T/base/bin/selfscript"
run s2 foreground /proc/self/exe run
is "$before" "$(sha256sum "$SV")" 'S2: an entrypoint of /proc/self/exe does not touch the program'
run s2 foreground selfscript
is "$before" "$(sha256sum "$SV")" 'S2: nor does a script with it as interpreter'
X='init\n' run s2 foreground sh -c 'echo junk > /proc/1/exe; cat /proc/1/environ; readlink /proc/1/exe; true'
lacks '/tmp/coracle' 'S2: pid 1 of --init shows no path of the host'
is "$before" "$(sha256sum "$SV")" 'S2: and cannot be written through /proc/1/exe'

run s2 foreground sh -c 'ls /proc/self/fd | tr "\n" " "'
is "$(cat "$T/out")" '0 1 2 3 ' 'S3: run passes only the standard streams on'
refused=0
for n in 0 1 2 3 4 5 6 7 8 9 10 11 12 15 20 30 63; do
    X="cwd\t/proc/self/fd/$n\n" run s2 foreground sh -c 'pwd'
    [ $rc = 0 ] || refused=$((refused + 1))
done
is $refused 17 'S3: every working directory /proc/self/fd/N is refused'

X='nnp\n' run s2 foreground cat /proc/self/status
has '^CapInh:	0000000000000000' 'S6: run has no inheritable capabilities'
has '^CapAmb:	0000000000000000' 'S6: nor ambient ones'
has '^CapBnd:	00000000800405ef' 'S6: the bounding set is that of the plan'
has '^NoNewPrivs:	1' 'S9: no_new_privs is set where asked'
# one instruction: allow
printf '\006\000\000\000\000\000\377\177' > "$T/allow.bpf"
X="seccomp\t$T/allow.bpf\n" run s2 foreground grep Seccomp: /proc/self/status
has 'Seccomp:	2' 'a seccomp filter is loaded without no_new_privs'
X="nnp\nseccomp\t$T/allow.bpf\n" run s2 foreground grep Seccomp: /proc/self/status
has 'Seccomp:	2' 'and with it'
printf 'odd' > "$T/odd.bpf"
X="seccomp\t$T/odd.bpf\n" run s2 foreground true
is "$rc" 125 'a file that is no filter is refused'

run s2 foreground sh -c 'cat /proc/keys; grep -c . /proc/self/sessionid 2>/dev/null; true'
lacks '_uid_ses' 'S8: the keys of the user are not in reach'

user() { # user SPEC EXPECTED
    X="user\t$1\n" run s2 foreground sh -c 'echo $(id -u):$(id -g):$(id -G | tr " " ,)'
    if [ "$2" = refused ]; then is "$rc" 125 "S10: user $1 is refused"; else is "$(cat "$T/out")" "$2" "S10: user $1 is $2"; fi
}
user '' 0:0:0
user 1 1:0:0
user 1000 1000:1000:1000,2000
user u1 1000:1000:1000,2000
user u1:0 1000:0:0
user 7:8 7:8:8
user 1:extra 1:2000:2000
user 4294967296 refused
user 4294967295 refused
user 2147483648 refused
user -1 refused
user 1: refused
user :1 refused
user a:b refused
user nobody refused
user 70000 refused
X='group\textra\ngroup\t3000\n' run s2 foreground id -G
is "$(cat "$T/out")" '0 2000 3000' 'S10: extra groups are exactly those asked for and the primary one'

for kind in fifo zero huge link; do
    rm -rf "$T/bad"; mkdir -p "$T/bad/etc"
    case $kind in
        fifo) mkfifo "$T/bad/etc/passwd" ;;
        zero) ln -s /dev/zero "$T/bad/etc/passwd" ;;
        huge) truncate -s 1G "$T/bad/etc/passwd" ;;
        link) ln -s /proc/self/fd/0 "$T/bad/etc/passwd" ;;
    esac
    fresh "s3$kind"
    R="root	overlay
layer	$T/bad
layer	$T/base
upper	$T/s3$kind/fs
work	$T/s3$kind/work" X='user\tu1\n' run s3$kind foreground true
    is "$rc" 125 "S11: a passwd file that is a $kind is refused at once"
done

echo sentinel > "$T/sentinel"
for target in / ../../../../../../tmp /proc/self/root . loop; do
    for name in proc dev sys dev/pts; do
        rm -rf "$T/evil"; mkdir -p "$T/evil/dev"
        [ "$name" = dev/pts ] || rm -rf "$T/evil/$name"
        if [ "$target" = loop ]; then ln -s "$(basename $name)" "$T/evil/$name"; else ln -s "$target" "$T/evil/$name"; fi
        fresh s4
        R="root	overlay
layer	$T/evil
upper	$T/s4/fs
work	$T/s4/work" run s4 foreground /bin/true
        [ $rc = 125 ] || [ "$name" = dev/pts ] || echo "# /$name -> $target: $rc"
        bad=${bad:-0}; [ $rc = 125 ] || [ "$name" = dev/pts ] || bad=$((bad + 1))
        unshare -Ur --map-auto rm -rf "$T/s4"
    done
done
is "${bad:-0}" 0 'S14: an image where /proc, /dev or /sys is a link is refused'
rm -rf "$T/evil"; mkdir -p "$T/evil"; ln -s "$T" "$T/evil/etc"
fresh s5
echo nameserver > "$T/file"
R="root	overlay
layer	$T/evil
upper	$T/s5/fs
work	$T/s5/work" X="mount\tbind\t$T/file\t/etc/resolv.conf\tro\n" run s5 foreground /bin/true
[ ! -e "$T/resolv.conf" ] && [ "$(cat "$T/sentinel")" = sentinel ]
ok $? 'S14: a linked /etc leads to a place inside, never to the host'
rm -rf "$T/evil"; mkdir -p "$T/evil/etc"; ln -s ../run/systemd/resolve/stub.conf "$T/evil/etc/resolv.conf"
fresh s6
R="root	overlay
layer	$T/evil
layer	$T/base
upper	$T/s6/fs
work	$T/s6/work" X="mount\tbind\t$T/file\t/etc/resolv.conf\tro\n" run s6 foreground cat /etc/resolv.conf
has '^nameserver' 'S14: a dangling resolv.conf has its target made inside'
X="mount\tbind\t$T/vol\t/proc/1\trec\n" run s2 foreground true
is "$rc" 125 'S14: nothing of the user is mounted on procfs'

run s2 foreground sh -c 'echo b > /proc/sysrq-trigger; cat /proc/kcore | head -c 1 | wc -c; cat /proc/keys | wc -c; ls /sys/firmware | wc -l; echo 1 > /proc/sys/kernel/panic; echo x > /sys/fs/cgroup/cgroup.procs; ls /proc/acpi 2>/dev/null | wc -l'
is "$(grep -c -i 'read-only\|trigger: nonexistent' "$T/out")" 3 'S15: sysrq, sysctls and cgroups are read-only'
is "$(grep -c '^0$' "$T/out")" 4 'S15: masked files and directories are empty'

mkdir -p "$T/nest/inner"
fresh s7
I='idmap	direct
uidmap	0	0	1
uidmap	1	1	1000
gidmap	0	0	1
gidmap	1	1	1000' X="mount\tbind\t$T/nest\t/n\tro,rec,nosuid,nodev\n" plan s7 foreground sh -c 'touch /n/x || echo ro1; touch /n/inner/x || echo ro2; mount | grep " /n" | grep -c nosuid,nodev'
unshare -Urm --map-auto sh -c 'mount -t tmpfs t "$1/nest/inner" && exec "$2" run 3< "$1/s7.plan"' sh "$T" "$SV" > "$T/out" 2>&1
is "$(grep -c '^ro[12]$' "$T/out")" 2 'S18: a mount below a read-only volume is read-only too'
has '^2$' 'S18: and nosuid,nodev'
