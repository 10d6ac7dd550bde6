/** Archives of images whose documents are almost right, loaded into a store: refused in words with nothing left, or whole images. */
import { createHash } from 'node:crypto';
import { parseManifest } from '../../lib/oci/manifest.js';
import { isImageConfig } from '../../lib/oci/media-types.js';
import { loadImages } from '../../lib/transfer/load.js';
import { testWith } from '../helpers/declare.js';
import { makeTar, type TarEntry } from '../helpers/image.js';
import { testStores } from '../image/store-fixture.js';
import { missingAgent } from '../layer/layer-fixture.js';
import { chunked } from '../layer/tar-builder.js';
import { mutateJson } from './json-mutation.js';
import {
  complaintAbout,
  fuzzRuns,
  fuzzSeed,
  fuzzTime,
  pick,
  type Random,
  randomFrom,
  stagedNames,
} from './seeded.js';

const layer = makeTar([{ name: 'file', content: 'x' }]);
const digestOf = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex');
const config = JSON.stringify({
  architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
  os: 'linux',
  config: { Cmd: ['a'], Labels: { a: 'b' }, Volumes: { '/v': {} } },
  rootfs: { type: 'layers', diff_ids: [`sha256:${digestOf(layer)}`] },
  history: [{ created_by: 'x' }],
});

/** An archive as `docker save` makes it. */
function dockerArchive(random: Random): readonly TarEntry[] {
  const manifest = JSON.stringify([{ Config: 'config.json', RepoTags: ['a:b'], Layers: ['layer.tar'] }]);
  const which = random(2);
  return [
    { name: 'config.json', content: which === 0 ? mutateJson(config, random) : config },
    { name: 'layer.tar', content: layer },
    { name: 'manifest.json', content: which === 0 ? manifest : mutateJson(manifest, random) },
  ];
}

/** One from before there was a manifest.json. */
function legacyArchive(random: Random): readonly TarEntry[] {
  const id = 'a'.repeat(64);
  const repositories = JSON.stringify({ a: { latest: id } });
  const record = JSON.stringify({ id, os: 'linux', config: { Cmd: ['a'] } });
  const which = random(2);
  return [
    { name: 'repositories', content: which === 0 ? mutateJson(repositories, random) : repositories },
    { name: `${id}/json`, content: which === 0 ? record : mutateJson(record, random) },
    { name: `${id}/layer.tar`, content: layer },
  ];
}

/** A layout in which one document is wrong, and every digest above it right, so that it is read. */
function layoutArchive(random: Random): readonly TarEntry[] {
  const which = random(4);
  const blobs: TarEntry[] = [];
  const put = (mediaType: string, right: string | Buffer, place: number): object => {
    const bytes = which === place ? mutateJson(String(right), random) : right;
    blobs.push({ name: `blobs/sha256/${digestOf(bytes)}`, content: bytes });
    return {
      mediaType: `application/vnd.oci.image.${mediaType}`,
      digest: `sha256:${digestOf(bytes)}`,
      size: Buffer.byteLength(bytes),
    };
  };
  const described = put('config.v1+json', config, 0);
  const manifest = { schemaVersion: 2, config: described, layers: [put('layer.v1.tar', layer, -1)] };
  const top = put('manifest.v1+json', JSON.stringify(manifest), 1);
  const index = JSON.stringify({
    schemaVersion: 2,
    manifests: [{ ...top, annotations: { 'org.opencontainers.image.ref.name': 'a:b' } }],
  });
  const marker = '{"imageLayoutVersion":"1.0.0"}';
  return [
    { name: 'oci-layout', content: which === 3 ? mutateJson(marker, random) : marker },
    { name: 'index.json', content: which === 2 ? mutateJson(index, random) : index },
    ...blobs,
  ];
}

function configType(manifest: Buffer): string {
  const parsed = parseManifest(manifest, 'manifest');
  return parsed.kind === 'manifest' ? parsed.config.mediaType : '';
}

testWith(
  [missingAgent()],
  `S22, S28, S29: a store stays whole, whatever is loaded (FUZZ_SEED=${fuzzSeed})`,
  async (t) => {
    t.timeout(fuzzTime);
    const stores = testStores(t);
    const random = randomFrom(fuzzSeed);
    let [runs, taken] = [0, 0];
    for (const run of fuzzRuns(120)) {
      runs = run + 1;
      const archive = makeTar(pick(random, [dockerArchive, legacyArchive, layoutArchive])(random));
      try {
        const loaded = await loadImages(stores, chunked(archive));
        taken++;
        for (const { references } of loaded) for (const name of references) stores.images.resolve(name);
      } catch (error) {
        const complaint = complaintAbout(error);
        if (complaint !== undefined) {
          t.fail(
            `archive ${run}: ${complaint}\n${archive.toString('latin1').replaceAll(/\0+/g, ' ').slice(0, 4000)}`,
          );
          return;
        }
      }
      t.deepEqual(stagedNames(stores.paths.staging), [], `archive ${run}`);
    }
    for (const { descriptor } of stores.images.entries()) {
      // an artifact may have been loaded, too
      if (!isImageConfig(configType(await stores.content.read(descriptor.digest)))) continue;
      t.notThrows(() => stores.images.resolve(descriptor.digest));
    }
    t.true(taken > 0, `${taken} of ${runs} taken`);
    t.log(`${runs} archives, ${taken} taken`);
  },
);
