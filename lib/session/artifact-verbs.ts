/** The verbs of artifacts; `Coracle` has them too. Each loads what it needs. */
import type { Descriptor } from '../oci/descriptor.js';
import type { RegistryAccess } from '../transfer/registry-access.js';
import type { AddFilesRequest, Artifact, FileChoice } from './artifacts.js';
import type { CopyImageRequest } from './copy-image.js';
import { ManifestVerbs } from './manifest-verbs.js';

export abstract class ArtifactVerbs extends ManifestVerbs {
  /** Makes an artifact of files. Resolves with its digest. @throws CONFLICT where the name is taken */
  async addArtifact(name: string, files: readonly string[], request: AddFilesRequest = {}): Promise<string> {
    const { addArtifact } = await import('./artifacts.js');
    return addArtifact(this.session, name, files, request);
  }

  /** All artifacts of the store, in the order of their names. */
  async artifacts(): Promise<readonly Artifact[]> {
    const { listArtifacts } = await import('./artifacts.js');
    return listArtifacts(this.session);
  }

  /** An artifact by name, or by its digest or at least twelve digits of it. @throws NOT_FOUND */
  async artifact(name: string): Promise<Artifact> {
    const { getArtifact } = await import('./artifacts.js');
    return getArtifact(this.session, name);
  }

  /** Takes a name away, and the artifact with its last one. Resolves with its digest. @throws NOT_FOUND */
  async removeArtifact(name: string): Promise<string> {
    const { removeArtifact } = await import('./artifacts.js');
    return removeArtifact(this.session, name);
  }

  /** What at a registry refers to an image or artifact there. @throws NOT_FOUND */
  async referrers(
    name: string,
    request: { readonly type?: string | undefined; readonly access?: RegistryAccess | undefined } = {},
  ): Promise<readonly Descriptor[]> {
    const { referrers } = await import('./search.js');
    return referrers(this.session, name, request);
  }

  /** Fetches an artifact from its registry. Resolves with its digest. @throws UNSUPPORTED for a container image */
  async pullArtifact(name: string, request: CopyImageRequest = {}): Promise<string> {
    const { pullArtifact } = await import('./artifacts.js');
    return pullArtifact(this.session, name, request);
  }

  /** Pushes an artifact, by default under its own name. Resolves with its digest. */
  async pushArtifact(name: string, destination?: string, request: CopyImageRequest = {}): Promise<string> {
    const { pushArtifact } = await import('./artifacts.js');
    return pushArtifact(this.session, name, destination, request);
  }

  /** Writes the files of an artifact into a directory, or one to a path. Resolves with the paths. */
  async extractArtifact(name: string, target: string, choice: FileChoice = {}): Promise<readonly string[]> {
    const { extractArtifact } = await import('./artifacts.js');
    return extractArtifact(this.session, name, target, choice);
  }
}
