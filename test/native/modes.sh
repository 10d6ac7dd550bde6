# Modes, drivers, namespaces, networks: what run and exec can do at all.

fresh c1
run c1 foreground sh -c 'echo out; echo err >&2; exit 7'
is "$rc" 7 'a foreground container ends with the exit code of its process'
is "$(sort "$T/out" | tr '\n' ' ')" 'err out ' 'both output streams arrive'
is "$(sed 's/.*"code":\([0-9]*\).*/\1/' "$T/c1/exit")" 7 'the exit record holds the code'
[ ! -e "$T/c1/live" ] && [ ! -e "$T/c1/s" ] && [ ! -e "$T/c1/mnt" ]
ok $? 'nothing but the records is left in the directory'

run c1 foreground sh -c 'ls / | tr "\n" " "; echo x > /new; hostname; echo > /dev/null'
has 'box' 'the host name is set'
[ -f "$T/c1/fs/new" ]
ok $? 'what the container writes lies in its upper directory'

echo input > "$T/in"
IN=$T/in X='stdin\tonce\n' run c1 foreground cat
has '^input$' 'standard input reaches the process and ends'
run c1 foreground cat
is "$rc" 0 'without stdin the process reads /dev/null'

X='tty\t31\t91\n' run c1 foreground sh -c 'tty; stty size; echo console > /dev/console'
has '^/dev/pts/0' 'a terminal comes from the devpts of the container'
has '^31 91' 'the terminal has the size asked for'
has '^console' '/dev/console is the terminal'

run c1 foreground nosuch
is "$rc" 127 'a missing command gives 127'
has 'not found in PATH' 'and a message that says so'
run c1 foreground /etc/passwd
is "$rc" 126 'a file without execute permission gives 126'
printf '#!/no/such/interpreter -x\n' > "$T/base/bin/badscript"; printf 'junk' > "$T/base/bin/junk"; chmod 755 "$T/base/bin/badscript" "$T/base/bin/junk"
run c1 foreground badscript
is "$rc" 127 'a missing interpreter gives 127'
has 'interpreter /no/such/interpreter is not in the container' 'and names the interpreter'
run c1 foreground junk
is "$rc" 126 'a file of unknown format gives 126'

echo child-in > "$T/in"
IN=$T/in run c1 child sh -c 'cat; echo err >&2; exit 4'
is "$rc" 4 'a child container hands its code on'
has 'child-in' 'and has the streams of its caller'
is "$(cut -d' ' -f1 "$T/status" | tr '\n' ' ')" 'ready started exit ' 'status lines tell how it went'
fresh c2
X='volatile\n' run c2 child sh -c 'echo x > /f; sync'
is "$rc" 0 'a volatile overlay works'
[ -s "$T/c2/fs/f" ]
ok $? 'and leaves its files in the upper directory'

fresh c3
R="root	fuse
fuse-program	/usr/bin/fuse-overlayfs
$layers
upper	$T/c3/fs
work	$T/c3/work" run c3 foreground sh -c 'mount | head -1; rm -rf /tmp; mkdir /tmp; ls /tmp; echo done'
has 'fuse-overlayfs on / ' 'fuse-overlayfs serves as the root'
has '^done$' 'and removing and making a lower directory works in it'
cp -a "$T/base" "$T/tree"
fresh c4
R="root	dir
rootdir	$T/tree" run c4 foreground sh -c 'echo dir > /w; cat /w'
has '^dir$' 'a plain directory serves as the root'
R="root	overlay
$layers
upper	$T/c4/fs
work	$T/c4/work" X='root-readonly\n' run c4 foreground sh -c 'touch /x || echo refused; touch /dev/shm/y && echo shm'
has '^refused' 'a read-only root cannot be written'
has '^shm' 'its tmpfs mounts can'
mkdir -p "$T/l2/proc" "$T/l2/sys" "$T/l2/dev" "$T/l2/bin" && echo two > "$T/l2/two"
R="root	overlay
layer	$T/l2
layer	$T/base" run c4 foreground cat /two
R="root	overlay
layer	$T/l2" run c4 foreground /bin/sh
is "$rc" 127 'a single layer without an upper directory is a root too'
R="root	overlay
layer	$T/base" run c4 foreground true
is "$rc" 125 'nothing is made in a layer, not even a mount point'
[ ! -e "$T/base/proc" ]
ok $? 'as the layer shows'
R="root	overlay
layer	$T/l2
layer	$T/base" run c4 foreground cat /two
has '^two$' 'a stack without an upper directory is read-only and merged'

single="idmap	single
uidmap	0	$uid	1
gidmap	0	$gid	1"
fresh c5
I=$single run c5 foreground sh -c 'id -u; id -g; touch /f; echo > /dev/null; ls -d /dev/pts'
is "$rc" 0 'one mapped id is enough'
I=$single X='user\tu1\n' run c5 foreground true
is "$rc" 125 'a user outside the map is refused'
has 'uid 1000' 'and the message names the uid'
fresh c6
I='idmap	direct
uidmap	0	0	1
uidmap	1	1	1000
gidmap	0	0	1
gidmap	1	1	1000'
plan c6 foreground sh -c 'id -u; cat /proc/self/uid_map'
I=
unshare -Ur --map-auto "$SV" run 3< "$T/c6.plan" > "$T/out" 2>&1
is "$?" 0 'maps are written directly inside a mapped user namespace'
has '1  *1  *1000' 'as the plan has them'

X='ns\tnet\thost\n' run c1 foreground sh -c 'cat /proc/net/dev | wc -l'
is "$rc" 0 'the host network can be shared'
X='ns\tuts\thost\nns\tipc\thost\nns\tcgroup\thost\n' run c1 foreground hostname
is "$(cat "$T/out")" "$(hostname)" 'so can the other namespaces'
X='ns\tpid\thost\n' run c1 foreground sh -c 'test -d /proc/'$$' && echo seen'
has '^seen' 'and the pid namespace'

run c1 foreground sh -c 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ip addr show lo | grep -c UP'
is "$(tr '\n' ' ' < "$T/out")" '0 1 ' 'a new network has loopback up and all ports open to all users'
pasta='net-helper\tpasta\t/usr/bin/pasta\t--config-net\t-q\t-t\tnone\t-u\tnone\t-T\tnone\t-U\tnone\t--no-map-gw\t-a\t10.0.2.100\t-n\t24\t-g\t10.0.2.2\t--netns-only\t--netns\t@NETNS@\n'
slirp='net-helper\tslirp4netns\t/usr/bin/slirp4netns\t--configure\t--mtu=65520\t--disable-host-loopback\t--netns-type=path\t-r\t@READY@\t@NETNS@\ttap0\n'
if [ -x /usr/bin/pasta ] && [ -w /dev/net/tun ]; then
    X=$pasta run c1 foreground ip addr
    has '10.0.2.100/24' 'pasta is ready before the process starts'
fi
if [ -x /usr/bin/slirp4netns ] && [ -w /dev/net/tun ]; then
    X=$slirp run c1 foreground ip addr
    has '10.0.2.100/24' 'so is slirp4netns'
fi
X='net-helper\tpasta\t/usr/bin/false\n' run c1 foreground true
is "$rc" 125 'a network helper that fails stops the start'
has 'set up network' 'and the message says which step it was'

X='sysctl\tnet.ipv4.ip_forward\t1\n' run c1 foreground cat /proc/sys/net/ipv4/ip_forward
is "$(cat "$T/out")" 1 'a namespaced sysctl is set'
X='sysctl\tkernel.core_pattern\tx\n' run c1 foreground true
is "$rc" 125 'any other sysctl is refused'
X='rlimit\tnofile\t99\t100\n' run c1 foreground sh -c 'ulimit -n; ulimit -Hn'
is "$(tr '\n' ' ' < "$T/out")" '99 100 ' 'limits are set'
X='rlimit\tnofile\t99\t99999999\n' run c1 foreground true
has 'set limit nofile lowered' 'a limit above the hard one is lowered with a warning'
X='umask\t0077\n' run c1 foreground sh -c umask
is "$(cat "$T/out")" 0077 'the umask is set'
X='cwd\t/made/here\n' run c1 foreground sh -c 'pwd'
is "$(cat "$T/out")" /made/here 'a missing working directory is made'
X='cwd\t/open/here\nuser\tu1\nmount\ttmpfs\ttmpfs\t/mounts/for/all\tmode=1777\n' run c1 foreground sh -c 'pwd; stat -c "%a %u" /open /open/here /mounts/for; touch /mounts/for/all/f'
is "$rc $(tr '\n' ' ' < "$T/out")" '0 /open/here 755 0 755 0 755 0 ' 'directories made for mounts and as the working directory are open to every user'
X='home-env\nuser\tu1\n' run c1 foreground sh -c 'echo $HOME'
is "$(cat "$T/out")" /home/u1 'HOME comes from the passwd file of the image'
mkdir -p "$T/base/data/sub"; echo a > "$T/base/data/sub/f"; ln -s sub/f "$T/base/data/l"
X='mount\ttmpfs\ttmpfs\t/data\tcopyup,nosuid\n' run c1 foreground sh -c 'cat /data/l; touch /data/n; mount | grep -c " /data "'
is "$(tr '\n' ' ' < "$T/out")" 'a 1 ' 'a tmpfs can start with what the image has there'
chmod 750 "$T/base/data"
X='mount\ttmpfs\ttmpfs\t/data\tcopyup\nmount\ttmpfs\ttmpfs\t/data/sub\tcopyup,mode=1770\nmount\ttmpfs\ttmpfs\t/none\tcopyup\nmount\ttmpfs\ttmpfs\t/nothing\tcopyup,mode=0711\n' run c1 foreground stat -c %a /data /data/sub /none /nothing
is "$(tr '\n' ' ' < "$T/out")" '750 1770 1777 711 ' 'its mode is the one asked for, else that of the directory it covers, else open to all'
mkdir -m 700 "$T/volume"
X="mount\tbind\t$T/volume\t/unknown\trec,copyup\n" run c1 foreground stat -c %a /unknown
is "$(cat "$T/out")" 755 'a volume over nothing is as a new directory'
mkdir "$T/own"; chmod 711 "$T/own"
X="user\tu1\nmount\tbind\t$T/own\t/own\trec,copyup\n" run c1 foreground sh -c 'stat -c "%a %u" /own; touch /own/f'
is "$rc $(cat "$T/out")" '0 755 1000' 'and of its user'
X="mount\tbind\t$T/own\t/data\trec,copyup\n" run c1 foreground ls /data
is "$(cat "$T/out")" f 'what is in a volume stays'
mkdir "$T/held"; chmod 711 "$T/held"
X="mount\tbind\t$T/held\t/data\trec,copyup,keep-owner\n" run c1 foreground sh -c 'stat -c "%a %u" /data; cat /data/l'
is "$(tr '\n' ' ' < "$T/out")" '711 0 a ' 'a directory may stay as it is'
X="user\tu1\nmount\tbind\t$T/held\t/data\trec,ro,chown\n" run c1 foreground sh -c 'stat -c %u /data /data/sub/f; touch /data/n || echo ro'
is "$(grep -v touch "$T/out" | tr '\n' ' ')" '1000 1000 ro ' 'all of a source is given to its user'
X="mount\tbind\t/\t/data\tnorec\n" run c1 foreground true
is "$rc" 125 'a source is not uncovered'
has 'other mounts below it' 'which is said'
X="mount\tdev\tdev\t/dev\tro,nosuid\nmount\tramfs\tramfs\t/r\tmode=0700\n" K="mount	proc	proc	/proc	nosuid" run c1 foreground sh -c 'touch /dev/n || echo ro; stat -c %a /r; echo >/dev/null'
is "$(grep -v touch "$T/out" | tr '\n' ' ')" 'ro 700 ' 'devices can be written where their directory cannot'
X="mount\tbind\t$T/held\t/data\tpropagation=sometimes\n" run c1 foreground true
is "$rc" 125 'a propagation that is none is refused'
touch "$T/mark"; mkdir "$T/kept" "$T/gone"
X="rename\t$T/kept\t$T/kept.new\t$T/mark\nrename\t$T/gone\t$T/gone.new\t$T/no-mark\n" run c1 foreground true
until_true 10 test -d "$T/gone.new" && [ -d "$T/kept" ]
ok $? 'a directory is moved away unless something keeps it'
mkdir "$T/vol"; echo v > "$T/vol/f"; echo one > "$T/file"
X="mount\tbind\t$T/vol\t/v/deep\trec,nosuid,nodev\nmount\tbind\t$T/file\t/etc/one\tro,nosuid,nodev\n" run c1 foreground sh -c 'cat /v/deep/f /etc/one; echo w > /v/deep/g; echo w > /etc/one || echo ro'
is "$(grep -v denied "$T/out" | grep -v 'nonexistent' | grep -c .)" 4 'directories and files are bound, mount points are made'
[ -f "$T/vol/g" ]
ok $? 'and written through'

for probe in kernel fuse seccomp single-userns "xattr $T" "netns single 0:$uid:1 0:$gid:1" "proc single 0:$uid:1 0:$gid:1" "overlay $T single 0:$uid:1 0:$gid:1" "userns newuidmap 0:$uid:1,1:$sub:100 0:$gid:1,1:$sub:100"; do
    is "$("$SV" probe $probe | grep -c '"ok":true')" 1 "probe ${probe%% *} finds that it works"
done
is "$("$SV" probe userns newuidmap 0:0:1 0:0:1 | grep -c '"ok":false,"errno":1,"stage":"idmap"')" 1 'probe userns says where a bad map fails'
