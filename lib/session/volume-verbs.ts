/** The verbs of volumes; `Coracle` has them too. Each loads what it needs. */
import type { ArchiveSource } from '../transfer/archive-source.js';
import { NetworkVerbs } from './network-verbs.js';
import type { CreateVolumeRequest, RemoveVolumeRequest, VolumeView } from './volumes.js';

export abstract class VolumeVerbs extends NetworkVerbs {
  /** Makes a volume and resolves with its name. @throws CONFLICT when the name is taken */
  async createVolume(request: CreateVolumeRequest = {}): Promise<string> {
    const { createVolume } = await import('./volumes.js');
    return createVolume(this.session, request);
  }

  /** All volumes, in the order of their names. */
  async volumes(): Promise<readonly VolumeView[]> {
    const { listVolumes } = await import('./volumes.js');
    return listVolumes(this.session);
  }

  /** A volume by its name, or the beginning of it. @throws NOT_FOUND */
  async volume(name: string): Promise<VolumeView> {
    const { findVolume } = await import('./volumes.js');
    return findVolume(this.session, name);
  }

  async volumeExists(name: string): Promise<boolean> {
    const { volumeExists } = await import('./volumes.js');
    return volumeExists(this.session, name);
  }

  /** Removes a volume and resolves with its name. @throws NOT_FOUND, IN_USE */
  async removeVolume(name: string, request: RemoveVolumeRequest = {}): Promise<string> {
    const { removeVolume } = await import('./volumes.js');
    return removeVolume(this.session, name, request);
  }

  /** Removes volumes that no container has: those that `wanted` agrees to. */
  async pruneVolumes(
    wanted: (volume: VolumeView) => boolean,
  ): Promise<{ readonly removed: readonly string[]; readonly bytes: number }> {
    const { pruneVolumes } = await import('./volumes.js');
    return pruneVolumes(this.session, wanted);
  }

  /** Writes a volume's files as a tar to a file, or to standard output for `-`. */
  async exportVolume(name: string, destination: string): Promise<void> {
    const { exportVolume } = await import('./volumes.js');
    await exportVolume(this.session, name, destination);
  }

  /** Unpacks a tar, which may be compressed, over a volume's files: a path, `-` for standard input, or bytes. */
  async importVolume(
    name: string,
    source: ArchiveSource,
    request: { readonly onWarning?: (text: string) => void } = {},
  ): Promise<void> {
    const { importVolume } = await import('./volumes.js');
    await importVolume(this.session, name, source, request.onWarning);
  }

  /** The volume whose files are to be reached from this host; nothing needs mounting for it. */
  async mountVolume(name: string): Promise<VolumeView> {
    const { mountedVolume } = await import('./volumes.js');
    return mountedVolume(this.session, name, 'mount');
  }

  /** The counterpart of `mountVolume`. */
  async unmountVolume(name: string): Promise<VolumeView> {
    const { mountedVolume } = await import('./volumes.js');
    return mountedVolume(this.session, name, 'unmount');
  }
}
