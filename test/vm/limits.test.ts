/** Limits of containers that are started from a login session, which lies outside of what systemd delegates. */
import { facts, ok, onMachine, said, useBusybox } from './machine.js';

useBusybox();

/** Prints FILE=VALUE for files of the cgroup `$at`. */
const show = (...files: readonly string[]): string =>
  `for file in ${files.join(' ')}; do echo $file=$(cat $at/$file); done\n`;

const busy = `sh -c 'while :; do :; done'`;

onMachine('a container that takes more memory than it may is killed, and that is told', async (t) => {
  const told = facts(
    await ok(
      `since=$(date +%s)
       coracle run --name greedy --network none -m 64m --memory-swap 64m busybox \\
         dd if=/dev/zero of=/dev/null bs=200M count=1 >/dev/null 2>&1; echo code=$?
       coracle inspect -f 'oom={{.State.OOMKilled}} exit={{.State.ExitCode}}' greedy
       coracle events --since $since --until 0s --filter container=greedy --format '{{.Status}}' | grep -c oom | sed s/^/events=/
       coracle run --rm --network none -m 300m busybox dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null; echo enough=$?`,
    ),
  );
  t.deepEqual(told, { code: '137', oom: 'true exit=137', events: '1', enough: '0' });
});

onMachine('limits are those of the cgroup, and are changed while the container runs', async (t) => {
  const told = await ok(
    `coracle run -d --name bounded --network none --pidfile pid -m 64m --memory-swap 96m --memory-reservation 32m \\
       --cpus 0.2 --cpu-shares 512 --cpuset-cpus 1 --pids-limit 20 --blkio-weight 200 busybox ${busy} >/dev/null
     at=$(cgroup_of $(cat pid)); echo scope=$(echo $at | grep -c '/user@1000.service/.*[.]scope/')
     echo session=$(cgroup_of self | grep -c '/session-[^/]*[.]scope$')
     ${show('memory.max', 'memory.swap.max', 'memory.low', 'cpu.max', 'cpu.weight', 'cpuset.cpus.effective', 'pids.max', 'io.weight')}
     echo allowed=$(sed -n 's/^Cpus_allowed_list:\\s*//p' /proc/$(cat pid)/status)
     used() { sed -n 's/^usage_usec //p' $at/cpu.stat; }
     from=$(used); begun=\${EPOCHREALTIME/./}; sleep 10; to=$(used); ended=\${EPOCHREALTIME/./}
     echo percent=$(((to - from) * 100 / (ended - begun))) throttled=$(sed -n 's/^nr_throttled //p' $at/cpu.stat)
     echo --
     coracle update -m 96m --memory-swap 96m --cpus 1.5 --cpuset-cpus 0-1 --pids-limit 12 bounded >/dev/null
     ${show('memory.max', 'memory.swap.max', 'cpu.max', 'cpuset.cpus.effective', 'pids.max')}
     from=$(used); begun=\${EPOCHREALTIME/./}; sleep 10; to=$(used); ended=\${EPOCHREALTIME/./}
     echo percent=$(((to - from) * 100 / (ended - begun)))
     coracle exec bounded sh -c 'for i in $(seq 20); do sleep 9 & done' 2>&1 | grep -c "can't fork" | sed s/^/forks=/
     echo refused=$(sed -n 's/^max //p' $at/pids.events)`,
  );
  const [before = '', after = ''] = told.split('--\n');
  t.log(told);
  t.like(facts(before), {
    scope: '1',
    session: '1',
    'memory.max': `${64 << 20}`,
    'memory.swap.max': `${32 << 20}`,
    'memory.low': `${32 << 20}`,
    'cpu.max': '20000 100000',
    'cpu.weight': '20',
    'cpuset.cpus.effective': '1',
    'pids.max': '20',
    allowed: '1',
  });
  const { percent = '', throttled = '' } = Object.fromEntries(
    (facts(before).percent ?? '')
      .split(' ')
      .map((word, at) => (at === 0 ? ['percent', word] : word.split('='))),
  );
  t.true(Number(percent) >= 5 && Number(percent) <= 25, `${percent} % of a processor instead of 20`);
  t.true(Number(throttled) > 0);
  t.like(facts(after), {
    'memory.max': `${96 << 20}`,
    'memory.swap.max': '0',
    'cpu.max': '150000 100000',
    'cpuset.cpus.effective': '0-1',
    'pids.max': '12',
    forks: '1',
  });
  t.true(Number(facts(after).percent) > 30, 'more processor time is had after the update');
  t.true(Number(facts(after).refused) > 0);
});

onMachine(
  'a paused container is frozen by its cgroup, and its statistics are those of the cgroup',
  async (t) => {
    const told = facts(
      await ok(
        `coracle run -d --name still --network none --pidfile pid -m 64m busybox ${busy} >/dev/null
       at=$(cgroup_of $(cat pid)); used() { sed -n 's/^usage_usec //p' $at/cpu.stat; }
       coracle stats --no-stream --format '{{.PIDs}} {{.MemUsage}}' still | sed s/^/stats=/
       coracle pause still >/dev/null; echo frozen=$(sed -n 's/^frozen //p' $at/cgroup.events)
       echo status=$(coracle inspect -f '{{.State.Status}}' still)
       from=$(used); sleep 3; to=$(used); echo used=$((to - from))
       coracle unpause still >/dev/null; echo thawed=$(sed -n 's/^frozen //p' $at/cgroup.events)
       from=$(used); sleep 3; to=$(used); echo again=$((to - from > 100000))
       coracle rm -f still >/dev/null; until_true '[ ! -e $at ]'; echo gone=$?`,
      ),
    );
    t.log(told);
    t.like(told, { frozen: '1', status: 'paused', used: '0', thawed: '0', again: '1', gone: '0' });
    t.regex(told.stats ?? '', /^1 .* \/ 67\.1\d*MB$/i);
  },
);

onMachine('reading and writing of a disk are slowed down', async (t) => {
  const told = facts(
    await ok(
      `sudo chmod a+r /dev/vda
       coracle run -d --name slow --network none --pidfile pid --device-write-bps /dev/vda:1m --device-read-bps /dev/vda:1m \\
         busybox sleep 1000 >/dev/null
       at=$(cgroup_of $(cat pid)); ${show('io.max')}
       took() { local begun=\${EPOCHREALTIME/./}; "$@" 2>&1 | tail -n 1 >&2; echo $(((\${EPOCHREALTIME/./} - begun) / 1000)); }
       echo write=$(took coracle exec slow dd if=/dev/zero of=/file bs=1M count=6 conv=fsync)
       echo stat=$(grep -o 'wbytes=[0-9]*' $at/io.stat | tail -n 1)`,
    ),
  );
  t.log(told);
  t.regex(told['io.max'] ?? '', /^\d+:\d+ rbps=1048576 wbps=1048576 riops=max wiops=max$/);
  t.true(Number(told.write) > 4000, `6 MiB at 1 MiB/s in ${told.write} ms`);
});

onMachine('a limit whose controller is not delegated is refused with the reason', async (t) => {
  const { code, stderr } = await said(
    `coracle run --rm --network none --require-limits --cgroup-conf hugetlb.2MB.max=0 busybox true`,
  );
  t.is(code, 125);
  t.regex(stderr, /hugetlb/);
});

onMachine('steps of a build have its limits, and doctor says that they hold', async (t) => {
  const { code, stdout, stderr } = await said(
    `mkdir -p ~/greedy && printf 'FROM busybox\\nRUN dd if=/dev/zero of=/dev/null bs=200M count=1\\n' >~/greedy/Dockerfile
     coracle doctor | grep delegation
     coracle build --network none -m 64m ~/greedy`,
  );
  t.not(code, 0);
  t.regex(stdout, /^ok .*cpuset, cpu, io, memory, pids, by the user's systemd$/m);
  t.regex(stderr, /137|memory/);
});
