/** Layers that umoci and buildah wrote, and ours of the same tree. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import { TarParser } from '../../lib/layer/tar-parser.js';
import { encodeHeader } from '../../lib/layer/tar-writer.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram, temporaryDirectory } from '../helpers/host.js';
import { missingAgent, TestLayers } from './layer-fixture.js';
import { entryBytes, headerOf } from './tar-builder.js';

const makeTree = `
mkdir -p tree/sub/deep
echo hello > tree/file; chmod 4755 tree/file; ln tree/file tree/hard
ln -s ../x tree/sub/link
mkfifo tree/fifo
printf x > "tree/sub/$(printf 'n%.0s' $(seq 150))"
printf u > "tree/sub/\u00fcmlaut"
find tree -exec touch -h -d '2001-02-03 04:05:06 UTC' {} +
touch -d '1950-01-01 UTC' tree/sub/deep
`;

const makers = {
  umoci: `
umoci init --layout out && umoci new --image out:a
umoci unpack --rootless --image out:a bundle
cp -a tree/. bundle/rootfs/
umoci repack --image out:a bundle`,
  buildah: `
c=$(buildah --storage-driver vfs --root "$PWD/r" --runroot "$PWD/rr" from scratch)
buildah --storage-driver vfs --root "$PWD/r" --runroot "$PWD/rr" copy $c tree /
buildah --storage-driver vfs --root "$PWD/r" --runroot "$PWD/rr" commit --disable-compression $c "oci:$PWD/out:a"`,
};

/** The uncompressed tar of the one layer in `out`. */
function layerMadeBy(t: ExecutionContext<unknown>, maker: keyof typeof makers): Buffer {
  const directory = temporaryDirectory(t);
  const env = { ...process.env, XDG_RUNTIME_DIR: join(directory, 'run'), LC_ALL: 'C.UTF-8' };
  mkdirSync(env.XDG_RUNTIME_DIR, { mode: 0o700 });
  execFileSync('bash', ['-euc', makeTree + makers[maker]], { cwd: directory, env, stdio: 'pipe' });
  const blobs = join(directory, 'out/blobs/sha256');
  const tars = readdirSync(blobs)
    .map((name) => readFileSync(join(blobs, name)))
    .map((bytes) => (bytes[0] === 0x1f ? gunzipSync(bytes) : bytes))
    .filter((bytes) => bytes.toString('latin1', 257, 262) === 'ustar');
  t.is(tars.length, 1);
  return tars[0] ?? Buffer.alloc(0);
}

/** Each header as it stands in the archive, and as we write it. Older Go tools put the file's type into the mode. */
function headers(tar: Buffer): { theirs: Buffer[]; ours: Buffer[] } {
  const theirs: Buffer[] = [];
  const ours: Buffer[] = [];
  const parser = new TarParser({
    entry: (header, offset = 0) => {
      const mode = Number.parseInt(tar.toString('latin1', offset - 412, offset - 405), 8);
      const encoded = encodeHeader({ ...header, mode });
      ours.push(encoded);
      theirs.push(tar.subarray(offset - encoded.length, offset));
    },
    data: () => undefined,
    end: () => undefined,
  });
  parser.push(tar);
  parser.finish();
  return { theirs, ours };
}

for (const maker of ['umoci', 'buildah'] as const) {
  testWith([missingProgram(maker)], `our headers are byte for byte those of ${maker}`, (t) => {
    const { theirs, ours } = headers(layerMadeBy(t, maker));
    t.true(theirs.length > 6);
    t.deepEqual(ours, theirs);
  });
}

testWith(
  [missingProgram('buildah'), missingAgent()],
  'a layer of buildah that is extracted gives the same archive back',
  async (t) => {
    const tar = layerMadeBy(t, 'buildah');
    const layers = new TestLayers(t);
    await layers.apply(tar);
    const ours = await layers.diff();
    const parts: Buffer[] = [];
    const parser = new TarParser({
      entry: (header) => parts.push(encodeHeader(header)),
      data: (chunk) => parts.push(chunk),
      end: () => parts.push(Buffer.alloc((512 - (Buffer.concat(parts).length % 512)) % 512)),
    });
    parser.push(tar);
    t.deepEqual(ours, Buffer.concat([...parts, Buffer.alloc(1024)]));
  },
);

testWith([], 'names and links that do not fit are cut in the header as Go cuts them', (t) => {
  const path = `${'d'.repeat(99)}/${'n'.repeat(20)}`;
  const bytes = encodeHeader(headerOf({ path, type: 'symlink', linkTarget: 'l'.repeat(101) }));
  t.is(bytes.length, 1536);
  t.is(bytes.toString('latin1', 0, 100).replaceAll('\0', ''), `${'d'.repeat(99)}`);
  t.is(
    bytes.toString('latin1', 512, 512 + 243).split('\n')[0],
    `111 linkpath=${'l'.repeat(101)}`.replace('111', '115'),
  );
  t.is(entryBytes({ path: 'a' }).length, 512);
  t.false(existsSync(path));
});
