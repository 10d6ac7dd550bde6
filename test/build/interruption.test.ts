/** Builds that are killed, interrupted or run out of space leave a store that works, and nothing running or mounted. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { plainEnvironment, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram, temporaryDirectory } from '../helpers/host.js';
import { Builder, drivers, missingForBuilds, writeFiles } from './builder.js';

const program = join(import.meta.dirname, 'build-process.js');

type Running = {
  readonly child: ChildProcess;
  readonly ended: Promise<string>;
  readonly said: (text: string) => Promise<void>;
};

function start(t: ExecutionContext<unknown>, args: readonly string[]): Running {
  const env = {
    ...plainEnvironment(),
    HOME: args[0] ?? '',
    CORACLE_NATIVE_DIR: process.env.CORACLE_NATIVE_DIR,
  };
  const child = spawn(process.execPath, [program, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => void child.kill('SIGKILL'));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  const ended = new Promise<string>((resolve) => child.once('close', () => resolve(output)));
  const said = async (text: string): Promise<void> => {
    for (let wait = 0; !output.includes(text); wait++) {
      if (wait > 1500 || child.exitCode !== null) throw new Error(`waited for ${text}, got: ${output}`);
      await sleep(10);
    }
  };
  return { child, ended, said };
}

/** Processes whose arguments or root speak of `directory`. */
function processesOf(directory: string): readonly string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid) || pid === String(process.pid)) return [];
    try {
      const text = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
      return text.includes(directory) || text.includes('sleep 4711') ? [`${pid} ${text}`] : [];
    } catch {
      return []; // it ended meanwhile
    }
  });
}

async function assertNothingRuns(t: ExecutionContext<unknown>, directory: string): Promise<void> {
  let left = processesOf(directory);
  for (let wait = 0; left.length > 0 && wait < 100; wait++) {
    await sleep(20);
    left = processesOf(directory);
  }
  t.deepEqual(left, []);
  t.false(readFileSync('/proc/self/mountinfo', 'utf8').includes(directory));
}

/** Staging of dead builders is gone once another one has worked. */
function assertCollected(t: ExecutionContext<unknown>, root: string): void {
  for (const place of ['staging', 'trash']) {
    const path = join(root, place);
    t.deepEqual(existsSync(path) ? readdirSync(path).filter((name) => !name.endsWith('.lock')) : [], []);
  }
}

/** Milliseconds; a quiet machine needs a tenth of it. */
const atOnce = 2000;

const text = `FROM localhost/busybox
COPY tree /tree
RUN mkdir /made && for i in $(seq 1 300); do echo $i > /made/$i; done && chown -R 33:33 /made
COPY --chown=44 tree /again
RUN rm -r /tree && echo end > /end
`;
const files = Object.fromEntries(
  Array.from({ length: 300 }, (_, index) => [`tree/d${index % 10}/f${index}`, `content ${index}`]),
);

for (const { name, missing } of drivers) {
  testWith(
    [...missingForBuilds, ...missing],
    `kill -9 at any moment costs nothing but time (${name})`,
    async (t) => {
      const builder = await Builder.open(t, { driver: name });
      const context = builder.context({ ...files, Dockerfile: text });
      await builder.close();
      for (let round = 0; round < 8; round++) {
        writeFiles(context, { 'tree/round': String(round) });
        const { child, ended, said } = start(t, [builder.directory, context, name]);
        await said('started');
        await sleep(round * 35);
        child.kill('SIGKILL');
        await ended;
      }
      await assertNothingRuns(t, builder.directory);
      const next = await Builder.open(t, { directory: builder.directory, driver: name });
      const { image } = await next.build(context);
      t.is(await next.text(image, 'end'), 'end\n');
      t.is((await next.below(image, 'made/')).length, 300);
      t.is((await next.below(image, 'again/')).length, 311);
      await next.close();
      assertCollected(t, next.stores.paths.root);
    },
  );

  testWith(
    [...missingForBuilds, ...missing],
    `an interrupt ends a RUN at once and leaves nothing (${name})`,
    async (t) => {
      const builder = await Builder.open(t, { driver: name });
      const context = builder.context({
        Dockerfile: 'FROM localhost/busybox\nRUN echo begun; (sleep 4711 &) ; sleep 4711\n',
      });
      await builder.close();
      const { child, ended, said } = start(t, [builder.directory, context, name]);
      await said('begun');
      const asked = performance.now();
      child.kill('SIGINT');
      const output = await ended;
      t.true(performance.now() - asked < atOnce, `${performance.now() - asked} ms`);
      t.regex(output, /failed ABORTED build: interrupted/);
      await assertNothingRuns(t, builder.directory);
      assertCollected(t, builder.stores.paths.root);
    },
  );
}

testWith(missingForBuilds, 'an interrupt ends a large COPY at once', async (t) => {
  const builder = await Builder.open(t);
  const many = Object.fromEntries(
    Array.from({ length: 4000 }, (_, index) => [`d${index % 40}/f${index}`, `${index}`]),
  );
  const context = builder.context({ ...many, Dockerfile: 'FROM localhost/busybox\nCOPY . /c\n' });
  await builder.close();
  for (const delay of [0, 150, 400]) {
    const { child, ended, said } = start(t, [builder.directory, context, 'overlay']);
    await said('started');
    await sleep(delay);
    const asked = performance.now();
    child.kill('SIGINT');
    const output = await ended;
    t.true(performance.now() - asked < atOnce, `${performance.now() - asked} ms`);
    t.regex(output, /failed ABORTED|built/);
  }
  await assertNothingRuns(t, builder.directory);
  assertCollected(t, builder.stores.paths.root);
});

testWith(
  [...missingForBuilds, missingProgram('unshare')],
  'a full disk ends the build with one error, and the store works on',
  async (t) => {
    const directory = temporaryDirectory(t);
    const script = join(import.meta.dirname, 'full-disk-process.js');
    // A file system of its own in a mount namespace; the ids of the user stay mapped for the build's own namespaces.
    const mount = `mount -t tmpfs -o size=24m,mode=700 tmpfs ${directory} && exec ${process.execPath} ${script} ${directory}`;
    const outcome = await runProgram(
      'unshare',
      ['--user', '--map-root-user', '--map-auto', '--mount', 'sh', '-c', mount],
      {
        env: { HOME: directory, CORACLE_NATIVE_DIR: process.env.CORACLE_NATIVE_DIR },
        timeout: 90_000,
      },
    );
    t.is(outcome.code, 0, outcome.stderr);
    const seen: unknown = JSON.parse(outcome.stdout);
    t.deepEqual(seen, { copy: 'NO_SPACE', run: 'BUILD', add: 'NO_SPACE', staging: ['lock'], small: 'ok\n' });
  },
);

testWith(missingForBuilds, 'a build that was told to stop before it began does nothing', async (t) => {
  const builder = await Builder.open(t);
  const error = await builder.fails(
    t,
    'FROM localhost/busybox\nRUN touch /x\n',
    {},
    { signal: AbortSignal.abort() },
  );
  t.is(error.code, 'ABORTED');
  t.is(error.exitCode, 130);
  writeFileSync(join(builder.directory, 'x'), '');
});
