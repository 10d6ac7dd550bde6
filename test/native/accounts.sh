# Accounts, groups and how /proc looks.

fresh a1
before=$(cat "$T/base/etc/passwd")
X='passwd-entry\tme:*:4321:7:me:/home/me:/bin/sh\npasswd-entry\tother:*:1000:7::/:/bin/sh\npasswd-entry\troot:*:77:7::/:/bin/sh\ngroup-entry\tmine:x:4321:\ngroup-entry\textra:x:3:\nuser\t4321\nhome-env\n' run a1 child sh -c 'tail -n 2 /etc/passwd; grep -c . /etc/group; id -un; echo $HOME'
has '^me:\*:4321:7:me:/home/me:/bin/sh$' 'an account is added'
lacks '^other' 'not for a number that has one'
has '^4$' 'nor for a name that is taken'
has '^me$' 'and the user is it'
has '^/home/me$' 'with its home'
is "$(cat "$T/base/etc/passwd")" "$before" 'the image stays as it is'
X='passwd-entry\tme:*:4321:7:me:/home/me:/bin/sh\n' run a1 child grep -c '^me:' /etc/passwd
has '^1$' 'no line is added twice'
rm -f "$T/a1/fs/etc/passwd"; mkdir -p "$T/a1/fs/etc"; ln -s "$T/base/etc/group" "$T/a1/fs/etc/passwd"
X='passwd-entry\tme:*:4321:7:me:/home/me:/bin/sh\n' run a1 child true
! grep -q '^me:' "$T/base/etc/group"
ok $? 'S14: a linked passwd file leads to no file of the host'
rm -f "$T/a1/fs/etc/passwd"; mkfifo "$T/a1/fs/etc/passwd"
X='passwd-entry\tme:*:4321:7:me:/home/me:/bin/sh\n' run a1 child true
is "$rc" 125 'S11: a fifo is not waited for'
rm -f "$T/a1/fs/etc/passwd"
X='keep-groups\nuser\t1000\n' run a1 child sh -c 'grep ^Groups: /proc/self/status'
is "$(tr -d '\t ' < "$T/out")" "Groups:$(for g in $(id -G); do [ "$g" = "$(id -g)" ] && echo 0 || echo 65534; done | sort -n | uniq | tr -d '\n')" 'the groups of the caller are kept'
fresh a2
K=$(echo "$kernel_mounts" | sed 's|/proc\tnosuid|/proc\tsubset=pid,hidepid=2,nosuid|')
run a2 child sh -c 'ls /proc/meminfo || echo hidden; ls -d /proc/1'
has '^hidden$' 'procfs takes its options'
! grep -q warn "$T/status"
ok $? 'and settings are made all the same'
unset K
if [ ! -e /proc/self/attr/apparmor ]; then
    X='apparmor\tunconfined\n' run a2 child true
    is "$rc" 125 'a profile is refused where there is no AppArmor'
fi
