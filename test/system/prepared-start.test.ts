/** `start` without Node.js by the plan that was kept, and with it as soon as anything is not as it was. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { isHeld } from '../../lib/container/state.js';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli, Outcome } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';

/** Counts the starts of Node.js: the first `node` in PATH is a script that notes its call. */
class Counted {
  readonly cli: Cli;
  readonly env: Readonly<Record<string, string>>;
  readonly #notes: string;

  constructor(cli: Cli) {
    this.cli = cli;
    this.#notes = join(cli.directory, 'notes');
    const programs = join(cli.directory, 'programs');
    mkdirSync(programs);
    writeFileSync(this.#notes, '');
    const script = `#!/bin/sh\necho call >> ${this.#notes}\nexec ${process.execPath} "$@"\n`;
    writeFileSync(join(programs, 'node'), script, { mode: 0o755 });
    this.env = { PATH: `${programs}:${process.env.PATH ?? ''}` };
  }

  /** Runs `coracle start NAME` when nothing of an earlier run is left; how often Node.js was started. */
  async start(
    t: ExecutionContext<unknown>,
    name: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly calls: number; readonly outcome: Outcome }> {
    const before = this.#count();
    const outcome = await this.cli.run(['start', name], { env: { ...this.env, ...env } });
    t.is(outcome.code, 0, outcome.stderr);
    t.is(outcome.stdout, `${name}\n`);
    return { calls: this.#count() - before, outcome };
  }

  async run(...args: readonly string[]): Promise<string> {
    return this.cli.ok(args, { env: this.env });
  }

  /** The only container has run `times` times, and its supervisor has cleaned up. */
  async ended(times: number): Promise<void> {
    await eventually(async () => {
      const events = await this.run('events', '--stream=false', '--format', '{{.Status}}');
      const containers = join(this.cli.root, 'containers');
      const held = readdirSync(containers).some((name) => isHeld(join(containers, name)));
      return (!held && events.match(/^cleanup$/gm)?.length === times) || undefined;
    });
  }

  #count(): number {
    return readFileSync(this.#notes, 'utf8').split('\n').length - 1;
  }
}

testWith(
  journeyNeeds,
  'a container that was made or has run starts without Node.js, as often as one likes',
  async (t) => {
    const counted = new Counted(await openCliWithBusybox(t));
    await counted.run('create', '--name', 'box', '--network', 'none', 'busybox', 'echo', 'ran');
    for (let times = 1; times <= 3; times++) {
      t.is((await counted.start(t, 'box')).calls, 0, `start ${times}`);
      await counted.ended(times);
    }
    t.regex(await counted.run('ps', '-a', '--format', '{{.Names}} {{.Status}}'), /^box Exited \(0\)/);
  },
);

testWith(journeyNeeds, 'one that runs already is left alone', async (t) => {
  const counted = new Counted(await openCliWithBusybox(t));
  await counted.run('create', '--name', 'box', '--network', 'none', 'busybox', 'sleep', '1000');
  t.is((await counted.start(t, 'box')).calls, 0);
  const pid = await counted.run('inspect', '-f', '{{.State.Pid}}', 'box');
  t.is((await counted.start(t, 'box')).calls, 1);
  t.is(await counted.run('inspect', '-f', '{{.State.Pid}}', 'box'), pid);
});

testWith(journeyNeeds, 'what changed since has the start planned anew', async (t) => {
  const counted = new Counted(await openCliWithBusybox(t));
  await counted.run(
    'create',
    '--name',
    'box',
    '--network',
    'none',
    'busybox',
    'sh',
    '-c',
    'hostname; exec true',
  );
  const [id = ''] = (await counted.run('ps', '-aq', '--no-trunc')).split('\n');
  const prepared = join(counted.cli.root, 'containers', id, 'prepared');
  let times = 0;
  const expectCalls = async (
    calls: number,
    why: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<void> => {
    t.is((await counted.start(t, name, env)).calls, calls, why);
    await counted.ended(++times);
  };
  let name = 'box';
  await expectCalls(0, 'nothing changed');
  await counted.run('rename', 'box', 'crate');
  name = 'crate';
  await expectCalls(1, 'another name');
  await expectCalls(0, 'the same again');
  await counted.run('update', '--restart', 'on-failure:2', 'crate');
  await expectCalls(1, 'another restart policy');
  await expectCalls(1, 'settings in the environment', { CORACLE_NETWORK: 'none' });
  await expectCalls(1, 'another PATH', { PATH: `${counted.env.PATH}:/opt/other` });
  await expectCalls(1, 'PATH as before, which differs from the last one');
  await expectCalls(0, 'the same again');
  truncateSync(prepared, readFileSync(prepared).length - 10);
  await expectCalls(1, 'a plan that is cut off');
  writeFileSync(
    prepared,
    readFileSync(prepared, 'latin1').replace(/^program .*$/m, 'program /bin/true'),
    'latin1',
  );
  await expectCalls(1, 'a program that is not ours');
  chmodSync(prepared, 0o666);
  await expectCalls(1, 'a file that anybody may write');
  writeFileSync(prepared, 'coracle-prepared 1\n\n');
  await expectCalls(1, 'a head that says nothing');
});

testWith(journeyNeeds, 'what belongs to one start alone is never kept', async (t) => {
  const counted = new Counted(await openCliWithBusybox(t));
  writeFileSync(join(counted.cli.directory, 'word'), 'word');
  await counted.run('secret', 'create', 'word', join(counted.cli.directory, 'word'));
  const make = ['create', '--name', 'box', '--network', 'none', '--secret', 'word', 'busybox'];
  await counted.run(...make, 'cat', '/run/secrets/word');
  t.is((await counted.start(t, 'box')).calls, 1);
  await eventually(async () => (await counted.run('logs', 'box')).includes('word') || undefined);
  const absent = await counted.cli.run(['start', 'nobody'], { env: counted.env });
  t.is(absent.code, 125);
  t.regex(absent.stderr, /open container nobody: no such container/);
});
