/** eStargz layers, written here as their own tools write them: files that the store holds stay at the registry. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import type { Stores } from '../../lib/image/stores.js';
import { padding, type TarHeader } from '../../lib/layer/tar-entry.js';
import { encodeNamedHeader, encodeTrailer } from '../../lib/layer/tar-writer.js';
import type { Digest } from '../../lib/oci/digest.js';
import { ociTypes } from '../../lib/oci/media-types.js';
import { hostPlatform } from '../../lib/oci/platform.js';
import { pullImage } from '../../lib/transfer/pull.js';
import { pushImage } from '../../lib/transfer/push.js';
import { testWith } from '../helpers/declare.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';
import { testStores } from '../image/store-fixture.js';
import { missingAgent } from '../layer/layer-fixture.js';
import { headerOf, type Sketch } from '../layer/tar-builder.js';
import { EventLog } from './transfer-fixture.js';

const missing = [missingAgent(), missingRegistry()];
const names = { user: 'root', group: 'root' };
/** As long as its writers make them, but small. */
const chunkBytes = 200_000;

const sha256 = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

function noise(seed: string, size: number): Buffer {
  const parts = Array.from({ length: Math.ceil(size / 64) }, (_, at) =>
    createHash('sha512').update(`${seed}/${at}`).digest(),
  );
  return Buffer.concat(parts).subarray(0, size);
}

type Made = { readonly blob: Buffer; readonly diffId: string; readonly toc: string | undefined };

/** Writes the members one after the other; `lie` changes what the table of contents says. */
class Writer {
  readonly #members: Buffer[] = [];
  readonly #plain: Buffer[] = [];
  readonly #entries: Record<string, unknown>[] = [];
  #open: Buffer[] = [];
  #offset = 0;

  add(sketch: Sketch): void {
    const header = headerOf(sketch);
    const content = Buffer.from(sketch.content ?? '');
    this.#put(encodeNamedHeader(header, names));
    const entry = entryOf(header);
    this.#entries.push(entry);
    for (let at = 0; at < content.length; at += chunkBytes) {
      this.#close();
      const place = { offset: this.#offset, chunkOffset: at || undefined };
      if (at === 0) Object.assign(entry, { ...place, digest: sha256(content) });
      else this.#entries.push({ name: entry.name, type: 'chunk', ...place });
      this.#put(content.subarray(at, at + chunkBytes));
    }
    this.#put(Buffer.alloc(padding(content.length)));
  }

  finish(): Made {
    this.#close();
    const json = Buffer.from(JSON.stringify({ version: 1, entries: this.#entries }));
    const at = this.#offset;
    const header = headerOf({
      path: 'stargz.index.json',
      content: json,
      mode: 0o444,
      mtime: { s: 0, ns: 0 },
    });
    this.#put(encodeNamedHeader(header, { user: '', group: '' }));
    this.#put(Buffer.concat([json, Buffer.alloc(padding(json.length)), encodeTrailer()]));
    this.#close();
    const blob = Buffer.concat([...this.#members, footer(at)]);
    return { blob, diffId: sha256(Buffer.concat(this.#plain)), toc: sha256(json) };
  }

  #put(bytes: Buffer): void {
    this.#open.push(bytes);
    this.#plain.push(bytes);
  }

  #close(): void {
    const member = gzipSync(Buffer.concat(this.#open));
    this.#open = [];
    this.#members.push(member);
    this.#offset += member.length;
  }
}

function entryOf({ path, type, mode, size, mtime, linkTarget }: TarHeader): Record<string, unknown> {
  const types = { file: 'reg', directory: 'dir', symlink: 'symlink', link: 'hardlink' } as const;
  return {
    name: path.toString(),
    type: type in types ? types[type as keyof typeof types] : type,
    mode,
    size: size === 0 ? undefined : size,
    modtime: new Date(mtime.s * 1000).toISOString().replace('.000Z', 'Z'),
    linkName: linkTarget.length === 0 ? undefined : linkTarget.toString(),
    userName: names.user,
    groupName: names.group,
  };
}

function footer(at: number): Buffer {
  const extra = Buffer.from(`SG\x16\x00${at.toString(16).padStart(16, '0')}STARGZ`, 'latin1');
  const head = Buffer.from('1f8b0804000000000000' + 'ff', 'hex').subarray(0, 10);
  return Buffer.concat([
    head,
    Buffer.from([26, 0]),
    extra,
    Buffer.from('010000ffff', 'hex'),
    Buffer.alloc(8),
  ]);
}

function versionLayer(version: string, precise = false): Made {
  const writer = new Writer();
  writer.add({ path: 'etc/', type: 'directory', mode: 0o755 });
  writer.add({ path: 'etc/empty' });
  writer.add({ path: 'etc/version', content: noise(version, 3000) });
  writer.add({ path: 'lib/', type: 'directory', mode: 0o755 });
  writer.add({
    path: 'lib/big',
    content: noise('big', 900_000),
  });
  writer.add({ path: 'lib/hard', type: 'link', linkTarget: 'lib/big' });
  const mtime = precise ? { mtime: { s: 9, ns: 5 } } : {};
  writer.add({ path: 'lib/other', content: noise('other', 120_000), ...mtime });
  writer.add({ path: 'lib/soft', type: 'symlink', mode: 0o777, linkTarget: 'big' });
  return writer.finish();
}

/** Puts an image of one such layer at a registry. */
async function publish(stores: Stores, name: string, { blob, diffId, toc }: Made): Promise<Digest> {
  const put = async (mediaType: string, bytes: Buffer) => ({
    mediaType,
    ...(await stores.content.put(bytes)),
  });
  const config = await put(
    ociTypes.config,
    Buffer.from(JSON.stringify({ ...hostPlatform(), rootfs: { type: 'layers', diff_ids: [diffId] } })),
  );
  const annotations = toc === undefined ? {} : { 'containerd.io/snapshot/stargz/toc.digest': toc };
  const layer = { ...(await put(ociTypes.layerGzip, blob)), annotations };
  const manifest = { schemaVersion: 2, mediaType: ociTypes.manifest, config, layers: [layer] };
  const stored = await put(ociTypes.manifest, Buffer.from(JSON.stringify(manifest)));
  stores.images.tag(stored, name);
  await pushImage(stores, name, name);
  return stored.digest;
}

async function pullBoth(t: ExecutionContext<unknown>, layers: readonly [Made, Made]): Promise<EventLog> {
  const { host } = await startRegistry(t);
  const [source, stores, log] = [testStores(t), testStores(t), new EventLog()];
  await publish(source, `${host}/app:1`, layers[0]);
  const digest = await publish(source, `${host}/app:2`, layers[1]);
  await pullImage(stores, `${host}/app:1`);
  const image = await pullImage(stores, `${host}/app:2`, {}, log.take);
  t.is(image.descriptor.digest, digest);
  const top = stores.images.topSnapshot(image);
  const [layer = ''] = top === undefined ? [] : stores.snapshots.layerPaths(top);
  t.deepEqual(readFileSync(join(layer, 'etc/version')), noise('2', 3000));
  t.deepEqual(readFileSync(join(layer, 'lib/big')), noise('big', 900_000));
  return log;
}

testWith(missing, 'of the next version of an eStargz layer comes what changed', async (t) => {
  const log = await pullBoth(t, [versionLayer('1'), versionLayer('2')]);
  t.regex(log.texts().join('\n'), /: 0\.00\d MB of 1\.0 MB fetched, the rest is here already/);
});

testWith(
  missing,
  'an eStargz layer whose table of contents does not tell all is fetched whole',
  async (t) => {
    // parts of seconds are in the archive alone
    const log = await pullBoth(t, [versionLayer('1'), versionLayer('2', true)]);
    t.regex(
      log.texts().join('\n'),
      /is fetched whole: put layer together: its table of contents does not describe it/,
    );
  },
);

testWith(
  missing,
  'an eStargz table of contents that is not the one of the manifest is not used',
  async (t) => {
    const log = await pullBoth(t, [
      versionLayer('1'),
      { ...versionLayer('2'), toc: sha256(Buffer.from('x')) },
    ]);
    t.regex(log.texts().join('\n'), /is fetched whole: read table of contents: it has not the digest/);
  },
);

testWith(missing, 'the end of an eStargz layer tells what its manifest does not', async (t) => {
  const bare = (version: string): Made => ({ ...versionLayer(version), toc: undefined });
  const log = await pullBoth(t, [bare('1'), bare('2')]);
  t.regex(log.texts().join('\n'), /: 0\.00\d MB of 1\.0 MB fetched, the rest is here already/);
});
