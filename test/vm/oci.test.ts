/** Containers of bundles in scopes of the user's systemd, from a login session, which lies outside of what is delegated. */
import { facts, ok, onMachine, useBusybox } from './machine.js';

useBusybox();

/** Makes the bundle ~/NAME for a script, with limits. */
const bundle = (name: string, script: string, resources: unknown): string =>
  `mkdir -p ~/${name}; cd ~/${name}; test -d rootfs || { mkdir rootfs; cp -r ~/box/. rootfs; }
   rm -f config.json; coracle oci spec --rootless
   node -e ${quote(`
     const fs = require("fs"), spec = JSON.parse(fs.readFileSync("config.json"));
     spec.process.args = ["sh", "-c", ${JSON.stringify(script)}]; spec.process.terminal = false;
     spec.linux.resources = ${JSON.stringify(resources)};
     fs.writeFileSync("config.json", JSON.stringify(spec))`)}
`;

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

onMachine('limits of a bundle hold in its scope', async (t) => {
  const limits = {
    memory: { limit: 64 << 20, swap: 64 << 20 },
    pids: { limit: 20 },
    cpu: { quota: 20_000, period: 100_000, shares: 512, cpus: '1' },
  };
  const script = `cd /sys/fs/cgroup; for f in memory.max memory.swap.max pids.max cpu.max cpu.weight cpuset.cpus.effective; do echo $f=$(cat $f); done
    for i in $(seq 40); do sleep 1 & done 2>&1 | grep -c "can.t fork"
    timeout 4 sh -c "while :; do :; done"; sed -n "s/ /=/p" cpu.stat
    dd if=/dev/zero of=/dev/null bs=200M count=1; echo code=$?; sed -n "s/ /=/p" memory.events pids.events`;
  const told = facts(
    await ok(
      `mkdir -p ~/box; coracle create --name rootfs busybox >/dev/null; coracle export rootfs | tar -x -C ~/box
       ${bundle('bounded', script, limits)}
       coracle oci --systemd-cgroup run bounded`,
    ),
  );
  t.log(told);
  t.like(told, {
    'memory.max': '67108864',
    'memory.swap.max': '0',
    'pids.max': '20',
    'cpu.max': '20000 100000',
    'cpu.weight': '20',
    'cpuset.cpus.effective': '1',
    code: '137',
    oom_kill: '1',
  });
});
