/** Where the image of a working container goes: into the store, to a registry, into an archive or a layout. */
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import { nameToGive } from './image-names.js';
import type { WorkingCommitRequest } from './working-requests.js';

export type Destination =
  | { readonly kind: 'store'; readonly name: string }
  | { readonly kind: 'registry'; readonly name: string }
  | {
      readonly kind: 'archive';
      readonly format: 'oci-archive' | 'docker-archive';
      readonly path: string;
      readonly names: readonly string[];
    }
  | { readonly kind: 'layout'; readonly path: string; readonly names: readonly string[] };

/** `NAME`, or with a transport as skopeo and buildah write it. @throws USAGE, INVALID */
export function parseDestination(text: string): Destination {
  const [, transport = '', rest = ''] =
    /^(containers-storage|docker|oci-archive|docker-archive|oci|dir|docker-daemon):(.*)$/s.exec(text) ?? [];
  switch (transport) {
    case '':
      return { kind: 'store', name: nameToGive(text) };
    case 'containers-storage':
      return { kind: 'store', name: nameToGive(rest.replace(/^\[[^\]]*\]/, '')) };
    case 'docker':
      return { kind: 'registry', name: rest.replace(/^\/\//, '') };
    case 'dir':
    case 'docker-daemon':
      throw new CoracleError('UNSUPPORTED', `commit to ${text}: ${transport}: is no destination here`, {
        hint: 'give a name, docker://NAME, oci:DIRECTORY, oci-archive:FILE or docker-archive:FILE',
      });
    default: {
      const [, path = '', name] = /^([^:]*)(?::(.+))?$/s.exec(rest) ?? [];
      const names = name === undefined ? [] : [nameToGive(name)];
      if (path === '') throw new CoracleError('USAGE', `commit to ${text}: no path`);
      return transport === 'oci'
        ? { kind: 'layout', path, names }
        : {
            kind: 'archive',
            format: transport === 'oci-archive' ? transport : 'docker-archive',
            path,
            names,
          };
    }
  }
}

/** Takes it there; an image without a place stays in the store without a name. */
export async function deliver(
  stores: Stores,
  image: ImageRecord,
  place: Destination | undefined,
  { access, onEvent }: Required<Pick<WorkingCommitRequest, 'access' | 'onEvent'>>,
): Promise<ImageRecord> {
  if (place === undefined) {
    stores.images.add(image);
    return stores.images.resolve(image.id);
  }
  if (place.kind === 'store') {
    stores.images.tag(image, place.name);
    return stores.images.resolve(place.name);
  }
  if (place.kind === 'registry') {
    const { pushImage } = await import('../transfer/push.js');
    await pushImage(stores, image, place.name, access ?? {}, onEvent ?? (() => undefined));
    return image;
  }
  const { writeArchive, writeLayout } = await import('../transfer/save.js');
  const images = [{ image, references: place.names }];
  if (place.kind === 'layout') await writeLayout(stores, images, place.path, {});
  else await writeArchive(stores, images, place.path, { format: place.format });
  return image;
}
