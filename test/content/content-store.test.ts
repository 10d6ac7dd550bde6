import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ContentStore } from '../../lib/content/content-store.js';
import { sweepPartials } from '../../lib/content/partials.js';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import { type StorePaths, storePaths } from '../../lib/host/paths.js';
import { StagingArea, sweepStaging } from '../../lib/host/staging.js';
import { openStoreRoot } from '../../lib/host/store-version.js';
import { fileLocks } from '../../lib/native/lock.js';
import { type Digest, makeDigest, parseDigest } from '../../lib/oci/digest.js';
import { testWith } from '../helpers/declare.js';
import { findProgram, missingProgram, temporaryDirectory } from '../helpers/host.js';

function open(t: ExecutionContext<unknown>): {
  content: ContentStore;
  paths: StorePaths;
  staging: StagingArea;
} {
  const paths = storePaths(join(temporaryDirectory(t), 'store'));
  openStoreRoot(paths);
  const staging = new StagingArea(paths, fileLocks);
  return { paths, staging, content: new ContentStore(paths, staging, fileLocks) };
}

function sha256(bytes: string | Uint8Array): Digest {
  return makeDigest('sha256', createHash('sha256').update(bytes).digest('hex'));
}

async function* stream(...chunks: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function failsWith(
  t: ExecutionContext<unknown>,
  action: Promise<unknown>,
  code: ErrorCode,
  message: RegExp,
): Promise<void> {
  const error = await t.throwsAsync(action, { instanceOf: CoracleError, message });
  t.is(error?.code, code);
}

/** Nothing unfinished lies about. */
function leavesNothing(t: ExecutionContext<unknown>, paths: StorePaths): void {
  const left = readdirSync(paths.staging, { recursive: true }).filter(
    (name) => !`${name}`.endsWith('lock') && `${name}`.includes('/'),
  );
  t.deepEqual(left, []);
}

test('what is put can be read back and is listed; putting it again is the same', async (t) => {
  const { content, paths } = open(t);
  const blob = await content.put(Buffer.from('hello'));
  t.deepEqual(blob, { digest: sha256('hello'), size: 5 });
  t.deepEqual(await content.put(Buffer.from('hello')), blob);
  t.is((await content.read(blob.digest)).toString(), 'hello');
  t.is(content.readTrusted(blob.digest).toString(), 'hello');
  t.is(await collect(content.open(blob.digest)), 'hello');
  t.is(content.size(blob.digest), 5);
  t.deepEqual(content.list(), [blob.digest]);
  leavesNothing(t, paths);
  content.remove(blob.digest);
  content.remove(blob.digest);
  t.false(content.has(blob.digest));
  await failsWith(t, content.read(blob.digest), 'NOT_FOUND', /not in the store/);
  await failsWith(t, collect(content.open(blob.digest)), 'NOT_FOUND', /not in the store/);
});

test('a stream is stored under its digest, in sha512 too', async (t) => {
  const { content } = open(t);
  t.deepEqual(await content.ingest(stream('ab', 'c')), { digest: sha256('abc'), size: 3 });
  const digest = makeDigest('sha512', createHash('sha512').update('abc').digest('hex'));
  t.deepEqual(await content.ingest(stream('abc'), { digest }), { digest, size: 3 });
  t.deepEqual(content.list().sort(), [sha256('abc'), digest]);
});

test('large streams arrive whole', async (t) => {
  const { content } = open(t);
  const chunks = Array.from({ length: 40 }, (_, index) => Buffer.alloc(30_000 + index, index));
  const whole = Buffer.concat(chunks);
  const blob = await content.ingest(stream(...chunks), { digest: sha256(whole), size: whole.length });
  t.true((await content.read(blob.digest)).equals(whole));
});

const refuses = test.macro(async (t, expected: { text?: string; size?: number }, message: RegExp) => {
  const { content, paths } = open(t);
  const digest = expected.text === undefined ? {} : { digest: sha256(expected.text) };
  const size = expected.size === undefined ? {} : { size: expected.size };
  await failsWith(t, content.ingest(stream('abc', 'def'), { ...digest, ...size }), 'INTEGRITY', message);
  t.deepEqual(content.list(), []);
  leavesNothing(t, paths);
});
test('S21: content with another digest is refused', refuses, { text: 'xyz' }, /content has digest/);
test('S21: more bytes than announced are refused', refuses, { size: 5 }, /6 bytes, more than the 5/);
test('S21: fewer bytes than announced are refused', refuses, { size: 7 }, /6 bytes, less than the 7/);

test('a source that breaks off leaves nothing behind', async (t) => {
  const { content, paths } = open(t);
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('abc');
    throw new Error('reset by peer');
  }
  await failsWith(t, content.ingest(broken()), 'IO', /reset by peer/);
  leavesNothing(t, paths);
});

test('S21: a blob that changed on the disk is noticed when it is read', async (t) => {
  const { content } = open(t);
  const { digest } = await content.put(Buffer.from('hello'));
  writeFileSync(content.pathOf(digest), 'hellO');
  await failsWith(t, content.read(digest), 'INTEGRITY', /content has digest/);
  await failsWith(t, collect(content.open(digest)), 'INTEGRITY', /content has digest/);
  t.is((await content.ingest(stream('hello'), { digest })).digest, digest);
  t.is((await content.read(digest)).toString(), 'hello');
});

test('a record larger than the limit is not read', async (t) => {
  const { content } = open(t);
  const { digest } = await content.put(Buffer.alloc(100));
  t.throws(() => content.readTrusted(digest, 99), { message: /100 bytes, more than the 99/ });
});

test('S21: a digest that would leave the store is no digest', (t) => {
  for (const text of [
    'sha256:../../../etc/passwd',
    `sha256:${'a'.repeat(63)}/`,
    `sha256:${'A'.repeat(64)}`,
    `md5:${'a'.repeat(32)}`,
  ]) {
    t.throws(() => parseDigest(text, 'digest'), { instanceOf: CoracleError });
  }
});

test('files that are no blobs are passed over', (t) => {
  const { content, paths } = open(t);
  writeFileSync(join(paths.blobs, 'sha256', 'README'), '');
  mkdirSync(join(paths.blobs, 'sha512'));
  t.deepEqual(content.list(), []);
});

test('an interrupted download goes on where it was', async (t) => {
  const { content, paths } = open(t);
  const digest = sha256('abcdef');
  const first = await content.partial(digest);
  t.is(first.offset, 0);
  await first.append(Buffer.from('abc'));
  await first.suspend();
  const second = await content.partial(digest);
  t.is(second.offset, 3);
  await second.append(Buffer.from('def'));
  t.deepEqual(await second.commit({ size: 6 }), { digest, size: 6 });
  t.is((await content.read(digest)).toString(), 'abcdef');
  t.deepEqual(readdirSync(join(paths.staging, 'partial')), []);
  t.false(existsSync(join(paths.locks, `partial-${digest.replace(':', '-')}`)));
});

test('S21: a download with wrong bytes is thrown away', async (t) => {
  const { content } = open(t);
  const digest = sha256('abcdef');
  const partial = await content.partial(digest);
  await partial.append(Buffer.from('abcdeX'));
  await failsWith(t, partial.commit({ size: 6 }), 'INTEGRITY', /content has digest/);
  const again = await content.partial(digest);
  t.is(again.offset, 0);
  await again.append(Buffer.from('abc'));
  await failsWith(t, again.commit({ size: 6 }), 'INTEGRITY', /3 bytes, 6 were announced/);
  const third = await content.partial(digest);
  await third.abandon();
  t.false(content.has(digest));
});

test('two downloads of one digest take turns', async (t) => {
  const { content } = open(t);
  const digest = sha256('x');
  const first = await content.partial(digest);
  const second = content.partial(digest);
  await first.append(Buffer.from('x'));
  await first.commit();
  const taken = await second;
  t.true(content.has(digest));
  await taken.abandon();
  const held = await content.partial(sha256('y'));
  const aborted = content.partial(sha256('y'), { signal: AbortSignal.abort() });
  await failsWith(t, aborted, 'ABORTED', /aborted/);
  await held.abandon();
});

test('downloads nobody took up for long are swept', async (t) => {
  const { content, paths } = open(t);
  const partial = await content.partial(sha256('abc'));
  await partial.append(Buffer.from('ab'));
  await partial.suspend();
  t.is(sweepPartials(paths, 60_000, Date.now()), 0);
  t.is(sweepPartials(paths, 60_000, Date.now() + 61_000), 2);
});

test('a writer killed at any moment leaves whole blobs and a store that opens', async (t) => {
  const { content, paths } = open(t);
  for (const delay of [60, 90, 130, 180]) {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'blob-writer-process.js'), paths.root], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    await new Promise((resolve) => setTimeout(resolve, delay));
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  openStoreRoot(paths);
  for (const digest of content.list()) await t.notThrowsAsync(content.read(digest));
  t.true(content.list().length > 0);
  t.is(sweepStaging(paths, fileLocks), 4);
  t.deepEqual(readdirSync(paths.staging), []);
});

const mountNamespace = ((): string | undefined => {
  const tried = spawnSync('unshare', ['-rm', 'true']);
  return tried.status === 0 ? undefined : 'unshare -rm is refused';
})();

testWith(
  [missingProgram('unshare'), mountNamespace],
  'a full disk is a clear error and leaves nothing behind',
  (t) => {
    const directory = temporaryDirectory(t);
    const script = `mount -t tmpfs -o size=3m,mode=700 none ${directory} && exec ${process.execPath} ${join(dirname(import.meta.filename), 'full-disk-process.js')} ${directory}/store`;
    const child = spawnSync(findProgram('unshare') ?? 'unshare', ['-rm', 'sh', '-c', script], {
      encoding: 'utf8',
    });
    t.is(child.stderr, '');
    t.deepEqual(JSON.parse(child.stdout), { code: 'NO_SPACE', staged: [], readable: true, small: 5 });
  },
);
