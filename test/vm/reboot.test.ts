/** What runs after the machine was started anew. */
import { facts, ok, onMachine, useBusybox, vagrant } from './machine.js';

useBusybox();

onMachine('containers start with the machine as their policies say', async (t) => {
  await ok(
    `run() { coracle run -d --network none --name "$@" busybox sh -c "trap exit TERM; sleep 1000 & wait" >/dev/null; }
     run always --restart always -m 64m
     run wanted --restart unless-stopped
     run unwanted --restart unless-stopped
     run stopped --restart always
     run never
     coracle stop -t 0 unwanted stopped >/dev/null
     coracle system unit --install`,
  );
  const boot = await ok('cat /proc/sys/kernel/random/boot_id');
  const started = Date.now();
  await vagrant('reload');
  t.log(`vagrant reload: ${Math.round((Date.now() - started) / 1000)} s`);
  t.not(await ok('cat /proc/sys/kernel/random/boot_id'), boot);
  const { unit, running, limit } = facts(
    await ok(
      `until_true '[ "$(systemctl --user is-active coracle)" = active ]'
       echo unit=$(systemctl --user show -P Result coracle)
       echo running=$(coracle ps --format '{{.Names}}' | sort)
       echo limit=$(cat $(cgroup_of $(pid_of always))/memory.max)
       rm ~/.config/systemd/user/default.target.wants/coracle.service`,
    ),
  );
  t.is(unit, 'success');
  t.is(running, 'always stopped wanted');
  t.is(limit, `${64 << 20}`);
});
