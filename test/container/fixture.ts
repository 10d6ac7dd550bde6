/** A store with one image of busybox, made by hand: no registry, no import. */
import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { ContainerStore } from '../../lib/container/container-store.js';
import { createContainer } from '../../lib/container/create.js';
import { removeContainer, waitContainer } from '../../lib/container/lifecycle.js';
import { readLogs } from '../../lib/container/logs.js';
import type { RunOptions } from '../../lib/container/run-options.js';
import { startContainer } from '../../lib/container/start.js';
import { type ContainerStores, containerStores } from '../../lib/container/stores.js';
import type { ContainerView } from '../../lib/container/view.js';
import type { ImageRecord } from '../../lib/image/image-record.js';
import { openStores, type Stores } from '../../lib/image/stores.js';
import type { ContainerConfig } from '../../lib/oci/container-config.js';
import { parseDigest } from '../../lib/oci/digest.js';
import { ociTypes } from '../../lib/oci/media-types.js';
import type { StorageDriver } from '../../lib/snapshot/driver.js';
import { temporaryDirectory } from '../helpers/host.js';

export type Fixture = {
  readonly stores: ContainerStores;
  readonly containers: ContainerStore;
  readonly directory: string;
  /** Makes and starts a container in the background. */
  run(options: RunOptions, config?: ContainerConfig): Promise<ContainerView>;
  view(id: string): ContainerView;
  /** Everything a container printed. */
  output(view: ContainerView): Promise<string>;
  /** Runs to the end: exit code and output. */
  finish(options: RunOptions, config?: ContainerConfig): Promise<{ code: number | undefined; text: string }>;
};

const applets = [
  'sh',
  'true',
  'sleep',
  'cat',
  'id',
  'pwd',
  'touch',
  'ls',
  'stat',
  'env',
  'ps',
  'rm',
  'grep',
  'seq',
  'mv',
  'unshare',
];

/** Containers are removed when the test ends. */
export function openFixture(t: ExecutionContext<unknown>, driver: StorageDriver): Fixture {
  const directory = temporaryDirectory(t);
  const runtime = join(directory, 'run');
  mkdirSync(runtime, { mode: 0o700 });
  const env = {
    ...process.env,
    XDG_RUNTIME_DIR: runtime,
    XDG_CACHE_HOME: join(directory, 'cache'),
    HOME: directory,
  };
  const opened = openStores({ root: join(directory, 'root'), env });
  const snapshot = busyboxSnapshot(opened);
  const surroundings = { env, driver: () => driver, unpack: () => Promise.resolve(snapshot) };
  const stores = containerStores(opened, surroundings);
  const containers = new ContainerStore(stores.paths);
  t.teardown(async () => {
    for (const view of containers.list()) await removeContainer(stores, view, { force: true, volumes: true });
    await opened.close();
  });
  const fixture: Fixture = {
    stores,
    containers,
    directory,
    run: async (options, config) => {
      const { record, network } = await createContainer(
        stores,
        { network: 'none', ...options },
        image(config),
      );
      await startContainer(stores, record, { network });
      return fixture.view(record.id);
    },
    view: (id) => containers.resolve(id),
    output: async (view) => {
      const pieces: Buffer[] = [];
      for await (const entry of readLogs(view)) pieces.push(entry.data);
      return Buffer.concat(pieces).toString('utf8');
    },
    finish: async (options, config) => {
      const view = await fixture.run(options, config);
      const exit = await waitContainer(stores, view);
      return { code: exit?.code, text: await fixture.output(view) };
    },
  };
  return fixture;
}

const digest = parseDigest(`sha256:${'a'.repeat(64)}`, 'fixture');
const descriptor = { mediaType: ociTypes.manifest, digest, size: 2 };

export function image(config: ContainerConfig = {}): ImageRecord {
  return {
    id: 'a'.repeat(64),
    reference: 'localhost/busybox:latest',
    references: [],
    descriptor,
    manifest: {
      kind: 'manifest',
      mediaType: ociTypes.manifest,
      config: descriptor,
      layers: [],
    },
    manifestDescriptor: descriptor,
    config: {
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [] },
      config: { Env: ['PATH=/bin'], ...config },
    },
    configDigest: digest,
  };
}

function busyboxSnapshot(stores: Stores) {
  const active = stores.snapshots.prepare();
  for (const name of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp', 'root', 'data'])
    mkdirSync(join(active.fs, name));
  chmodSync(join(active.fs, 'tmp'), 0o1777);
  copyFileSync('/bin/busybox', join(active.fs, 'bin', 'busybox'));
  for (const applet of applets) symlinkSync('busybox', join(active.fs, 'bin', applet));
  writeFileSync(
    join(active.fs, 'etc', 'passwd'),
    'root:x:0:0:root:/root:/bin/sh\nwww:x:33:33:www:/data:/bin/false\n',
  );
  writeFileSync(join(active.fs, 'etc', 'group'), 'root:x:0:\nwww:x:33:\nextra:x:44:www\n');
  writeFileSync(join(active.fs, 'data', 'seed'), 'from the image\n');
  return stores.snapshots.commit(active);
}

/** Waits until a condition holds; throws after five seconds. */
export async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 5000; !condition(); ) {
    if (Date.now() > deadline) throw new Error('the condition did not come true');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The supervisor's pid, from its own record. */
export function supervisorOf(view: ContainerView): number {
  const live: unknown = JSON.parse(readFileSync(join(view.directory, 'live'), 'utf8'));
  if (typeof live === 'object' && live !== null && 'sv' in live && typeof live.sv === 'number')
    return live.sv;
  throw new Error('no supervisor');
}
