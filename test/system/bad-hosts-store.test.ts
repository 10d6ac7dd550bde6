/** Stores and directories that refuse: read-only, newer, full, without attributes, open to others. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { image, leftovers, openStore, until } from '../faults/fixture.js';
import { type Outcome, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingDevice, missingProgram } from '../helpers/host.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';
import { base, context, expectError, expectNothingLeft, id, onHost, program } from './bad-host.js';

const fuse = [...base, missingProgram('fuse-overlayfs'), missingDevice('/dev/fuse')];
testWith(base, 'a store that cannot be written can be read, and says so when it should change', async (t) => {
  const { cli, tar } = await openStore(t);
  const freeze = 'mount --bind "$D/root" "$D/root"; mount -o remount,bind,ro "$D/root"';
  t.regex((await onHost(cli, freeze, ['images'])).stdout, /localhost\/busybox/);
  t.is((await onHost(cli, freeze, ['ps', '-a'])).code, 0);
  const wanted = { code: 125, says: /read-only file system/, hint: /hint: .*--root/ };
  for (const args of [id, ['import', tar, 'localhost/other'], ['rmi', image]])
    expectError(t, await onHost(cli, freeze, args), wanted);
  expectError(t, await onHost(cli, freeze, ['build', '-q', context(cli)]), { ...wanted, code: 1 });
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
  writeFileSync(join(big, 'file'), Buffer.alloc(9_000_000, 'x'));
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
  t.is(outcome.stdout, 'code 125\ncode 125\n');
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
    says: /XDG_(CACHE|CONFIG)_HOME: HOME is not set/,
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
