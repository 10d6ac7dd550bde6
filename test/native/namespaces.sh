# Namespaces of other containers and of the host.

unset X # of the script before
fresh n1; fresh n2; fresh n3
X=
X='log\tk8s-file\t'$T'/n1/log\t0\t1\n' run n1 detach sh -c 'echo held > /dev/shm/word; for n in pid ipc uts cgroup net; do readlink /proc/self/ns/$n; done; sleep 1000'
is "$rc" 0 'a container that lends its namespaces'
until_true 5 grep -q 'F net' "$T/n1/log"
lent() { grep -o " $1:.*" "$T/n1/log" | tr -d ' '; }
joined="ns\tpid\tof\t$T/n1/s\nns\tipc\tof\t$T/n1/s\nns\tuts\tof\t$T/n1/s\nns\tcgroup\tof\t$T/n1/s\nns\tnet\tof\t$T/n1/s\n"
shm="mount\tneighbour\t/dev/shm\t/dev/shm\trw,nosuid,nodev,noexec\n"
K=$(echo "$kernel_mounts" | grep -v /dev/shm)
X="$joined$shm" run n2 child sh -c 'for n in pid ipc uts cgroup net; do readlink /proc/self/ns/$n; done; cat /dev/shm/word; echo back > /dev/shm/answer; hostname; ps | grep -c "[s]leep 1000"'
for ns in pid ipc uts cgroup net; do
    is "$(grep "^$ns:" "$T/out")" "$(lent $ns)" "$ns is that of the other container"
done
has '^held$' 'its shared memory is shared'
has '^box$' 'and the host name'
has '^1$' 'and its processes are seen'
enter n1 child cat /dev/shm/answer
has '^back$' 'in both directions'
X="$joined" run n2 detach sh -c 'sleep 1234 & sleep 1235 & exec sleep 1236'
is "$rc" 0 'one that leaves processes behind'
enter n1 child sh -c 'until [ "$(ps | grep -c "[s]leep 123[45]")" = 2 ]; do sleep 0.05; done; ps | grep "[s]leep 123" | wc -l'
has '^3$' 'runs among those of the other'
kill -TERM "$(sv_pid n2)"; until_true 15 test -s "$T/n2/exit"
enter n1 child sh -c 'ps | grep "[s]leep 123" | wc -l'
has '^0$' 'nothing of it is left in the pid namespace of the other'
run n3 detach sleep 1000
X="ns\tpid\tof\t$T/n1/s\nns\tipc\tof\t$T/n3/s\n" run n2 child true
is "$rc" 125 'namespaces of two user namespaces are refused'
grep -q 'share%20one%20user%20namespace' "$T/status"; ok $? 'with the reason'
X="ns\tipc\tof\t$T/n3/s\nsysctl\tkernel.shm_rmid_forced\t1\n" run n2 child true
grep -q 'not%20of%20a%20namespace%20of%20the%20container' "$T/status"; ok $? 'a shared namespace is not configured'
X="ns\tpid\tof\t$T/none/s\n" run n2 child true
is "$rc" 125 'the namespace of nobody is refused'
unset K
X='ns\tpid\thost\n' run n2 detach sh -c 'sleep 4321 & exec sleep 4322'
is "$rc" 0 'a container in the pid namespace of the host'
kill -TERM "$(sv_pid n2)"; ended n2
! ps ax 2>/dev/null | grep -q '[s]leep 432[12]'
ok $? 'leaves no process behind'
kill -9 "$(sv_pid n3)"
kill -TERM "$(sv_pid n1)"; ended n1

fresh p1; fresh p2
C='' X='pause\nnnp\n' run p1 detach pause
is "$rc" 0 'a process that only holds namespaces'
X="ns\tpid\tof\t$T/p1/s\nns\tnet\tof\t$T/p1/s\n" run p2 child sh -c 'sh -c "sleep 0.1 & exec true"; sleep 0.3; cat /proc/[0-9]*/status | grep "State:.Z"; grep CapEff /proc/1/status; ls /proc/1/fd /proc/1/root/'
lacks 'State:.Z' 'reaps what others leave in its pid namespace'
has 'CapEff:.0000000000000000' 'has no rights of its own'
is "$(sed '/CapEff/d; /^$/d; /:$/d; /denied/d' "$T/out" | wc -l)" 0 'S1: and cannot be looked into'
kill -TERM "$(sv_pid p1)"; ended p1
is "$(sed 's/.*"code":\([0-9]*\),"signal":\([0-9]*\).*/\1 \2/' "$T/p1/exit")" '0 0' 'it ends when it is asked to'

fresh u1; fresh u2
# As fuse-overlayfs would show it: the container's 0 is the 1000 of the namespace around it.
new_base "$T/shown"; unshare -Ur --map-auto chown -R 1000:3000 "$T/shown"
shown="root	dir
rootdir	$T/shown"
inner="idmap	direct
uidmap	0	1000	2000
gidmap	0	3000	2000
outer-idmap	newuidmap
outer-uidmap	0	$uid	1
outer-uidmap	1	$sub	65536
outer-gidmap	0	$gid	1
outer-gidmap	1	$sub	65536"
mkdir -p "$T/source" && chmod 700 "$T/source" && touch "$T/source/file"
volume="mount\tbind\t$T/source\t/given\tchown\n"
I=$inner R=$shown X="$volume" run u1 child sh -c 'cat /proc/self/uid_map /proc/self/gid_map; id; stat -c "given %u:%g" /given /given/file; ls -l /proc/self/ns/user; grep CapEff /proc/self/status; hostname; ls /proc/1/fd'
is "$rc" 0 'a user namespace inside of the infra process'
has '^ *0 *1000 *2000$' 'has the map of the plan, in ids of the namespace around it'
has '^ *0 *3000 *2000$' 'for groups as well'
has '^uid=0(root) gid=0(root) groups=0(root)$' 'and begins as root of it'
is "$(grep -c '^given 0:0$' "$T/out")" 2 'what is to be its own is given to it'
mkdir -p "$T/closed" && chmod 700 "$T/closed" && touch "$T/closed/file"
I=$inner R=$shown X="mount\tbind\t$T/closed\t/closed\t\n" run u1 child ls /closed
is "$rc" 1 'S5: what belongs to the caller alone is closed to it'
I=$inner R=$shown run u1 detach sleep 1000
is "$rc" 0 'one that lends its namespaces'
I=$inner R=$shown X="ns\tpid\tof\t$T/u1/s\nns\tnet\tof\t$T/u1/s\nns\tuts\tof\t$T/u1/s\n" run u2 child sh -c 'cat /proc/self/uid_map; ps | grep -c "[s]leep 1000"; hostname changed || echo kept'
is "$rc" 0 'another one in them'
has '^ *0 *1000 *2000$' 'is in the same user namespace'
has '^1$' 'and sees its processes'
kill -TERM "$(sv_pid u1)"; ended u1
I=$(echo "$inner" | sed 's/^idmap.*/idmap\tnewuidmap/') R=$shown run u1 child true
is "$rc" 125 'maps of it by newuidmap are refused'
I=$(echo "$inner" | grep -v outer-gidmap) R=$shown run u1 child true
is "$rc" 125 'and a map around it that is not whole'
