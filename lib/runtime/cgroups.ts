/** Control groups: this runtime makes none, and says so where somebody counts on them. */
import { CoracleError } from '../errors.js';
import type { BundleLinux } from '../oci/bundle-linux.js';

export type CgroupManager = 'cgroupfs' | 'systemd' | 'disabled';

/**
 * Whether the configuration can do without. With the manager `disabled` the caller knows; what is left out then, in words.
 * @throws UNSUPPORTED naming the limit that would not hold.
 */
export function checkCgroups(linux: BundleLinux, manager: CgroupManager): readonly string[] {
  const [first] = linux.limits;
  if (manager === 'disabled')
    return first === undefined ? [] : [`limits are not applied: linux.resources.${linux.limits.join(', ')}`];
  if (first !== undefined)
    throw new CoracleError('UNSUPPORTED', `use linux.resources.${first}: containers have no cgroup here`, {
      hint: 'leave the limit out, or take --cgroup-manager disabled (podman run --cgroups=disabled)',
    });
  if (linux.cgroupsPath === '') return [];
  if (manager === 'cgroupfs') return [`no cgroup is made: linux.cgroupsPath ${linux.cgroupsPath}`];
  throw new CoracleError(
    'UNSUPPORTED',
    `use linux.cgroupsPath ${linux.cgroupsPath}: containers have no cgroup here`,
    {
      hint: 'take --cgroup-manager disabled (podman run --cgroups=disabled)',
    },
  );
}
