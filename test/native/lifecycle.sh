# Start, stop, kill, restart, logs, cleaning, and what is left when something is killed.

fresh l1
X='log\tk8s-file\t'$T'/l1/log\t0\t1\nstop\t15\t300\n' run l1 detach sh -c 'echo one; echo two >&2; printf part; sleep 1000'
is "$rc" 0 'a detached container is started'
is "$(cut -d' ' -f1 "$T/status" | tr '\n' ' ')" 'ready started ' 'ready and started are told, then the status descriptor is closed'
until_true 5 grep -q part "$T/l1/log"
is "$(sed 's/^[0-9T:.-]*Z //' "$T/l1/log" | sort | tr '\n' '|')" 'stderr F two|stdout F one|stdout P part|' 'the log has CRI lines'
run l1 foreground true
is "$rc" 125 'a second supervisor does not get the lock'
has 'running already' 'and says why'
sv=$(sv_pid l1)
kill -TERM "$sv"
ended l1
is "$(sed 's/.*"code":\([0-9]*\),"signal":\([0-9]*\).*/\1 \2/' "$T/l1/exit")" '137 9' 'SIGTERM to the supervisor stops the container, by force after the timeout'
until_true 5 sh -c "! kill -0 $sv"
ok $? 'and the supervisor ends'

fresh l2
X='log\tjson-file\t'$T'/l2/log\t200\t3\n' run l2 foreground sh -c 'i=0; while [ $i -lt 20 ]; do echo "line \"$i\" äö"; i=$((i+1)); sleep 0.005; done; printf "\377x"'
is "$(cat "$T/l2/log.2" "$T/l2/log.1" "$T/l2/log" | tail -2 | head -1 | sed 's/"time":.*//')" '{"log":"line \"19\" äö\n","stream":"stdout",' 'a json log escapes as Docker does'
is "$(tail -1 "$T/l2/log" | sed 's/,"stream".*//')" '{"log":"\ufffdx"' 'and replaces what is no UTF-8'
[ -f "$T/l2/log.1" ] && [ -f "$T/l2/log.2" ] && [ ! -f "$T/l2/log.3" ]
ok $? 'it is rotated into the number of files asked for'

fresh l3
X='restart\ton-failure\t2\n' run l3 foreground sh -c 'echo run; exit 3'
is "$rc" 3 'restarts end with the last exit code'
is "$(grep -c run "$T/out")" 3 'on-failure with 2 restarts runs three times'
is "$(sed 's/.*"restarts":\([0-9]*\).*/\1/' "$T/l3/exit")" 2 'the record counts the restarts'
X='restart\ton-failure\t0\n' run l3 foreground true
is "$rc" 0 'on-failure does not restart after success'
X='restart\talways\t0\n' run l3 foreground nosuch
is "$rc" 127 'what cannot be executed is not restarted'
X='restart\talways\t0\nstop\t9\t100\nnet-helper\tslirp4netns\t/usr/bin/slirp4netns\t--configure\t--mtu=65520\t--disable-host-loopback\t--netns-type=path\t-r\t@READY@\t@NETNS@\ttap0\n' run l3 detach sh -c 'ip addr show tap0 >> /seen; sleep 0.1; exit 1'
until_true 10 grep -q '"restarts":[2-9]' "$T/l3/live"
ok $? 'always restarts'
[ "$(grep -c 10.0.2.100 "$T/l3/fs/seen")" -ge 2 ]
ok $? 'the network stays over restarts'
kill "$(sv_pid l3)"; ended l3
ok $? 'and a stop ends the restarts'

X='timeout\t200\n' run l3 foreground sleep 100
is "$rc" 137 'a timeout kills'
fresh l4
X='init\n' run l4 foreground sh -c 'sleep 0.1 & sh -c "sleep 0.05 &" ; exit 9'
is "$rc" 9 'with init the code of the process counts'
X='init\nstop\t15\t5000\n' run l4 detach sh -c 'trap "exit 33" TERM; while :; do sleep 0.05; done'
kill "$(sv_pid l4)"; ended l4
is "$(sed 's/.*"code":\([0-9]*\).*/\1/' "$T/l4/exit")" 33 'init forwards signals'

fresh l5
mkdir -p "$T/trash"
X="rename\t$T/l5\t$T/trash/l5\nremove\t$T/trash/l5\n" run l5 foreground sh -c 'mkdir /d; touch /d/f; chown 1000:1000 /d/f; exit 2'
is "$rc" 2 'cleaning keeps the exit code'
[ ! -e "$T/l5" ] && [ ! -e "$T/trash/l5" ]
ok $? 'the trees are gone, whoever owned what was in them'

alive() { for p in $1; do [ -d "/proc/$p" ] && ! grep -q '^State:.Z' "/proc/$p/status" && return 0; done; return 1; }
dead() { ! alive "$1"; }
descendants() { for c in $(cat /proc/"$1"/task/*/children 2>/dev/null); do echo "$c"; descendants "$c"; done; }
for driver in overlay fuse; do
    [ $driver = fuse ] && [ ! -x /usr/bin/fuse-overlayfs ] && continue
    fresh l6$driver
    R="root	$driver
fuse-program	/usr/bin/fuse-overlayfs
$layers
upper	$T/l6$driver/fs
work	$T/l6$driver/work" X="$pasta"'publish\ttcp\t127.0.0.1\t0\t\t80\n' run l6$driver detach sh -c 'sleep 1000 & sleep 1000'
    is "$rc" 0 "a container with $driver, pasta and a published port runs"
    sv=$(sv_pid l6$driver)
    infra=$(cat /proc/$sv/task/$sv/children)
    tree="$sv $infra $(for p in $infra; do cat /proc/$p/task/*/children; done)"
    [ "$(echo $tree | wc -w)" -ge 5 ]
    ok $? 'with its helpers below the infra process'
    kill -9 "$sv"
    waits=100
    while alive "$tree" && [ $waits -gt 0 ]; do waits=$((waits - 1)); sleep 0.05; done
    if alive "$tree"; then ok 1 "kill -9 of the supervisor takes everything with it ($driver)"; else ok 0 "kill -9 of the supervisor takes everything with it ($driver)"; fi
done

fresh l6pid
X="$pasta"'ns\tpid\thost\n' run l6pid detach sleep 1000
is "$rc" 0 'a container with the pid namespace of the host and pasta runs'
sv=$(sv_pid l6pid)
tree="$sv $(descendants "$sv")"
is "$(for p in $tree; do cat "/proc/$p/comm"; done | grep -c '^pas')" 1 'with one pasta'
kill -9 "$sv"
until_true 10 dead "$tree"
ok $? 'which a kill -9 of the supervisor ends too'

fresh l7
run l7 detach sh -c 'sleep 1000'
infra=$(cat "/proc/$(sv_pid l7)/task/$(sv_pid l7)/children")
kill -9 $infra
ended l7
is "$(sed 's/.*"stage":"\([a-z]*\)".*/\1/' "$T/l7/exit")" infra 'a killed infra process is recorded'

fresh l8
run l8 foreground sh -c 'dd if=/dev/zero bs=1M count=64 2>/dev/null'
is "$(wc -c < "$T/out")" 67108864 '64 MiB of output arrive whole'
plan l8 foreground sh -c 'yes 0123456789abcdef | head -c 3000000; exit 5'
{ "$SV" run 3< "$T/l8.plan"; echo $? > "$T/code"; } | { sleep 1; wc -c; } > "$T/out"
is "$(cat "$T/out") $(cat "$T/code")" '3000000 5' 'a slow reader loses nothing'
plan l8 foreground sh -c 'yes; true'
{ timeout 10 "$SV" run 3< "$T/l8.plan" 2>/dev/null; echo $? > "$T/code"; } | head -c 100 > /dev/null
until_true 1 test -f "$T/l8/live"
[ -f "$T/l8/live" ] && kill -9 "$(sv_pid l8)"
[ "$(cat "$T/code")" != 124 ]
ok $? 'a reader that goes away does not hang us'
