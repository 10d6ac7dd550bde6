/** A platform given in parts, as podman and skopeo take it besides `--platform`. */
import { CoracleError } from '../../lib/index.js';

export type PlatformParts = {
  readonly os: string | undefined;
  readonly architecture: string | undefined;
  readonly variant: string | undefined;
};

/** `OS/ARCH[/VARIANT]` of what was given; undefined when nothing was. `names` are the flags. @throws USAGE */
export function joinPlatform(
  { os, architecture, variant }: PlatformParts,
  names: { readonly architecture: string; readonly variant: string },
): string | undefined {
  if (architecture !== undefined)
    return [os ?? 'linux', architecture, ...(variant === undefined ? [] : [variant])].join('/');
  if (variant === undefined) return os;
  throw new CoracleError('USAGE', `use ${names.variant}: it needs ${names.architecture}`);
}

/** `--platform`, or the same in `--os`, `--arch` and `--variant`. @throws USAGE for both */
export function readPlatform(values: {
  readonly platform: string | undefined;
  readonly os: string | undefined;
  readonly arch: string | undefined;
  readonly variant: string | undefined;
}): string | undefined {
  const { platform, os, arch: architecture, variant } = values;
  const parts = joinPlatform({ os, architecture, variant }, { architecture: '--arch', variant: '--variant' });
  if (platform === undefined) return parts;
  if (parts === undefined) return platform;
  throw new CoracleError('USAGE', 'use --platform and --os, --arch or --variant: only one of them at a time');
}
