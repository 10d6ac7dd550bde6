/** Which extended attributes travel between layers and files (native.md S25). */

/** Kept by the storage drivers for themselves: a layer that set them could forge whiteouts, owners and redirects. */
const driverPrefixes = [
  'user.overlay.',
  'user.fuseoverlayfs.',
  'user.containers.',
  'user.rootlesscontainers',
];

/** True for file capabilities and the user's own attributes; everything else stays behind. */
export function isLayerXattr(name: string): boolean {
  if (name === 'security.capability') return true;
  return name.startsWith('user.') && !driverPrefixes.some((prefix) => name.startsWith(prefix));
}
