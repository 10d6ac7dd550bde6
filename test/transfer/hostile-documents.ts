/** Images of which every document and every blob says what a test wants, served by a registry or in an archive. */
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { ExecutionContext } from 'ava';
import { makeTar } from '../helpers/image.js';
import { type HostileServer, startHostile } from '../registry/hostile-server.js';
import { baseTar } from './transfer-fixture.js';

/** Media types of what lies in a registry. */
export const types = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  foreign: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  layer: 'application/vnd.oci.image.layer.v1.tar',
};
/** A descriptor as it may be written. */
export type Entry = { mediaType: string; digest: string; size: number; [name: string]: unknown };

/** Blobs by digest, with the media type they are served as. */
export class Documents {
  readonly blobs = new Map<string, { mediaType: string; bytes: Buffer }>();

  add(mediaType: string, content: Buffer | object): Entry {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    this.blobs.set(digest, { mediaType, bytes });
    return { mediaType, digest, size: bytes.length };
  }

  /** A config for layers with these diffIDs. */
  config(diffIds: readonly string[], more: object = {}): Entry {
    const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';
    return this.add(types.config, {
      architecture,
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: diffIds },
      ...more,
    });
  }

  /** A manifest; `more` goes over its fields. */
  manifest(config: Entry, layers: readonly Entry[], more: object = {}): Entry {
    return this.add(types.manifest, { schemaVersion: 2, mediaType: types.manifest, config, layers, ...more });
  }

  /** An image of layers that are not compressed. */
  image(layers: readonly Entry[], more: object = {}): Entry {
    return this.manifest(this.config(layers.map(({ digest }) => digest)), layers, more);
  }

  /** An index in an index and so on, `depth` of them, around an image. */
  nest(depth: number): Entry {
    if (depth === 0) return this.image([this.add(types.layer, baseTar)]);
    const inner = this.nest(depth - 1);
    return this.add(types.index, { schemaVersion: 2, mediaType: types.index, manifests: [inner] });
  }

  serve(t: ExecutionContext<unknown>, top: Entry): Promise<HostileServer> {
    return startHostile(t, ({ path }, response) => {
      const name = decodeURIComponent(path.split('/').at(-1) ?? '');
      const found = this.blobs.get(name === 'latest' ? top.digest : name);
      if (path === '/v2/') response.writeHead(200).end();
      else if (found === undefined) response.writeHead(404).end();
      else send(response, found);
    });
  }

  archive(top: Entry): Buffer {
    return makeTar([
      { name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' },
      { name: 'index.json', content: JSON.stringify({ schemaVersion: 2, manifests: [top] }) },
      ...[...this.blobs].map(([digest, { bytes }]) => ({
        name: `blobs/${digest.replace(':', '/')}`,
        content: bytes,
      })),
    ]);
  }
}

function send(response: ServerResponse, { mediaType, bytes }: { mediaType: string; bytes: Buffer }): void {
  response.writeHead(200, { 'content-type': mediaType, 'content-length': bytes.length }).end(bytes);
}
