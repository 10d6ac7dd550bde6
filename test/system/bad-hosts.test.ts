/**
 * Hosts that lack something. Each is made by an outer user namespace in which a script, as its root, hides or mounts
 * what the case is about: one clear error, the right exit code, nothing left behind.
 */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { familyOf, image, leftovers, openStore, until } from '../faults/fixture.js';
import { type Cli, type Outcome, type RunOptions, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import {
  findProgram,
  missingCli,
  missingDevice,
  missingProgram,
  missingUserNamespaces,
  repositoryRoot,
} from '../helpers/host.js';
import { missingBusybox } from '../helpers/image.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';

const base = [missingCli(), missingUserNamespaces(), missingBusybox(), missingProgram('unshare')];
const program = join(repositoryRoot(), 'dist', 'coracle');

/** All ids mapped, so that containers are those of a usual host but for what `script` did before. */
function onHost(
  cli: Cli,
  script: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const inside = `set -e; ${script}\nexec "$@"`;
  return runProgram(
    'unshare',
    ['-Urm', '--map-auto', 'sh', '-c', inside, 'sh', program, '--root', cli.root, ...args],
    { ...options, env: { ...cli.env, D: cli.directory, ...options.env } },
  );
}

/** The same for a user who is no root: a second namespace gives the uid back, and no other. */
function onHostAsUser(
  cli: Cli,
  script: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const [uid, gid] = [process.getuid?.(), process.getgid?.()];
  const again = `set -e; ${script}\nexec unshare -U --map-user=${uid} --map-group=${gid} "$@"`;
  return runProgram('unshare', ['-Urm', 'sh', '-c', again, 'sh', program, '--root', cli.root, ...args], {
    ...options,
    env: { ...cli.env, D: cli.directory, ...options.env },
  });
}

/** A file that nobody may open; to be mounted over others. */
const closed = ': > "$D/closed"; chmod 000 "$D/closed"';

/** Hides programs: a file that cannot be executed lies over each that there is. */
function hide(...names: readonly string[]): string {
  const paths = names.flatMap((name) => findProgram(name) ?? []);
  return [closed, ...paths.map((path) => `mount --bind "$D/closed" ${path}`)].join('; ');
}

/** One error of ours that says what to do; no stack, nothing said twice. */
function expectError(
  t: ExecutionContext<unknown>,
  outcome: Outcome,
  expected: { readonly code: number; readonly says: RegExp; readonly hint: RegExp },
): void {
  t.is(outcome.code, expected.code, outcome.stderr);
  t.regex(outcome.stderr, expected.says);
  t.regex(outcome.stderr, expected.hint);
  t.is(outcome.stderr.split('\n').filter((line) => line.startsWith('coracle: ')).length, 1, outcome.stderr);
  t.notRegex(outcome.stderr, /unexpected error| at .*\.cjs/);
}

function expectNothingLeft(t: ExecutionContext<unknown>, cli: Cli): void {
  t.deepEqual(leftovers(cli), []);
  const owned = familyOf(1).filter(({ pid }) => commandLine(pid).includes(cli.directory));
  t.deepEqual(owned, []);
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

const id = ['run', '--rm', '--network', 'none', image, 'id'];

function context(cli: Cli): string {
  const directory = join(cli.directory, 'context');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'file'), 'copied\n');
  const lines = [`FROM ${image}`, 'RUN mkdir /made && echo run > /made/run', 'COPY file /made/'];
  writeFileSync(join(directory, 'Dockerfile'), `${lines.join('\n')}\n`);
  return directory;
}

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

testWith(base, 'a store that cannot be written can be read, and says so when it should change', async (t) => {
  const { cli, tar } = await openStore(t);
  const freeze = 'mount --bind "$D/root" "$D/root"; mount -o remount,bind,ro "$D/root"';
  t.regex((await onHost(cli, freeze, ['images'])).stdout, /localhost\/busybox/);
  t.is((await onHost(cli, freeze, ['ps', '-a'])).code, 0);
  const wanted = { code: 125, says: /read-only file system/, hint: /hint: .*--root/ };
  for (const args of [id, ['import', tar, 'localhost/other']])
    expectError(t, await onHost(cli, freeze, args), wanted);
  for (const args of [
    ['rmi', image],
    ['build', '-q', context(cli)],
  ])
    expectError(t, await onHost(cli, freeze, args), { ...wanted, code: 1 });
  expectNothingLeft(t, cli);
});

testWith(base, 'a store of a newer version is refused by every command and not touched', async (t) => {
  const { cli } = await openStore(t);
  writeFileSync(join(cli.root, 'version'), '99\n');
  for (const args of [id, ['images'], ['ps', '-a']]) {
    const wanted = { code: 125, says: /format 99 is newer than 1/, hint: /another store with --root/ };
    expectError(t, await cli.run(args), wanted);
  }
  t.is(readFileSync(join(cli.root, 'version'), 'utf8'), '99\n');
  writeFileSync(join(cli.root, 'version'), '1\n');
  t.is((await cli.run(id)).code, 0);
});

testWith(
  fuse,
  'a file system without user attributes: another driver is taken, overlay is refused',
  async (t) => {
    const { cli, tar } = await openStore(t);
    const root = join(cli.directory, 'plain');
    mkdirSync(root);
    // ramfs keeps no attributes; it lives as long as the namespace, so one script does it all.
    const steps = [
      `${program} --root ${root}/s import ${tar} ${image}`,
      `${program} --root ${root}/s ${id.join(' ')}`,
      `${program} --root ${root}/s build -q -t localhost/p ${context(cli)}`,
      `! ${program} --root ${root}/s --storage-driver overlay ${id.join(' ')}`,
      `ls -A ${root}/s/trash ${root}/s/staging`,
    ];
    const script = `mount -t ramfs none ${root}; ${steps.join('; ')}`;
    const outcome = await onHost(cli, script, ['version']);
    t.is(outcome.code, 0, outcome.stderr);
    t.regex(outcome.stdout, /uid=0\(root\)/);
    t.regex(outcome.stderr, /use storage driver overlay/);
    t.regex(outcome.stderr, /hint: put the store on ext4/);
  },
);

testWith(base, 'a full disk: one error, the exit code kept, room again after a removal', async (t) => {
  const { cli, tar } = await openStore(t);
  const root = join(cli.directory, 'small');
  mkdirSync(root);
  const big = join(cli.directory, 'big');
  mkdirSync(big);
  writeFileSync(join(big, 'file'), Buffer.alloc(9_000_000));
  writeFileSync(join(big, 'Dockerfile'), `FROM ${image}\nCOPY file /file\n`);
  const archive = join(cli.directory, 'archive.tar');
  await cli.ok(['save', '-o', archive, image]);
  const coracle = `${program} --root ${root}/s`;
  const state = `find ${root}/s/staging ${root}/s/trash ${root}/s/containers -mindepth 1 -maxdepth 1 ! -name .names`;
  const script = [
    `mount -t tmpfs -o size=8m none ${root}`,
    `step() { echo "# $1"; shift; code=0; "$@" 2>&1 || code=$?; echo "= $code"; ${state}; }`,
    `step import ${coracle} import ${tar} ${image}`,
    `step run ${coracle} run --rm --network none ${image} sh -c 'cat /dev/zero > /big; exit 9'`,
    `step build ${coracle} build -q ${big}`,
    `step kept ${coracle} run --name kept --network none ${image} sh -c 'cat /dev/zero > /big; exit 9'`,
    `step ps ${coracle} ps -a --format '{{.Status}}'`,
    `step full ${coracle} ${id.join(' ')}`,
    `step load ${coracle} load -i ${archive}`,
    `step fullimport ${coracle} import ${tar} localhost/other`,
    `step fullbuild ${coracle} build -q ${context(cli)}`,
    `step rm ${coracle} rm kept`,
    `step again ${coracle} ${id.join(' ')}`,
  ].join('\n');
  const outcome = await onHost(cli, script, ['version']);
  const of = (name: string): string =>
    outcome.stdout.split(/^# /m).find((part) => part.startsWith(`${name}\n`)) ?? '';
  t.regex(of('import'), /= 0\n$/);
  t.regex(of('run'), /= 9\n$/, 'the exit code is kept and nothing stays');
  t.regex(of('build'), /no space left on the device[\s\S]*hint: free space[\s\S]*= 1\n$/);
  t.regex(of('kept'), /= 9\n.*containers.[0-9a-f]{64}\n$/);
  t.regex(of('ps'), /Exited \(9\)/);
  for (const name of ['full', 'fullimport']) {
    t.regex(of(name), /^coracle: .*no space left on the device$/m, name);
    t.regex(of(name), /hint: free space[\s\S]*= 125\n.*containers.[0-9a-f]{64}\n$/, name);
  }
  t.regex(of('fullbuild'), /no space left on the device[\s\S]*= 1\n.*containers.[0-9a-f]{64}\n$/);
  t.notRegex(outcome.stdout, /unexpected error/);
  t.regex(of('rm'), /= 0\n$/);
  t.regex(of('again'), /uid=0[\s\S]*= 0\n/);
});

testWith([...base, missingRegistry()], 'a pull that does not fit is one error each time', async (t) => {
  const { cli } = await openStore(t);
  const { host } = await startRegistry(t);
  const name = `${host}/busybox:1`;
  await cli.ok(['push', image, name]);
  const root = join(cli.directory, 'small');
  mkdirSync(root);
  const pull = `${program} --root ${root}/s pull ${name} || echo "code $?"`;
  const rest = `ls -A ${root}/s/trash; find ${root}/s/staging -mindepth 1 ! -path '*/partial*'; ${program} --root ${root}/s images -q`;
  const outcome = await onHost(cli, `mount -t tmpfs -o size=1500k none ${root}; ${pull}; ${pull}; ${rest}`, [
    'ps',
    '-aq',
  ]);
  t.is(outcome.stdout, 'code 1\ncode 1\n');
  t.is(
    outcome.stderr.match(/^coracle: .*no space left on the device\nhint: free space/gm)?.length,
    2,
    outcome.stderr,
  );
});

testWith(
  base,
  'a runtime directory that others can reach is refused, as is one that is a link',
  async (t) => {
    const { cli } = await openStore(t);
    const [linked, open] = [join(cli.directory, 'linked'), join(cli.directory, 'open')];
    for (const path of [linked, open]) mkdirSync(path, { mode: 0o700 });
    symlinkSync('/tmp', join(linked, 'coracle'));
    mkdirSync(join(open, 'coracle'));
    const wide = await runProgram('chmod', ['777', join(open, 'coracle')]);
    t.is(wide.code, 0);
    const hint = /remove it, or set XDG_RUNTIME_DIR/;
    const run = (runtime: string): Promise<Outcome> => cli.run(id, { env: { XDG_RUNTIME_DIR: runtime } });
    expectError(t, await run(linked), { code: 125, says: /is not a directory/, hint });
    expectError(t, await run(open), { code: 125, says: /others may enter it \(mode 777\)/, hint });
    const foreign = join(cli.directory, 'foreign');
    const give = `mkdir -p ${foreign}; mount -t tmpfs none ${foreign}; mkdir -m 700 ${foreign}/coracle; chown 5 ${foreign}/coracle`;
    const other = await onHost(cli, give, id, { env: { XDG_RUNTIME_DIR: foreign } });
    expectError(t, other, { code: 125, says: /it belongs to uid/, hint });
    t.deepEqual(leftovers(cli), []);
  },
);

testWith(base, 'without HOME the store must be named, and is told so', async (t) => {
  const { cli } = await openStore(t);
  const env = { ...cli.env, HOME: undefined };
  const outcome = await runProgram(program, ['images'], { env });
  expectError(t, outcome, { code: 125, says: /HOME is not set/, hint: /--root/ });
  const running = await cli.run(id, { env: { HOME: undefined } });
  expectError(t, running, {
    code: 125,
    says: /XDG_CACHE_HOME: HOME is not set/,
    hint: /hint: set HOME or XDG/,
  });
  t.is(
    (
      await cli.run(id, {
        env: { HOME: undefined, XDG_CACHE_HOME: cli.directory, XDG_CONFIG_HOME: cli.directory },
      })
    ).code,
    0,
  );
  await until('nothing is left', () => leftovers(cli).length === 0);
});
