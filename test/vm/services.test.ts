/** Containers as services of a real systemd: after the login, again after failures, by its units, in its journal. */
import { setTimeout as sleep } from 'node:timers/promises';
import { facts, logOut, ok, onMachine, useBusybox } from './machine.js';

useBusybox();

onMachine('a container outlives the login that started it', async (t) => {
  const before = facts(
    await ok(
      `coracle run -d --name stays --network none --pidfile pid busybox sleep 1000 >/dev/null
       echo pid=$(cat pid); echo session=$XDG_SESSION_ID; echo state=$(loginctl show-user vagrant -P Linger)`,
    ),
  );
  t.is(before.state, 'yes');
  await logOut();
  await sleep(2000);
  const after = facts(
    await ok(
      `echo session=$XDG_SESSION_ID; echo name=$(cat /proc/${before.pid}/comm)
       echo running=$(coracle ps -q --filter name=stays | wc -l)
       coracle exec stays true; echo exec=$?`,
    ),
  );
  t.not(after.session, before.session);
  t.like(after, { name: 'sleep', running: '1', exec: '0' });
});

onMachine('a container that fails is started again as often as its policy says', async (t) => {
  const told = facts(
    await ok(
      `coracle run -d --name fails --network none --restart on-failure:2 busybox sh -c 'echo once; exit 3' >/dev/null
       echo code=$(coracle wait fails)
       echo $(coracle inspect -f 'count={{.RestartCount}} {{.State.Status}}' fails)
       echo lines=$(coracle logs fails | wc -l)`,
    ),
  );
  t.deepEqual(told, { code: '3', count: '2 exited', lines: '3' });
});

onMachine('a container that is unhealthy is started again, and is healthy then', async (t) => {
  const told = facts(
    await ok(
      `coracle run -d --name sick --network none --health-cmd 'test -e /tmp/well' --health-interval 1s \\
         --health-retries 2 --health-on-failure restart busybox sh -c 'touch /tmp/well; sleep 1000' >/dev/null
       coracle wait --condition healthy sick >/dev/null; echo well=$?
       coracle exec sick rm /tmp/well
       until_true 'test "$(coracle inspect -f "{{.RestartCount}} {{.State.Health.Status}}" sick)" = "1 healthy"'
       echo again=$?`,
    ),
  );
  t.deepEqual(told, { well: '0', again: '0' });
});

onMachine("a container's lines are in the journal", async (t) => {
  const id = await ok(
    `coracle run -d --network none --log-driver journald busybox \\
       sh -c 'echo to the journal; echo and more >&2; sleep 1000'`,
  );
  const lines = await ok(
    `journal() { journalctl -q -o cat --output-fields=PRIORITY,MESSAGE CONTAINER_ID_FULL=${id.trim()} | sort; }
     until_true 'test "$(journal | wc -l)" = 4'; journal`,
    { root: true },
  );
  t.deepEqual(lines.trimEnd().split('\n'), ['3', '6', 'and more', 'to the journal']);
});

/** A unit with a container of the same name. */
const unit = (name: string, how: string, command: string): string => `[Service]
Type=notify
NotifyAccess=all
Restart=on-failure
RestartSec=1
ExecStart=/usr/local/bin/coracle run -d --replace --rm --name ${name} --network none ${how} busybox ${command}
ExecStop=/usr/local/bin/coracle stop -t 5 ${name}
TimeoutStartSec=120
`;

const install = (name: string): string =>
  `mkdir -p ~/.config/systemd/user; cat >~/.config/systemd/user/${name}.service; systemctl --user daemon-reload
   systemctl --user start ${name}; echo start=$?
   main() { cat /proc/$(systemctl --user show -P MainPID ${name})/comm; }
   echo state=$(systemctl --user is-active ${name}) main=$(main)
`;

onMachine('a unit of Type=notify is active when its container is healthy, and stops it', async (t) => {
  const how = `-m 64m --sdnotify healthy --health-cmd 'test -e /tmp/up' --health-interval 500ms`;
  const command = `sh -c 'trap "exit 0" TERM; sleep 4 & wait; touch /tmp/up; sleep 1000 & wait'`;
  const told = facts(
    await ok(
      `${install('served')}
       echo health=$(coracle inspect -f '{{.State.Health.Status}}' served)
       echo limit=$(cat $(cgroup_of $(pid_of served))/memory.max)
       systemctl --user stop served; echo stop=$?
       echo result=$(systemctl --user show -P Result served) left=$(coracle ps -aq | wc -l)`,
      { input: unit('served', how, command) },
    ),
  );
  t.deepEqual(told, {
    start: '0',
    state: 'active main=coracle-sv',
    health: 'healthy',
    limit: `${64 << 20}`,
    stop: '0',
    result: 'success left=0',
  });
});

onMachine('systemd starts a container again that was killed', async (t) => {
  const told = facts(
    await ok(
      `${install('killed')}
       coracle kill killed >/dev/null
       until_true '[ "$(systemctl --user show -P NRestarts -P ActiveState killed | xargs)" = "1 active" ]'
       echo again=$?
       systemctl --user stop killed; rm ~/.config/systemd/user/killed.service`,
      { input: unit('killed', '--sdnotify conmon', 'sleep 1000') },
    ),
  );
  t.deepEqual(told, { start: '0', state: 'active main=coracle-sv', again: '0' });
});
