/** Many images in one store, and one image of many files. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTar, type TarEntry } from '../../helpers/image.js';
import { type Bench, type Case, present, row } from '../case.js';
import { settle, timeCommand } from '../command.js';

/**
 * The same archive, loaded once into a store of each, then listed. The time goes into loading, which is not measured: with a
 * thousand images podman takes two to three minutes of a processor, and some ten seconds for each list, hence few rounds.
 */
export const listCase: Case = {
  name: 'images',
  speed: 'slow',
  open: (bench) => {
    const count = bench.scale.images;
    // Each has a layer of its own: podman takes minutes to list a thousand that share one.
    const images = Array.from({ length: count }, (_, index) => ({
      name: `localhost/many-${index}:1`,
      layer: makeTar([{ name: 'file', content: `${index}` }]),
    }));
    const file = writeArchive(bench, 'many.tar', images);
    return {
      contenders: present(bench.tools.coracle, bench.tools.podman).map((tool) => {
        const store = bench.freshStore(tool);
        store.run('load', '-q', '-i', file);
        return {
          label: tool.name,
          round: (record) => {
            record('list', timeCommand(store.command('images')));
            record('tag', timeCommand(store.command('tag', 'localhost/many-1:1', 'localhost/tagged:1')));
          },
        };
      }),
      rows: [
        row(`\`images\` with ${count} images`, 'list', 0.3),
        row(`\`tag\` with ${count} images`, 'tag', 0.35),
      ],
    };
  },
};

export const smallFilesCase: Case = {
  name: 'small-files',
  speed: 'slow',
  open: (bench) => {
    const count = bench.scale.context;
    const image = { name: 'localhost/small:1', layer: makeTar(smallFiles(count)) };
    const file = writeArchive(bench, 'small.tar', [image]);
    return {
      contenders: present(bench.tools.coracle, bench.tools.podman).map((tool) => ({
        label: tool.name,
        round: (record) => {
          const store = bench.freshStore(tool);
          settle();
          record('load', timeCommand(store.command('load', '-q', '-i', file)));
        },
      })),
      rows: [row(`load of a layer of ${count} small files`, 'load', 0.5)],
    };
  },
};

function smallFiles(count: number): TarEntry[] {
  const directories = Array.from({ length: Math.ceil(count / 100) }, (_, index) => `part-${index}`);
  const files = Array.from({ length: count }, (_, index) => ({
    name: `part-${Math.floor(index / 100)}/file-${index}`,
    content: `${index}\n`.repeat(1 + (index % 200)),
  }));
  return [...directories.map((name) => ({ name, type: 'directory' }) as const), ...files];
}

type ArchivedImage = { readonly name: string; readonly layer: Buffer };

/** A docker-archive of images of one layer. */
function writeArchive(bench: Bench, name: string, images: readonly ArchivedImage[]): string {
  const parts = images.map((image) => ({ ...image, digest: sha256(image.layer), ...configOf(image) }));
  const manifest = parts.map(({ name: tag, digest, file }) => ({
    Config: file,
    RepoTags: [tag],
    Layers: [`${digest}.tar`],
  }));
  const path = join(bench.workspace, name);
  writeFileSync(
    path,
    makeTar([
      ...parts.map(({ digest, layer }) => ({ name: `${digest}.tar`, content: layer })),
      ...parts.map(({ file, text }) => ({ name: file, content: text })),
      { name: 'manifest.json', content: JSON.stringify(manifest) },
    ]),
  );
  return path;
}

function configOf({ name, layer }: ArchivedImage): { readonly file: string; readonly text: string } {
  const text = JSON.stringify({
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Cmd: ['/file'], Labels: { name } },
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
  });
  return { file: `${sha256(text)}.json`, text };
}

function sha256(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
