import { image, openStore } from '../faults/fixture.js';
import { type Cli, type Outcome, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingDevice, missingProgram } from '../helpers/host.js';
import {
  base,
  context,
  expectError,
  expectNothingLeft,
  hide,
  id,
  onHost,
  onHostAsUser,
  program,
} from './bad-host.js';

const singleHosts: readonly (readonly [
  string,
  (cli: Cli, args: readonly string[]) => Promise<Outcome>,
  RegExp,
])[] = [
  [
    'a user without subordinate ids',
    (cli, args) =>
      onHostAsUser(cli, 'mount --bind /dev/null /etc/subuid; mount --bind /dev/null /etc/subgid', args),
    /single, 1 of them/,
  ],
  [
    'a host without newuidmap',
    (cli, args) => onHostAsUser(cli, hide('newuidmap', 'newgidmap'), args),
    /single, 1 of them/,
  ],
  [
    'a session with no_new_privs',
    (cli, args) =>
      runProgram('setpriv', ['--no-new-privs', program, '--root', cli.root, ...args], { env: cli.env }),
    /no_new_privs is set/,
  ],
];

for (const [host, run, reason] of singleHosts) {
  testWith(base, `${host} gets containers with one id, and is told`, async (t) => {
    const { cli, tar } = await openStore(t);
    await cli.ok(['rmi', image]);
    t.is((await run(cli, ['import', tar, image])).code, 0);
    t.regex((await run(cli, ['info'])).stdout, reason);
    const outcome = await run(cli, id);
    t.is(outcome.stdout.trim(), 'uid=0(root) gid=0(root) groups=0(root)', outcome.stderr);
    const built = await run(cli, ['build', '-q', '-t', 'localhost/one', context(cli)]);
    t.is(built.code, 0, built.stderr);
    const shown = await run(cli, [...id.slice(0, 4), 'localhost/one', 'cat', '/made/run', '/made/file']);
    t.is(shown.stdout, 'run\ncopied\n', shown.stderr);
    const refused = await run(cli, ['run', '--rm', '-u', '33', ...id.slice(2)]);
    expectError(t, refused, { code: 125, says: /uid 33 is not mapped/, hint: /coracle info says how many/ });
    expectNothingLeft(t, cli);
  });
}

testWith(base, 'a host that forbids user namespaces is told, whatever the command', async (t) => {
  const { cli, tar } = await openStore(t);
  const forbid = 'echo 0 > /proc/sys/user/max_user_namespaces';
  const wanted = { code: 125, says: /max_user_namespaces is used up/, hint: /coracle doctor says/ };
  for (const args of [id, ['import', tar, 'localhost/other']])
    expectError(t, await onHost(cli, forbid, args), wanted);
  const built = await onHost(cli, forbid, ['build', '-q', context(cli)]);
  expectError(t, built, { ...wanted, code: 1 });
  const doctor = await onHost(cli, forbid, ['doctor']);
  t.is(doctor.code, 1);
  t.regex(doctor.stdout, /fail +user namespaces[\s\S]*sysctl -w user.max_user_namespaces/);
  expectNothingLeft(t, cli);
});

const fuse = [...base, missingProgram('fuse-overlayfs'), missingDevice('/dev/fuse')];
testWith(
  fuse,
  'fuse-overlayfs without /dev/fuse or without the program is refused with the fix',
  async (t) => {
    const { cli } = await openStore(t);
    const args = ['--storage-driver', 'fuse-overlayfs', ...id];
    const wanted = { code: 125, says: /use storage driver fuse-overlayfs/, hint: /hint: .*modprobe fuse/ };
    expectError(t, await onHost(cli, 'mount --bind /etc/hostname /dev/fuse', args), wanted);
    const absent = { ...wanted, hint: /install the package fuse-overlayfs/ };
    expectError(t, await onHost(cli, hide('fuse-overlayfs'), args), absent);
    expectNothingLeft(t, cli);
  },
);

const pasta = [...base, missingProgram('pasta'), missingDevice('/dev/net/tun')];
testWith(pasta, 'a network without its helper or without /dev/net/tun is refused with the fix', async (t) => {
  const { cli } = await openStore(t);
  const wanted = { code: 125, says: /plan network/, hint: /hint: .*(install|modprobe tun)/ };
  const withNetwork = (...flags: readonly string[]): string[] => ['run', '--rm', ...flags, image, 'id'];
  const closed = await onHost(
    cli,
    'mount --bind /etc/hostname /dev/net/tun',
    withNetwork('--network', 'pasta'),
  );
  expectError(t, closed, wanted);
  for (const network of ['pasta', 'slirp4netns']) {
    const outcome = await onHost(cli, hide('pasta', 'slirp4netns'), withNetwork('--network', network));
    expectError(t, outcome, wanted);
  }
  const chosen = await onHost(cli, hide('pasta', 'slirp4netns'), withNetwork());
  t.regex(chosen.stderr, /pasta/, 'a container without network is never a silent one');
  t.is((await onHost(cli, hide('pasta', 'slirp4netns'), id)).code, 0);
  expectNothingLeft(t, cli);
});
