/** What the commands that people wait for load of Node.js: each part costs milliseconds at every start. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { repositoryRoot } from '../helpers/host.js';

/** Written before the process ends or becomes the native client; the standard streams stay untouched. */
const spy = `
const { writeFileSync } = require('node:fs');
const before = new Set(process.moduleLoadList);
const tell = () => {
  const loaded = process.moduleLoadList.filter((name) => !before.has(name) && name.startsWith('NativeModule '));
  writeFileSync(process.env.SPY_FILE, loaded.map((name) => name.slice(13)).join(' '));
};
const { dlopen } = process;
process.dlopen = (module, ...rest) => {
  dlopen.call(process, module, ...rest);
  const { execve } = module.exports;
  module.exports = { ...module.exports, execve: (...words) => { tell(); return execve(...words); } };
};
process.on('exit', tell);
`;

const slow = [
  'child_process',
  'crypto',
  'dgram',
  'fs/promises',
  'http',
  'https',
  'net',
  'stream',
  'tls',
  'tty',
  'url',
  'zlib',
];

testWith(journeyNeeds, 'run, exec, ps, images and version load nothing slow', async (t) => {
  const cli = await openCliWithBusybox(t);
  const spyFile = join(cli.directory, 'spy.cjs');
  const loadedFile = join(cli.directory, 'loaded');
  writeFileSync(spyFile, spy);
  const loaded = async (...words: string[]): Promise<string[]> => {
    const main = join(repositoryRoot(), 'dist', 'main.cjs');
    const env = { ...cli.env, SPY_FILE: loadedFile };
    const args = ['-r', spyFile, '--', main, '--root', cli.root, ...words];
    const { code, stderr } = await runProgram(process.execPath, args, { env });
    t.is(code, 0, stderr);
    return readFileSync(loadedFile, 'utf8')
      .split(' ')
      .filter((name) => slow.includes(name));
  };
  await cli.ok(['run', '-d', '--name', 'box', '--network', 'none', 'busybox', 'sleep', '100']);
  t.deepEqual(await loaded('run', '--rm', '--network', 'none', 'busybox', 'true'), []);
  t.deepEqual(await loaded('exec', 'box', 'true'), []);
  t.deepEqual(await loaded('ps', '-a'), []);
  t.deepEqual(await loaded('images'), []);
  t.deepEqual(await loaded('version'), []);
  await cli.ok(['rm', '-f', 'box']);
});

/**
 * Every start reads this file and V8's cache of it, twice as large, whatever the command: 100 KB more are half a millisecond.
 * Who gets over the limit has made something load that few commands need: import() it where it is needed.
 */
const hotLimit = 376_000;

test('the part of the program that every start reads stays small', (t) => {
  const { size } = statSync(join(repositoryRoot(), 'dist', 'hot.cjs'));
  t.true(size <= hotLimit, `dist/hot.cjs has ${size} bytes, more than ${hotLimit}`);
});
