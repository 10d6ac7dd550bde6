import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import { measureLayer } from '../../lib/layer/diff.js';
import { testWith } from '../helpers/declare.js';
import { temporaryDirectory } from '../helpers/host.js';
import { missingAgent, TestLayers } from './layer-fixture.js';
import { type Sketch, seenSketch, tarOf } from './tar-builder.js';

const missing = [missingAgent()];

function withLayers(
  title: string,
  body: (t: ExecutionContext<unknown>, layers: TestLayers) => Promise<void>,
): void {
  testWith(missing, title, (t) => body(t, new TestLayers(t)));
}

function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

const directory = (path: string, rest: Partial<Sketch> = {}): Sketch => ({
  mode: 0o755,
  ...rest,
  path,
  type: 'directory',
});
const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');

const everything: readonly Sketch[] = [
  directory('dir/', { mode: 0o1777, uid: 33, gid: 34, xattrs: { 'user.note': 'kept' } }),
  { path: 'dir/empty' },
  { path: 'dir/fifo', type: 'fifo', mode: 0o600 },
  { path: 'dir/file', content: 'hello', mode: 0o4755, uid: 1000, gid: 1000, mtime: { s: -5, ns: 0 } },
  {
    path: 'dir/hard',
    type: 'link',
    linkTarget: 'dir/file',
    mode: 0o4755,
    uid: 1000,
    gid: 1000,
    mtime: { s: -5, ns: 0 },
  },
  { path: 'dir/large', content: Buffer.alloc(1_300_000, 'x') },
  { path: Buffer.from('dir/name-\xff\n', 'latin1'), content: 'odd name' },
  {
    path: 'dir/ping',
    content: 'elf',
    mode: 0o755,
    xattrs: { 'security.capability': capability, 'user.binary': Buffer.from([0, 255, 10]) },
  },
  { path: 'dir/soft', type: 'symlink', mode: 0o777, linkTarget: '/etc/../target', uid: 5 },
  directory('empty/', { mtime: { s: 1, ns: 0 } }),
  { path: `long/${'n'.repeat(200)}`, content: 'long' },
];

withLayers(
  'everything a layer can hold is extracted, and the directory gives the same changeset back',
  async (t, layers) => {
    const before = everything.toSpliced(-1, 0, directory('long/'));
    const tar = tarOf(...before);
    const applied = await layers.apply(tar, 9999);
    const { diffId } = applied;
    t.deepEqual(applied, {
      diffId,
      size: tar.length,
      entries: before.length,
      warnings: [],
      form: 'uncertain',
    });
    t.is(String(diffId), sha256(tar));
    t.deepEqual(await layers.diffEntries(), before.map(seenSketch));
    t.deepEqual(await layers.diff(), tar);
  },
);

withLayers(
  'measuring gives the digest and size of the changeset, which is the same each time',
  async (t, layers) => {
    await layers.applyEntries(...everything);
    const bytes = await layers.diff();
    t.deepEqual(await layers.diff(), bytes);
    const measured = await measureLayer(await layers.top());
    t.deepEqual([String(measured.diffId), measured.size], [sha256(bytes), bytes.length]);
  },
);

withLayers(
  'nanoseconds arrive on the disk, and directories keep theirs after their children came',
  async (t, layers) => {
    const mtime = { s: 1_600_000_000, ns: 123_456_789 };
    await layers.applyEntries(directory('a/', { mtime }), directory('a/b/', { mtime }), {
      path: 'a/b/c',
      content: 'x',
      mtime,
    });
    for (const path of ['a', 'a/b', 'a/b/c']) {
      const entry = await layers.agent.stat(await layers.agent.stack([(await layers.top()).layer]), path);
      t.deepEqual(entry?.mtime, { seconds: mtime.s, nanoseconds: mtime.ns });
    }
  },
);

withLayers(
  'every byte of the stream counts for the diffID, those after the end marker too',
  async (t, layers) => {
    const tar = Buffer.concat([tarOf({ path: 'a' }), Buffer.alloc(9000), Buffer.from('rest')]);
    const { diffId, size } = await layers.apply(tar, 600);
    t.deepEqual([String(diffId), size], [sha256(tar), tar.length]);
  },
);

testWith(
  missing,
  'with one id only, owners are kept beside the files and come back in the changeset',
  async (t) => {
    const layers = new TestLayers(t, 'single');
    const entries: readonly Sketch[] = [
      directory('home/', { uid: 1000, gid: 1000, mode: 0o700 }),
      { path: 'home/file', content: 'x', uid: 1000, gid: 5, mode: 0o4755 },
      { path: 'root', content: 'y' },
    ];
    await layers.applyEntries(...entries);
    t.deepEqual(await layers.diffEntries(), entries.map(seenSketch));
  },
);

const lower: readonly Sketch[] = [
  directory('etc/', { mode: 0o750, uid: 7 }),
  { path: 'etc/gone', content: 'old' },
  { path: 'etc/kept', content: 'kept' },
  directory('lib/'),
  { path: 'lib/a', content: 'a' },
  directory('lib/sub/'),
  { path: 'lib/sub/b', content: 'b' },
  { path: 'top', content: 'top' },
];

withLayers(
  'a directory that a layer changes without naming it keeps the times of the layer below, else those of 1970',
  async (t, layers) => {
    const mtime = { s: 1_600_000_000, ns: 0 };
    await layers.applyEntries(directory('below/', { mtime }), { path: 'below/gone', content: 'x' });
    await layers.applyEntries({ path: 'below/.wh.gone' }, { path: 'new/inner/file', content: 'y' });
    const times = new Map((await layers.merged()).map((entry) => [String(entry.path), entry.mtime]));
    t.deepEqual(times.get('below/'), mtime);
    t.deepEqual([times.get('new/'), times.get('new/inner/')], [longAgo, longAgo]);
  },
);

const longAgo = { s: 0, ns: 0 };

withLayers(
  'whiteouts delete, opaque markers empty, and both come back in the changeset',
  async (t, layers) => {
    await layers.applyEntries(...lower);
    const upper: readonly Sketch[] = [
      directory('etc/', { mode: 0o750, uid: 7 }),
      { path: 'etc/.wh.gone', mode: 0, mtime: { s: 0, ns: 0 } },
      directory('lib/'),
      { path: 'lib/.wh..wh..opq', mode: 0, mtime: { s: 0, ns: 0 } },
      { path: 'lib/new', content: 'new' },
      { path: '.wh.top', mode: 0, mtime: { s: 0, ns: 0 } },
    ];
    await layers.applyEntries(...upper);
    t.deepEqual(await layers.mergedPaths(), ['etc/', 'etc/kept', 'lib/', 'lib/new']);
    t.deepEqual(await layers.diffEntries(), upper.map(seenSketch));
  },
);

withLayers('markers that hide nothing leave no trace', async (t, layers) => {
  await layers.applyEntries(...lower);
  await layers.applyEntries(
    { path: '.wh.never' },
    directory('fresh/'),
    { path: 'fresh/.wh..wh..opq' },
    { path: 'no/such/.wh..wh..opq' },
    { path: 'fresh/.wh.x' },
  );
  t.deepEqual(
    (await layers.diffEntries()).map(({ path }) => path),
    ['fresh/'],
  );
});

withLayers('markers in the lowest layer vanish', async (t, layers) => {
  await layers.applyEntries(directory('a/'), { path: 'a/.wh..wh..opq' }, { path: '.wh.b' }, { path: 'a/x' });
  t.deepEqual(
    (await layers.diffEntries()).map(({ path }) => path),
    ['a/', 'a/x'],
  );
});

withLayers(
  'an opaque marker without its directory copies the directory and empties it',
  async (t, layers) => {
    await layers.applyEntries(...lower);
    await layers.applyEntries({ path: 'etc/.wh..wh..opq' });
    t.false((await layers.mergedPaths()).includes('etc/kept'));
    const etc = (await layers.diffEntries()).find(({ path }) => path === 'etc/');
    t.deepEqual([etc?.mode, etc?.uid], [0o750, 7]);
  },
);

withLayers('a directory that was deleted and made again shows nothing of the old one', async (t, layers) => {
  await layers.applyEntries(...lower);
  await layers.applyEntries({ path: '.wh.lib' }, directory('lib/'), { path: 'lib/only', content: 'x' });
  t.deepEqual(
    (await layers.mergedPaths()).filter((path) => String(path).startsWith('lib')),
    ['lib/', 'lib/only'],
  );
});

withLayers(
  'files and directories replace each other, in one layer and over a lower one',
  async (t, layers) => {
    await layers.applyEntries(...lower);
    await layers.applyEntries(
      { path: 'lib', content: 'now a file' },
      directory('top/'),
      { path: 'top/x' },
      directory('twice/'),
      { path: 'twice/x' },
      { path: 'twice' },
    );
    t.deepEqual(await layers.mergedPaths(), [
      'etc/',
      'etc/gone',
      'etc/kept',
      'lib',
      'top/',
      'top/x',
      'twice',
    ]);
  },
);

withLayers('a directory between two files of the same name is empty', async (t, layers) => {
  await layers.applyEntries(...lower);
  await layers.applyEntries({ path: 'lib', content: 'file' }, directory('lib/'), { path: 'lib/z' });
  const inside = (await layers.mergedPaths()).filter((path) => String(path).startsWith('lib'));
  t.deepEqual(inside, ['lib/', 'lib/z']);
});

withLayers('a hard link to a file of a lower layer gets its content', async (t, layers) => {
  await layers.applyEntries(...lower);
  await layers.applyEntries({ path: 'again', type: 'link', linkTarget: 'top' });
  t.is((await layers.merged()).find(({ path }) => path === 'again')?.content, 'top');
});

withLayers('missing parents are made, those of lower layers keep their attributes', async (t, layers) => {
  await layers.applyEntries(...lower);
  await layers.applyEntries({ path: 'etc/x' }, { path: 'a/b/c' });
  const entries = await layers.diffEntries();
  const named = new Map(entries.map((entry) => [entry.path, entry]));
  t.deepEqual([named.get('etc/')?.mode, named.get('etc/')?.uid], [0o750, 7]);
  t.deepEqual([named.get('a/')?.mode, named.get('a/b/')?.uid], [0o755, 0]);
});

withLayers('device nodes are left out with a warning (S26)', async (t, layers) => {
  const { warnings } = await layers.applyEntries(
    { path: 'null', type: 'char', major: 1, minor: 3 },
    { path: 'sda', type: 'block', major: 8 },
    { path: 'a' },
  );
  const mayMake = (await layers.mergedPaths()).includes('null');
  t.deepEqual(
    warnings.map((text) => text.replace(/:.*/, '')),
    mayMake ? [] : ['leave out null', 'leave out sda'],
  );
});

withLayers('attributes of the storage drivers are not set (S25)', async (t, layers) => {
  await layers.applyEntries(...lower);
  await layers.applyEntries(
    directory('lib/', {
      xattrs: { 'user.overlay.opaque': 'y', 'trusted.overlay.opaque': 'y', 'user.fine': '1' },
    }),
  );
  t.true((await layers.mergedPaths()).includes('lib/a'));
  t.deepEqual((await layers.diffEntries())[0]?.xattrs, { 'user.fine': '1' });
});

withLayers('what cannot be in a changeset is left out with a warning', async (t, layers) => {
  await layers.push();
  const path = layers.pathOf(0);
  writeFileSync(join(path, '.wh.forged'), '');
  writeFileSync(join(path, 'file'), 'x');
  const server = createServer().listen(join(path, 'socket'));
  t.teardown(() => server.close());
  const warnings: string[] = [];
  await layers.diff({ onWarning: (text) => warnings.push(text) });
  t.deepEqual(warnings, [
    'leave out .wh.forged: the name is reserved for deleted files',
    'leave out socket: a socket cannot be in a layer',
  ]);
  t.deepEqual(
    (await layers.diffEntries()).map((entry) => entry.path),
    ['file'],
  );
});

withLayers('later times are clamped when asked', async (t, layers) => {
  await layers.applyEntries(
    { path: 'new', mtime: { s: 2000, ns: 0 } },
    { path: 'old', mtime: { s: 10, ns: 0 } },
  );
  const clamped = await layers.diff({ clampMtime: 1000 });
  t.deepEqual(
    clamped,
    tarOf({ path: 'new', mtime: { s: 1000, ns: 0 } }, { path: 'old', mtime: { s: 10, ns: 0 } }),
  );
});

/** Each hostile layer, over one that has a link to the root of the host in every form. */
function staysInside(title: string, sketches: readonly Sketch[], expected: ErrorCode | 'fine'): void {
  withLayers(`S24: hostile layer stays inside: ${title}`, async (t, layers) => {
    const outside = temporaryDirectory(t);
    const sentinel = join(outside, 'sentinel');
    writeFileSync(sentinel, 'untouched');
    await layers.push();
    const base = layers.pathOf(0);
    symlinkSync('/', join(base, 'abs'));
    symlinkSync('../../../../../../..', join(base, 'rel'));
    symlinkSync(outside, join(base, 'out'));
    symlinkSync('loop', join(base, 'loop'));
    mkdirSync(join(base, 'dir'));
    const aimed = sketches.map((sketch) => ({
      ...sketch,
      path: String(sketch.path).replace('OUTSIDE', outside.slice(1)),
    }));
    const error = await layers.applyEntries(...aimed).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    t.is(error instanceof CoracleError ? error.code : 'fine', expected);
    t.is(readFileSync(sentinel, 'utf8'), 'untouched');
    t.false(existsSync(join(outside, 'new')));
  });
}
staysInside('a file through an absolute link', [{ path: 'abs/OUTSIDE/new', content: 'x' }], 'fine');
staysInside('a file through a relative link', [{ path: 'rel/OUTSIDE/new', content: 'x' }], 'fine');
staysInside('a file through a link to a host directory', [{ path: 'out/new', content: 'x' }], 'fine');
staysInside('a file over a link to a host directory', [{ path: 'out', content: 'x' }], 'fine');
staysInside('a directory over a link to a host directory', [directory('out/'), { path: 'out/new' }], 'fine');
staysInside('a whiteout through a link', [{ path: 'out/.wh.sentinel' }], 'fine');
staysInside('an opaque marker through a link', [{ path: 'out/.wh..wh..opq' }], 'fine');
staysInside(
  'a hard link to a host file',
  [
    { path: 'x', type: 'link', linkTarget: 'out/sentinel' },
    { path: 'x', content: 'y' },
  ],
  'IO',
);
staysInside(
  'a link made on the way, then a file through it',
  [
    { path: 'a', type: 'symlink', linkTarget: '/OUTSIDE' },
    { path: 'a/new', content: 'x' },
  ],
  'fine',
);
staysInside(
  'a directory replaced by a link before its times are set',
  [directory('d/', { mode: 0o700 }), { path: 'd', type: 'symlink', linkTarget: '/OUTSIDE' }],
  'fine',
);
staysInside('a name that leads out', [{ path: '../../OUTSIDE/new', content: 'x' }], 'INVALID');
staysInside('an absolute name', [{ path: '/OUTSIDE/new', content: 'x' }], 'fine');
staysInside('a link that leads to itself', [{ path: 'loop/new', content: 'x' }], 'IO');
staysInside('a root that is a link', [{ path: '.', type: 'symlink', linkTarget: '/OUTSIDE' }], 'INVALID');
staysInside(
  'a hard link to a file that is not there',
  [{ path: 'x', type: 'link', linkTarget: 'nothing' }],
  'IO',
);
staysInside('a hard link to a directory', [{ path: 'x', type: 'link', linkTarget: 'dir' }], 'IO');
staysInside(
  'a file below a file',
  [
    { path: 'f', content: 'x' },
    { path: 'f/new', content: 'x' },
  ],
  'IO',
);
staysInside('a forged whiteout device', [{ path: 'dir', type: 'char' }], 'INVALID');
staysInside('an owner nobody has', [{ path: 'x', uid: 4_000_000_000 }], 'HOST');

type Made = {
  readonly kind: number;
  readonly name: string;
  readonly inside: string;
  readonly content: number;
};

/** Names without repetition, each a file, a directory with a file in it, a symbolic link or a fifo. */
const tree = fc
  .uniqueArray(
    fc.record<Made>({
      kind: fc.integer({ min: 0, max: 3 }),
      name: fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/),
      inside: fc.stringMatching(/^[a-z]{1,110}$/),
      content: fc.integer({ min: 0, max: 3000 }),
    }),
    { selector: ({ name }) => name, maxLength: 12 },
  )
  .map((made) => made.sort((a, b) => (a.name < b.name ? -1 : 1)).flatMap(sketchesOf));

function sketchesOf({ kind, name, inside, content }: Made): readonly Sketch[] {
  const bytes = Buffer.alloc(content, name);
  if (kind === 0) return [{ path: name, content: bytes }];
  if (kind === 1) return [directory(`${name}/`), { path: `${name}/${inside}`, content: bytes, mode: 0o600 }];
  if (kind === 2) return [{ path: name, type: 'symlink', mode: 0o777, linkTarget: inside }];
  return [{ path: name, type: 'fifo', mode: 0o666, mtime: { s: content, ns: 0 } }];
}

withLayers('any tree that is applied gives its changeset back, byte for byte', async (t, layers) => {
  await fc.assert(
    fc.asyncProperty(tree, async (sketches) => {
      const fresh = new TestLayers(t);
      const tar = tarOf(...sketches);
      await fresh.apply(tar, 4096);
      t.deepEqual(await fresh.diff(), tar);
    }),
    { numRuns: 12 },
  );
  t.truthy(layers);
});
