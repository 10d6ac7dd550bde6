import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { claimContainer } from '../../lib/container/claim.js';
import { collectLeftovers, detachContainer } from '../../lib/container/collect.js';
import { createContainer } from '../../lib/container/create.js';
import { removeContainer, stopContainer, waitContainer } from '../../lib/container/lifecycle.js';
import { readLogs } from '../../lib/container/logs.js';
import { unlessRemoved } from '../../lib/container/removed.js';
import { startContainer, startUnlessRunning } from '../../lib/container/start.js';
import { removingMark } from '../../lib/container/state.js';
import { containerPlaces } from '../../lib/container/stores.js';
import { openTree } from '../../lib/container/tree.js';
import { waitForCondition } from '../../lib/container/wait.js';
import { CoracleError } from '../../lib/errors.js';
import { testWith } from '../helpers/declare.js';
import { missingUserNamespaces } from '../helpers/host.js';
import { missingBusybox } from '../helpers/image.js';
import { image, openFixture } from './fixture.js';

const missing = [missingUserNamespaces(), missingBusybox()];

testWith(
  missing,
  'what runs cannot be taken out of the store, whoever thinks that it does not',
  async (t) => {
    const { stores, run, view } = openFixture(t, 'overlay');
    const running = await run({ command: ['sleep', '1000'] });
    t.is(detachContainer(stores, running.record, { volumes: true }), undefined);
    t.is(claimContainer(stores.paths, running.directory), undefined);
    t.is(view(running.record.id).status, 'running');
    t.false(existsSync(join(running.directory, removingMark)));
  },
);

testWith(missing, 'what is being removed cannot be started, and says so', async (t) => {
  const { stores, run, view } = openFixture(t, 'overlay');
  const ended = await run({ command: ['true'] });
  await waitContainer(stores, ended);
  const claim = claimContainer(stores.paths, ended.directory);
  writeFileSync(join(ended.directory, removingMark), '');
  t.is(view(ended.record.id).status, 'dead');
  const error = await t.throwsAsync(startContainer(stores, ended.record), { instanceOf: CoracleError });
  t.is(error?.message, `start container ${ended.record.name}: it was removed`);
  claim?.release();
  const later = await t.throwsAsync(startContainer(stores, ended.record), { instanceOf: CoracleError });
  t.is(later?.message, `start container ${ended.record.id.slice(0, 12)}: it was removed`);
  t.is(later?.code, 'NOT_FOUND');
});

testWith(missing, 'two removals at once both succeed', async (t) => {
  const { stores, run } = openFixture(t, 'overlay');
  const ended = await run({ command: ['true'] });
  await waitContainer(stores, ended);
  const claim = claimContainer(stores.paths, ended.directory);
  writeFileSync(join(ended.directory, removingMark), '');
  const second = removeContainer(stores, ended);
  await sleep(100);
  t.true(existsSync(ended.directory), 'it waits for the first one');
  claim?.release();
  await second;
  await removeContainer(stores, ended);
  t.deepEqual(readdirSync(stores.paths.containers), ['.names']);
});

/** Looks at one container again and again until it is told to end, and tells what it never should have seen. */
const watcher = `
  const { parentPort, workerData: { module, id, paths } } = require('node:worker_threads');
  import(module).then(({ ContainerStore }) => {
    const seen = new Set();
    let looks = 0;
    const store = new ContainerStore(paths);
    const look = () => {
      for (let i = 0; i < 50; i++, looks++) {
        const view = store.get(id);
        if (view?.exit?.error) seen.add(view.exit.error);
      }
      setImmediate(look);
    };
    parentPort.on('message', () => { parentPort.postMessage({ looks, seen: [...seen] }); process.exit(); });
    look();
  });
`;

testWith(missing, 'who looks while a container starts never takes its supervisor for dead', async (t) => {
  const { stores, view } = openFixture(t, 'overlay');
  const { record } = await createContainer(stores, { network: 'none', command: ['sleep', '1000'] }, image());
  const module = new URL('../../lib/container/container-store.js', import.meta.url).href;
  const watchers = [1, 2].map(
    () => new Worker(watcher, { eval: true, workerData: { module, id: record.id, paths: stores.paths } }),
  );
  for (let round = 0; round < 20; round++) {
    await startContainer(stores, record);
    await stopContainer(stores, view(record.id), { timeout: 0 });
  }
  const answers = await Promise.all(
    watchers.map(
      (worker) =>
        new Promise<{ looks: number; seen: readonly string[] }>((resolve, reject) => {
          worker.once('message', resolve).once('error', reject);
          worker.postMessage('end');
        }),
    ),
  );
  for (const { looks, seen } of answers) {
    t.true(looks > 100);
    t.deepEqual(seen, []);
  }
});

testWith(missing, 'the files of a container that has ended since the last look are reached', async (t) => {
  const { stores, run, view } = openFixture(t, 'overlay');
  const running = await run({ command: ['sleep', '1000'] });
  await stopContainer(stores, running, { timeout: 0 });
  const tree = await openTree(stores, running, 'mounts');
  t.is(tree.view.status, 'exited');
  t.is((await tree.agent.stat(tree.handle, 'data/seed'))?.type, 'file');
  await tree.close();
  await removeContainer(stores, view(running.record.id));
  const error = await t.throwsAsync(openTree(stores, running, 'mounts'), { instanceOf: CoracleError });
  t.is(error?.message, `open container ${running.record.name}: it was removed meanwhile`);
});

testWith(missing, 'a failure is called a removal only where there was one', async (t) => {
  const { stores, run } = openFixture(t, 'overlay');
  const ended = await run({ command: ['true'] });
  await waitContainer(stores, ended);
  const fail = (): Promise<never> => Promise.reject(new Error('of another kind'));
  await t.throwsAsync(unlessRemoved('use', ended, fail), { message: 'of another kind' });
  await removeContainer(stores, ended);
  const error = await t.throwsAsync(unlessRemoved('use', ended, fail), { instanceOf: CoracleError });
  t.is(error?.message, `use container ${ended.record.name}: it was removed meanwhile`);
  const said = new CoracleError('START', 'execute x: no such file or directory');
  await t.throwsAsync(
    unlessRemoved('use', ended, () => Promise.reject(said)),
    { is: said },
  );
  await collectLeftovers(stores);
});

testWith(
  missing,
  'the log of a container that was removed since it was looked at is followed to its end',
  async (t) => {
    const { stores, run } = openFixture(t, 'overlay');
    const ended = await run({ command: ['true'] });
    await waitContainer(stores, ended);
    await removeContainer(stores, ended);
    const entries: unknown[] = [];
    for await (const entry of readLogs(ended, { follow: true })) entries.push(entry);
    t.deepEqual(entries, []);
    const waited = waitForCondition(stores, ended, { conditions: ['paused'] });
    const error = await t.throwsAsync(waited, { instanceOf: CoracleError });
    t.is(error?.message, `wait for container ${ended.record.name}: it was removed`);
  },
);

testWith(missing, 'a start that fails says why, although its container is gone then', async (t) => {
  const { stores } = openFixture(t, 'overlay');
  const options = { network: 'none', command: ['nosuch'], remove: true } as const;
  const { record } = await createContainer(stores, options, image());
  const { directory } = containerPlaces(stores, record.id);
  const start = unlessRemoved('start', { directory, record }, () =>
    startUnlessRunning(stores, record, { fresh: true }),
  );
  const error = await t.throwsAsync(start, { instanceOf: CoracleError, message: /^execute nosuch: / });
  t.is(error?.exitCode, 127);
  t.false(existsSync(directory));
});
