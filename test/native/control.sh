# Frames on the attach socket, and published ports.
ask() { n=$1; shift; "$OBJ/ask" "$T/$n/s" "$@" > "$T/out" 2>&1; }

fresh f1
X='stdin\topen\nstop\t15\t5000\npublish\ttcp\t127.0.0.1\t0\t127.0.0.1\t8080\n' run f1 detach sh -c 'trap "echo term; exit 21" TERM; trap "echo usr1" USR1; echo begin; (while :; do echo hello | nc -l -p 8080; done) 2>/dev/null & while read line; do echo "got $line"; done; while :; do sleep 0.05; done'
is "$rc" 0 'a container with a published port starts'
is "$(stat -c '%a %U' "$T/f1/s")" "600 $(id -un)" 'S13: the socket is open to its owner alone'
ask f1 16:04 24
has '^32 state=running' 'hello answers with the state'
has '^24 tcp 127.0.0.1 [1-9][0-9]* 127.0.0.1 8080' 'ports tells the port that was bound'
port=$(sed -n 's/^24 tcp 127.0.0.1 \([0-9]*\) .*/\1/p' "$T/out")
until_true 5 sh -c "timeout 2 busybox nc 127.0.0.1 $port < /dev/null > '$T/out' 2>&1; grep -q hello '$T/out'"
has '^hello' 'a connection to the published port reaches the container'
fresh f2
X="publish\ttcp\t127.0.0.1\t$port\t\t80\n" run f2 foreground true
is "$rc" 125 'a port that is taken stops the start'
has '[Aa]ddress in use\|already in use' 'and the message says so'
"$OBJ/ask" "$T/f1/s" 16:01 > "$T/out3" 2>&1 &
until_true 5 grep -q state=running "$T/out3"
"$OBJ/ask" "$T/f1/s" 16:02 0:616263 0:0a > "$T/out2" 2>&1
wait
grep -q '^1 got abc' "$T/out2" && grep -q '^1 got abc' "$T/out3"
ok $? 'two clients see what the process answers to the input of one'
ask f1 16:01 6:0000000a
has '^1 usr1' 'a signal frame reaches the process'
has '^35 ' 'and is answered'
ask f1 6:00000000
has '^34 signal number' 'signal 0 is refused'
ask f1 23:01
has '^35 ' 'a pause is answered when nothing moves any more'
ask f1 23:01
has '^34 it is paused already' 'a second pause is refused'
ask f1 25
has '^25 [0-9]' 'the processes are told by their pids'
ask f1 20
has '^paused=1' 'who asks for the namespaces of a paused container is told that it is'
ask f1 23:00
has '^35 ' 'it goes on'
ask f1 23:00
has '^34 it is not paused' 'what goes on is not let go on'
ask f1 22
has '^34 the container has no log' 'reopening a log that is not there is refused'
ask f1 99 16:04
has '^32 ' 'unknown frames are passed over'
printf '\000\000\000\000\177\377\377\377' | "$OBJ/ask" "$T/f1/s" 16:04 > "$T/out"
has '^32 ' 'the container lives on after nonsense'
ask f1 16:01 19 18:ffffffffffffffff
has '^1 term' 'stop sends the signal of the plan'
is "$(sed -n 's/^33 .*"code":\([0-9]*\).*/\1/p' "$T/out")" 21 'wait and attach get the exit record'
ended f1
ok $? 'and the container has ended'
[ ! -e "$T/f1/s" ]
ok $? 'the socket is removed'

X='tty\t10\t20\n' run f1 detach sh -c 'while :; do n=$(stty size); [ "$n" = "$s" ] || echo "$n"; s=$n; sleep 0.05; done'
ask f1 16:02 5:00210042
has '^1 33 66' 'a resize frame changes the terminal and is signalled'
ask f1 19 18:0000000f00000000 # the wait first: the end may be there before a second frame is
is "$(sed -n 's/^33 .*"signal":\([0-9]*\).*/\1/p' "$T/out")" 9 'a stop without patience kills'

run f1 detach sleep 1000
X="exec-socket\t$T/f1/e\n" enter f1 detach sh -c 'sleep 0.3; echo from exec; exit 12'
is "$rc" 0 'a detached exec session starts'
"$OBJ/ask" "$T/f1/e" 16:01 > "$T/out"
has '^1 from exec' 'and can be attached to'
is "$(sed -n 's/^33 .*"code":\([0-9]*\).*/\1/p' "$T/out")" 12 'its exit is told'
X='timeout\t200\n' enter f1 child sleep 100
is "$rc" 137 'an exec session has a timeout'
enter f1 foreground nosuch
is "$rc" 127 'an exec of a missing command gives 127'
C="$caps
cwd	/no/such" enter f1 child true
is "$rc $(ls "$T/f1/fs" | grep -c '^no$')" '127 0' 'an exec in a directory that is not there gives 127 and makes none'
C="$caps
cwd	/etc/passwd" enter f1 child true
is "$rc" 126 'an exec in what is no directory gives 126'
pid=$(sed 's/.*"pid":\([0-9]*\).*/\1/' "$T/f1/live")
{ printf 'socket\t%s\nmode\tchild\ncwd\t/\nenv\tPATH=/bin\narg\tsleep\narg\t1234\n' "$T/f1/s"; } | "$MK" > "$T/f1.exec"
"$SV" exec 3< "$T/f1.exec" < /dev/null > /dev/null 2>&1 &
helper=$!
until_true 5 pgrep -f '[s]leep 1234'
kill -9 $helper
until_true 5 sh -c '! pgrep -f "[s]leep 1234"'
ok $? 'kill -9 of an exec helper takes its process with it'
kill -9 "$(sv_pid f1)"
until_true 5 sh -c "! [ -d /proc/$pid ] || grep -q 'State:.Z' /proc/$pid/status"
enter f1 foreground true
is "$rc" 125 'exec into a container that is gone is an error'
