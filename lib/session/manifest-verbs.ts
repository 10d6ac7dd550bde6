/** The verbs of manifest lists and artifacts; `Coracle` has them too. Each loads what it needs. */
import type { EntryChange } from '../oci/index-edit.js';
import type { RegistryAccess } from '../transfer/registry-access.js';
import type { CopyImageRequest } from './copy-image.js';
import { ImageVerbs } from './image-verbs.js';
import type { AddArtifactRequest, AddToListRequest, ListRequest } from './manifest-lists.js';

export abstract class ManifestVerbs extends ImageVerbs {
  /** Makes a list of images for several platforms. Resolves with its digest. @throws CONFLICT */
  async createList(
    list: string,
    images: readonly string[] = [],
    request: ListRequest & {
      readonly amend?: boolean | undefined;
      readonly annotations?: Readonly<Record<string, string>> | undefined;
    } = {},
  ): Promise<string> {
    const { createList } = await import('./manifest-lists.js');
    return createList(this.session, list, images, request);
  }

  /** Adds an image of the store, a registry or another place to a list. Resolves with the list's digest. */
  async addToList(list: string, image: string, request: AddToListRequest = {}): Promise<string> {
    const { addToList } = await import('./manifest-lists.js');
    return addToList(this.session, list, image, request);
  }

  /** Makes an artifact of files and adds it to a list. Resolves with the list's digest. */
  async addArtifactToList(
    list: string,
    files: readonly string[],
    request: AddArtifactRequest = {},
  ): Promise<string> {
    const { addArtifactToList } = await import('./manifest-lists.js');
    return addArtifactToList(this.session, list, files, request);
  }

  /** Says more of an image in a list; without an image, of the list. Resolves with the list's digest. */
  async annotateList(
    list: string,
    image: string | undefined,
    change: EntryChange & { readonly subject?: string | undefined },
  ): Promise<string> {
    const { annotateList } = await import('./manifest-lists.js');
    return annotateList(this.session, list, image, change);
  }

  /** Takes an image out of a list, by digest or name. Resolves with the list's digest. @throws NOT_FOUND */
  async removeFromList(list: string, image: string): Promise<string> {
    const { removeFromList } = await import('./manifest-lists.js');
    return removeFromList(this.session, list, image);
  }

  /** Pushes a list with its images, or with `multiArch: 'index-only'` without. Resolves with its digest there. */
  async pushList(list: string, destination?: string, request: CopyImageRequest = {}): Promise<string> {
    const { pushList } = await import('./manifest-lists.js');
    return pushList(this.session, list, destination, request);
  }

  /** The manifest or list of a name as its bytes are: of the store, else of a registry. */
  async rawManifest(name: string, access: RegistryAccess = {}): Promise<string> {
    const { rawManifest } = await import('./manifest-lists.js');
    return rawManifest(this.session, name, access);
  }

  async listExists(list: string): Promise<boolean> {
    const { listExists } = await import('./manifest-lists.js');
    return listExists(this.session, list);
  }

  /** Removes a list; images with names stay. Resolves with its full reference. @throws NOT_FOUND */
  async removeList(list: string): Promise<string> {
    const { removeList } = await import('./manifest-lists.js');
    return removeList(this.session, list);
  }
}
