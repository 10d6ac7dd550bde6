/** Builds at the same time: steps of one build side by side, two builds of one store, a failure among them. */
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { testWith } from '../helpers/declare.js';
import { Builder, missingForBuilds, outputOf } from './builder.js';

const unique = 'cat /proc/sys/kernel/random/uuid';

testWith(missingForBuilds, 'two builds at once run an equal step once', async (t) => {
  const builder = await Builder.open(t);
  const other = await Builder.open(t, { directory: builder.directory });
  const text = `FROM localhost/busybox\nRUN ${unique} >/id && usleep 300000\nRUN cat /id\n`;
  const [one, two] = await Promise.all([builder.make(text), other.make(text)]);
  t.is(one.image.id, two.image.id);
  t.is(one.cached + two.cached, 2);
  t.deepEqual(
    readdirSync(builder.stores.paths.locks).filter((name) => name.startsWith('step-')),
    [],
  );
});

testWith(missingForBuilds, 'who waits for the step of another build can be interrupted', async (t) => {
  const builder = await Builder.open(t);
  const other = await Builder.open(t, { directory: builder.directory });
  const text = 'FROM localhost/busybox\nRUN sleep 1; echo slept\n';
  const first = builder.make(text);
  while (!readdirSync(builder.stores.paths.locks).some((name) => name.startsWith('step-'))) await sleep(5);
  const controller = new AbortController();
  const waiting = other.fails(t, text, {}, { signal: controller.signal });
  await sleep(100);
  controller.abort();
  t.is((await waiting).code, 'ABORTED');
  t.is((await first).output, 'slept\n');
});

testWith(
  missingForBuilds,
  'independent stages run side by side, as many steps as --jobs allows',
  async (t) => {
    const builder = await Builder.open(t);
    const stage = (name: string): string =>
      `FROM localhost/busybox AS ${name}\nRUN cat /proc/uptime >/begin; usleep 400000; cat /proc/uptime >/end; echo ${name}\n`;
    const text = `${stage('a')}${stage('b')}FROM scratch\nCOPY --from=a /begin /end /a/\nCOPY --from=b /begin /end /b/\n`;
    const overlap = async (jobs: number): Promise<boolean> => {
      const { image } = await builder.make(text, {}, { jobs, noCache: true });
      const time = async (path: string): Promise<number> =>
        Number.parseFloat(await builder.text(image, path));
      return (
        (await time('a/begin')) < (await time('b/end')) && (await time('b/begin')) < (await time('a/end'))
      );
    };
    t.true(await overlap(2));
    t.false(await overlap(1));
  },
);

testWith(missingForBuilds, 'a stage waits for the stage it needs, not for the others', async (t) => {
  const builder = await Builder.open(t);
  const text = `FROM localhost/busybox AS slow\nRUN sleep 2; echo slow
FROM localhost/busybox AS quick\nRUN echo quick >/q
FROM localhost/busybox\nCOPY --from=quick /q /q\nRUN echo after\nCOPY --from=slow /etc/passwd /p\n`;
  const { events } = await builder.make(text, {}, { jobs: 3 });
  const output = outputOf(events);
  t.true(output.indexOf('after') < output.indexOf('slow'), output);
});

testWith(missingForBuilds, 'a stage that nobody needs never runs', async (t) => {
  const builder = await Builder.open(t);
  const text = 'FROM localhost/busybox AS unused\nRUN exit 1\nFROM localhost/busybox\nRUN echo fine\n';
  t.is((await builder.make(text)).output, 'fine\n');
});

testWith(
  missingForBuilds,
  'the first step that fails stops the others at once, and is what is told',
  async (t) => {
    const builder = await Builder.open(t);
    const text = `FROM localhost/busybox AS slow\nRUN echo begun; sleep 4711\nFROM localhost/busybox AS bad\nRUN usleep 300000; exit 3
FROM scratch\nCOPY --from=slow /bin /a\nCOPY --from=bad /bin /b\n`;
    const begun = performance.now();
    const error = await builder.fails(t, text, {}, { jobs: 2 });
    t.regex(error.message, /exit code: 3/);
    t.true(performance.now() - begun < 10_000);
  },
);

testWith(
  missingForBuilds,
  '--no-cache-filter runs the steps of a stage again, and --cache-ttl those that are old',
  async (t) => {
    const builder = await Builder.open(t);
    const text = `FROM localhost/busybox AS one\nRUN ${unique} >/one\nFROM localhost/busybox\nRUN ${unique} >/two\nCOPY --from=one /one /one\n`;
    const first = await builder.make(text);
    const filtered = await builder.make(text, {}, { noCacheFilter: ['ONE'] });
    t.is(await builder.text(filtered.image, 'two'), await builder.text(first.image, 'two'));
    t.not(await builder.text(filtered.image, 'one'), await builder.text(first.image, 'one'));
    t.is((await builder.make(text, {}, { cacheTtl: 3_600_000 })).cached, 3);
    t.is((await builder.make(text, {}, { cacheTtl: 0 })).cached, 0);
  },
);
