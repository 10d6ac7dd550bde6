/** Further verbs of images; `Coracle` has them too. Each loads what it needs. */
import type { HistoryLine } from '../image/image-history.js';
import type { CopyImageRequest, CopyImageResult } from './copy-image.js';
import type { PruneImagesRequest, PruneImagesResult } from './prune.js';
import type { SearchRequest, SearchResult } from './search.js';
import { StoreVerbs } from './store-verbs.js';

export abstract class ImageVerbs extends StoreVerbs {
  /** How an image came about, its newest step first. @throws NOT_FOUND */
  async imageHistory(image: string): Promise<{
    readonly id: string;
    readonly names: readonly string[];
    readonly lines: readonly HistoryLine[];
  }> {
    const { history } = await import('./image-questions.js');
    return history(this.session, image);
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
}
