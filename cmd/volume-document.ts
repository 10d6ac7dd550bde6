/** A volume in the words of `podman volume inspect`. */
import type { VolumeView } from '../lib/index.js';

/** The fields that templates may use. */
export function volumeDocument(volume: VolumeView): Readonly<Record<string, unknown>> {
  const { name, mountpoint, created, labels = {}, options = {}, anonymous, backing, mounts } = volume;
  const { uid, gid } = backing.kind === 'bind' ? {} : backing;
  return {
    Name: name,
    Driver: 'local',
    Mountpoint: mountpoint,
    CreatedAt: created,
    Labels: labels,
    Scope: 'local',
    Options: options,
    ...(uid === undefined ? {} : { UID: uid }),
    ...(gid === undefined ? {} : { GID: gid }),
    ...(anonymous ? { Anonymous: true } : {}),
    MountCount: mounts,
    UsedBy: volume.containers,
  };
}
