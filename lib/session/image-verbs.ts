/** Further verbs of images; `Coracle` has them too. Each loads what it needs. */
import type { HistoryLine } from '../image/image-history.js';
import type { ImagePlatform } from '../image/image-platforms.js';
import type { Change } from '../layer/layer-changes.js';
import type { CopyImageRequest, CopyImageResult } from './copy-image.js';
import type { ImageLayers } from './image-questions.js';
import type { MountedContainer } from './mounts.js';
import type { PruneImagesRequest, PruneImagesResult } from './prune.js';
import type { SearchRequest, SearchResult } from './search.js';
import { StoreVerbs } from './store-verbs.js';
import type { TrustChange, TrustView } from './trust.js';

export abstract class ImageVerbs extends StoreVerbs {
  /** How an image came about, its newest step first; of an index this machine's, or the one for `platform`. @throws NOT_FOUND */
  async imageHistory(
    image: string,
    platform?: string,
  ): Promise<{
    readonly id: string;
    readonly names: readonly string[];
    readonly lines: readonly HistoryLine[];
  }> {
    const { history } = await import('./image-questions.js');
    return history(this.session, image, platform);
  }

  /** Takes names away, all of them when none is given; the image stays. Resolves with the full references. @throws NOT_FOUND */
  async untag(image: string, names: readonly string[] = []): Promise<readonly string[]> {
    const { untag } = await import('./images.js');
    return untag(this.session, image, names);
  }

  /** Removes images without a name, or with `all` every one, that no container uses. */
  async pruneImages(request: PruneImagesRequest = {}): Promise<PruneImagesResult> {
    const { pruneImagesAlone } = await import('./prune.js');
    return pruneImagesAlone(this.session, request);
  }

  /**
   * Copies an image between two places: `docker://NAME`, `oci:PATH[:NAME]`, `oci-archive:`, `docker-archive:`, `dir:PATH`, or
   * `store:NAME`. Nothing is unpacked, and digests are kept where nothing has to be compressed or converted.
   */
  async copyImage(from: string, to: string, request: CopyImageRequest = {}): Promise<CopyImageResult> {
    const { copyImage } = await import('./copy-image.js');
    return copyImage(this.session, from, to, request);
  }

  /** What policy.json demands of images. Opens no store. */
  async showTrust(signaturePolicy?: string): Promise<TrustView> {
    const { showTrust } = await import('./trust.js');
    return showTrust(this.session, signaturePolicy);
  }

  /** Sets what is demanded of a registry, a namespace or image of one, or by `default`. Resolves with the file. */
  async setTrust(scope: string, change: TrustChange): Promise<string> {
    const { setTrust } = await import('./trust.js');
    return setTrust(this.session, scope, change);
  }

  /** Makes a pair of keys to sign with, `PREFIX.private` and `PREFIX.pub`. @throws CONFLICT */
  async generateKey(prefix: string, passphrase: string): Promise<readonly [string, string]> {
    const { generateKey } = await import('./generate-key.js');
    return generateKey(prefix, passphrase);
  }

  /** Repositories with a term in their names: `TERM` at Docker Hub, `REGISTRY/TERM`, or `REGISTRY/` for all. Opens no store. */
  async search(term: string, request: SearchRequest = {}): Promise<readonly SearchResult[]> {
    const { search } = await import('./search.js');
    return search(this.session, term, request);
  }

  /** The tags of a repository. Opens no store. */
  async repositoryTags(
    repository: string,
    request: SearchRequest = {},
  ): Promise<{ readonly name: string; readonly tags: readonly string[] }> {
    const { repositoryTags } = await import('./search.js');
    return repositoryTags(this.session, repository, request);
  }

  /** The layers of an image, the lowest first; with `above` those that other images have above them. @throws NOT_FOUND */
  async imageLayers(image: string, request: { readonly above?: boolean } = {}): Promise<ImageLayers> {
    const { imageLayers } = await import('./image-questions.js');
    return imageLayers(this.session, image, request.above ?? false);
  }

  /** What the uppermost layer of an image changes; with `base` what differs from that image. @throws NOT_FOUND */
  async imageChanges(image: string, base?: string): Promise<readonly Change[]> {
    const { imageChanges } = await import('./image-questions.js');
    return imageChanges(this.session, image, base);
  }

  /** Mounts an image, read-only, for programs of this host; resolves with the mount point. @throws HOST outside of `unshare` */
  async mountImage(image: string): Promise<string> {
    const { mountImage } = await import('./image-mounts.js');
    return mountImage(this.session, image);
  }

  /** Unmounts it; false when it was not mounted. @throws IO while something uses it */
  async unmountImage(image: string): Promise<boolean> {
    const { unmountImage } = await import('./image-mounts.js');
    return unmountImage(this.session, image);
  }

  /** The images that are mounted here. */
  async mountedImages(): Promise<readonly MountedContainer[]> {
    const { mountedImages } = await import('./image-mounts.js');
    return mountedImages(this.session);
  }

  /** The images of the list that a name stands for; nothing where it is a single image. */
  async imagePlatforms(image: string): Promise<readonly ImagePlatform[]> {
    const { imagePlatforms } = await import('../image/image-platforms.js');
    const { content, images } = await this.session.stores();
    const entry = images.findEntry(image);
    return entry === undefined ? [] : imagePlatforms(entry.descriptor, content);
  }
}
