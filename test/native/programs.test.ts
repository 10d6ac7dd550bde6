import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { findProgram, missingProgram, repositoryRoot, temporaryDirectory } from '../helpers/host.js';

const dist = join(repositoryRoot(), 'dist');
const built = existsSync(join(dist, 'native/coracle-zstd')) && existsSync(join(dist, 'coracle'));
const builtTest = built ? test : test.skip;
const zstdTest = built && missingProgram('zstd') === undefined ? test : test.skip;
const program = join(dist, 'native/coracle-zstd');
const text = Buffer.from(Array.from({ length: 700_000 }, (_, at) => (at * at) % 253));

function filter(input: Buffer, ...args: readonly string[]) {
  return spawnSync(program, args, { input, maxBuffer: 1e9 });
}

function zstd(input: Buffer, ...args: readonly string[]): Buffer {
  return execFileSync(findProgram('zstd') ?? 'zstd', ['-q', '-c', ...args], { input, maxBuffer: 1e9 });
}

zstdTest('the filter and zstd read what the other wrote, frame after frame', (t) => {
  for (const level of ['1', '3', '9']) t.true(zstd(filter(text, '-c', level).stdout, '-d').equals(text));
  const frames = Buffer.concat([zstd(text), filter(text, '-c', '1').stdout, zstd(Buffer.alloc(0))]);
  t.true(filter(frames, '-d').stdout.equals(Buffer.concat([text, text])));
});

zstdTest('S23: input that is cut off, garbage or needs a window over 128 MiB is refused', (t) => {
  const packed = zstd(text);
  const refused = [
    packed.subarray(0, -9),
    packed.subarray(0, 3),
    Buffer.alloc(0),
    Buffer.concat([packed, Buffer.from('junk')]),
  ];
  for (const input of refused) {
    const { status, stderr } = filter(input, '-d');
    t.is(status, 1);
    t.regex(stderr.toString(), /^coracle-zstd: decompress input: /);
  }
  // a frame header that asks for a window of 2 GiB
  t.regex(filter(Buffer.from('28b52ffd00a8010000', 'hex'), '-d').stderr.toString(), /too much memory/);
  t.is(filter(text, '-c', '99').status, 125);
});

builtTest('the launcher finds main.cjs beside its real file and hands the certificates on', (t) => {
  const directory = temporaryDirectory(t);
  copyFileSync(join(dist, 'coracle'), join(directory, 'coracle'));
  writeFileSync(
    join(directory, 'main.cjs'),
    `console.log(process.argv.slice(2).join('|'), process.env.NODE_EXTRA_CA_CERTS, process.env.CORACLE_EXTRA_CA_CERTS)`,
  );
  mkdirSync(join(directory, 'bin'));
  symlinkSync('../coracle', join(directory, 'bin/called-so'));
  const output = execFileSync(join(directory, 'bin/called-so'), ['run', '--', 'a b'], {
    env: { PATH: process.env.PATH, NODE_EXTRA_CA_CERTS: '/certs.pem' },
    encoding: 'utf8',
  });
  t.is(output, 'run|--|a b undefined /certs.pem\n');
});

builtTest('without Node the launcher says so, and it never starts itself', (t) => {
  const directory = temporaryDirectory(t);
  copyFileSync(join(dist, 'coracle'), join(directory, 'coracle'));
  chmodSync(join(directory, 'coracle'), 0o755);
  linkSync(join(directory, 'coracle'), join(directory, 'node'));
  const { status, stderr } = spawnSync(join(directory, 'coracle'), ['run'], {
    env: { PATH: `${directory}::.` },
    encoding: 'utf8',
  });
  t.is(status, 125);
  t.is(stderr, 'coracle: start node: no executable named node in PATH; install Node.js 20 or newer\n');
});
