# Mounts of stacks of directories, of parts of trees and of data; what a hostile tree could do with them.

mkdir -p "$T/low/sub" "$T/high/sub" "$T/up" "$T/upwork" "$T/outside"
echo low > "$T/low/sub/a"; echo low > "$T/low/sub/b"; echo high > "$T/high/sub/a"; echo sentinel > "$T/outside/secret"
fresh t1
X="mount\toverlay\t\t/m\tro,nosuid,nodev\nmount-layer\t$T/high\nmount-layer\t$T/low\n" run t1 child sh -c 'cat /m/sub/a /m/sub/b; echo w > /m/new || echo ro'
is "$(tr '\n' ' ' < "$T/out" | sed 's/sh: [^r]*ro/ro/')" "high low sh: can't create /m/new: Read-only file system ro " 'a stack of directories is mounted read-only'
X="mount\toverlay\t\t/m\trw,nosuid,nodev\nmount-layer\t$T/high\nmount-layer\t$T/low\nmount-upper\t$T/up\t$T/upwork\nmount-inside\tsub\n" run t1 child sh -c 'echo changed > /m/b; rm /m/a; ls /m'
is "$(cat "$T/out")" 'b' 'a part of a stack can be written'
is "$(cat "$T/low/sub/b" "$T/high/sub/a" "$T/up/sub/b" | tr '\n' ' ')" 'low high changed ' 'and only its upper directory changes'
X="mount\toverlay\t\t/f\tro\nmount-layer\t$T/low\nmount-inside\tsub/b\n" run t1 child cat /f
is "$(cat "$T/out")" 'low' 'one file of one directory is mounted as a file'
X="mount\toverlay\t\t/m\tro\n" run t1 child true
is "$rc" 125 'a stack of nothing is refused'

ln -s "$T/outside" "$T/low/away"; ln -s ../../../../../../.. "$T/low/up"; ln -s /proc/self/root "$T/low/magic"; ln -s / "$T/low/root"
for link in away up/outside "up/..$T/outside" magic/etc root/../../outside "..$T/outside" "../..$T/outside/secret"; do
    X="mount\tbind\t$T/low\t/m\tro\nmount-inside\t$link\n" run t1 child sh -c 'cat /m /m/secret 2>/dev/null'
    lacks sentinel "S17: a source below a bound directory does not leave it: $link"
    X="mount\toverlay\t\t/m\tro\nmount-layer\t$T/low\nmount-layer\t$T/high\nmount-inside\t$link\n" run t1 child sh -c 'cat /m /m/secret 2>/dev/null'
    lacks sentinel "S17: nor one in a stack: $link"
done
X="mount\tbind\t$T/low\t/m\tro\nmount-inside\troot\n" run t1 child cat /m/sub/b
is "$(cat "$T/out")" 'low' 'S17: / is the root of the source'

printf 'first-secretSECOND' > "$T/data"
secret() { # secret RECORDS [ARG...]: run with the data on descriptor 5
    X=$1
    shift
    plan t1 child "$@"
    "$SV" run 3< "$T/t1.plan" 4> "$T/status" 5< "$T/data" > "$T/out" 2>&1 < /dev/null
    rc=$?
}
secret 'mount\tdata\t0:12\t/run/s\tro,nosuid,nodev,mode=0440,uid=7,gid=8\nenv-data\tTOKEN\t12:6\n' sh -c 'cat /run/s; echo; echo $TOKEN; stat -c "%a %u %g" /run/s; echo x > /run/s || echo ro; ls /proc/self/fd | tr "\n" " "'
has '^first-secret$' 'S32: data is a file of the container'
has '^SECOND$' 'S32: or the value of a variable'
has '^440 7 8$' 'with the mode and owner asked for'
has '^ro$' 'that cannot be written'
has '^0 1 2 3 $' 'S3: the descriptor of the data is not passed on'
! grep -rqas 'first-secret\|SECOND' "$T/t1" "$T/t1.plan" "$T/status"
ok $? 'S32: and nothing of it is on the disk, in the plan or in the status'
secret 'mount\tdata\t10:9\t/run/s\tro\n' true
is "$rc" 125 'more than there is of the data is refused'
secret 'mount\tdata\t16777216:1\t/run/s\tro\n' true
is "$rc" 125 'so is what lies far behind its end'
X='mount\tdata\t0:1\t/run/s\tro\n' run t1 child true
is "$rc" 125 'and data that was not given'
