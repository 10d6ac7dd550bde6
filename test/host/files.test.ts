import { statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { ensureDirectory, makeDirectories } from '../../lib/host/files.js';
import { temporaryDirectory } from '../helpers/host.js';

/** Makes one deep directory after the other, each at the moment at which all others begin with it, and counts failures. */
const racer = `
  const { parentPort, workerData: { begun, directory, racers, module } } = require('node:worker_threads');
  import(module).then(({ ensureDirectory }) => {
    const failures = [];
    for (let round = 0; round < begun.length; round++) {
      Atomics.add(begun, round, 1);
      const until = performance.now() + 10_000;
      while (Atomics.load(begun, round) < racers && performance.now() < until);
      try {
        ensureDirectory(directory + '/' + round + '/a/b/c');
      } catch (error) {
        failures.push(String(error));
      }
    }
    parentPort.postMessage(failures);
  });
`;

test('directories are made by several at once', async (t) => {
  const directory = temporaryDirectory(t);
  const begun = new Int32Array(new SharedArrayBuffer(4 * 300));
  const racers = 4;
  const module = new URL('../../lib/host/files.js', import.meta.url).href;
  const workerData = { begun, directory, racers, module };
  const answers = Array.from(
    { length: racers },
    () =>
      new Promise((resolve, reject) => {
        new Worker(racer, { eval: true, workerData }).once('message', resolve).once('error', reject);
      }),
  );
  t.deepEqual((await Promise.all(answers)).flat(), []);
  t.true(begun.every((count) => count === racers));
});

test('a directory that is there keeps its mode, and missing ones get the mode asked for', (t) => {
  const directory = temporaryDirectory(t);
  makeDirectories(join(directory, 'a/b'), 0o750);
  ensureDirectory(join(directory, 'a/b/c'), 0o711);
  ensureDirectory(join(directory, 'a'), 0o700);
  const modes = ['a', 'a/b', 'a/b/c'].map((name) => statSync(join(directory, name)).mode & 0o777);
  t.deepEqual(modes, [0o750, 0o750, 0o711]);
});

test('what cannot be made is named', (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'file'), '');
  symlinkSync('nowhere', join(directory, 'dangling'));
  for (const name of ['file', 'file/below', 'dangling', 'dangling/below'])
    t.throws(() => ensureDirectory(join(directory, name)), {
      message: new RegExp(`create directory .*/${name}`),
    });
  t.throws(() => ensureDirectory('/proc/nothing/here'), {
    message: /create directory \/proc\/nothing\/here/,
  });
});
