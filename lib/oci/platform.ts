/**
 * Platforms: parsing, one spelling per architecture, and which entry of an index suits a machine.
 * Names and preferences follow containerd/platforms; an arm64 machine also takes 32 bit images, amd64 also 386.
 */
import { CoracleError } from '../errors.js';
import { optional, present, requireObject, requireString, requireStrings } from './guards.js';

/** What an image runs on, in Go's names. */
export type Platform = {
  readonly architecture: string;
  readonly os: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
  /** CPU variant, e.g. `v7`. */
  readonly variant?: string;
};

const component = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
const knownSystems = ['linux', 'windows', 'darwin', 'freebsd', 'netbsd', 'openbsd', 'wasip1'];
const nodeArchitectures: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  arm: 'arm',
  arm64: 'arm64',
  ppc64: 'ppc64le',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loong64',
  mipsel: 'mipsle',
};
const knownArchitectures = [...Object.values(nodeArchitectures), 'mips64le', 'ppc64', 'wasm'];

/** The platform object of a descriptor or config, or INVALID. Unknown names pass; they just match nothing. */
export function parsePlatformRecord(value: unknown, where: string): Platform {
  const record = requireObject(value, where);
  return {
    architecture: requireString(record.architecture, `${where}.architecture`),
    os: requireString(record.os, `${where}.os`),
    ...present('os.version', optional(record['os.version'], `${where}.os.version`, requireString)),
    ...present('os.features', optional(record['os.features'], `${where}.os.features`, requireStrings)),
    ...present('variant', optional(record.variant, `${where}.variant`, requireString) || undefined),
  };
}

/** This machine's platform, from Node's name of its architecture. */
export function hostPlatform(nodeArchitecture: string = process.arch): Platform {
  const architecture = nodeArchitectures[nodeArchitecture] ?? nodeArchitecture;
  return { architecture, os: 'linux', ...present('variant', architecture === 'arm' ? 'v7' : undefined) };
}

/**
 * Reads `OS/ARCH[/VARIANT]`, or `OS` or `ARCH` alone with the rest from `host`, into one spelling.
 * Throws USAGE, as people type these.
 */
export function parsePlatform(text: string, host: Platform = hostPlatform()): Platform {
  const parts = text.split('/');
  const [first = '', second, variant] = parts;
  if (parts.length > 3 || !parts.every((part) => component.test(part))) throw badPlatform(text);
  if (second !== undefined) {
    return normalizePlatform({ os: first, architecture: second, ...present('variant', variant) });
  }
  const os = first.toLowerCase();
  if (knownSystems.includes(os) || os === 'macos') return normalizePlatform({ ...host, os });
  const platform = normalizePlatform({ os: host.os, architecture: first });
  if (!knownArchitectures.includes(platform.architecture)) throw badPlatform(text);
  return platform;
}

function badPlatform(text: string): CoracleError {
  return new CoracleError(
    'USAGE',
    `parse platform ${JSON.stringify(text)}: expected OS/ARCH or OS/ARCH/VARIANT`,
    {
      hint: 'for example linux/amd64 or linux/arm64',
    },
  );
}

/** `OS/ARCH[/VARIANT]` in the one spelling. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = normalizePlatform(platform);
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('/');
}

/** One spelling: `x86_64` is amd64, `aarch64` arm64, `armhf` arm/v7; the variants amd64/v1 and arm64/v8 are implied. */
export function normalizePlatform(platform: Platform): Platform {
  const { os: givenOs, architecture: givenArchitecture, variant: givenVariant, ...rest } = platform;
  const os = givenOs.toLowerCase() === 'macos' ? 'darwin' : givenOs.toLowerCase();
  const [architecture, variant] = normalizeArchitecture(
    givenArchitecture.toLowerCase(),
    (givenVariant ?? '').toLowerCase(),
  );
  return { os, architecture, ...rest, ...present('variant', variant === '' ? undefined : variant) };
}

function normalizeArchitecture(architecture: string, variant: string): readonly [string, string] {
  switch (architecture) {
    case 'i386':
    case 'i686':
      return ['386', ''];
    case 'x86_64':
    case 'x86-64':
    case 'amd64':
      return ['amd64', variant === 'v1' ? '' : variant];
    case 'aarch64':
    case 'arm64':
      return ['arm64', variant === '8' || variant === 'v8' ? '' : variant];
    case 'armhf':
      return ['arm', 'v7'];
    case 'armel':
      return ['arm', 'v6'];
    case 'armv5l':
    case 'armv6l':
    case 'armv7l':
    case 'armv5':
    case 'armv6':
    case 'armv7':
      return ['arm', architecture.slice(3, 5)];
    case 'arm':
      return ['arm', variant === '' ? 'v7' : variant.replace(/^(\d+)$/, 'v$1')];
    default:
      return [architecture, variant];
  }
}

/** Platforms a machine of `wanted` can run, best first. */
export function acceptablePlatforms(wanted: Platform): readonly Platform[] {
  const platform = normalizePlatform(wanted);
  const { os, architecture, variant } = platform;
  const level = Number(/^v(\d{1,2})$/.exec(variant ?? '')?.[1] ?? Number.NaN);
  switch (architecture) {
    case 'amd64':
      return [platform, ...lowerVariants(os, 'amd64', level, 1), { os, architecture: '386' }];
    case 'arm64':
      return [
        platform,
        ...lowerVariants(os, 'arm64', level, 8),
        { os, architecture: 'arm', variant: 'v8' },
        ...lowerVariants(os, 'arm', 8, 5),
      ];
    case 'arm':
      return [platform, ...lowerVariants(os, 'arm', level, 5)];
    default:
      return [platform];
  }
}

function lowerVariants(os: string, architecture: string, level: number, lowest: number): Platform[] {
  const count = Number.isNaN(level) ? 0 : Math.max(0, level - lowest);
  const variants = Array.from({ length: count }, (_, index) => `v${level - 1 - index}`);
  return variants.map((variant) => normalizePlatform({ os, architecture, variant }));
}

/** Whether an image for `offered` runs on a machine of `wanted`. */
export function matchesPlatform(offered: Platform, wanted: Platform): boolean {
  return rank(offered, acceptablePlatforms(wanted)) >= 0;
}

/**
 * The best entry of an index for a machine, undefined when none suits. Attestations and entries of unknown
 * platform lose to every entry that names a fitting one; an entry that names no platform at all is the last choice.
 */
export function selectPlatform<
  T extends { readonly platform?: Platform; readonly annotations?: Readonly<Record<string, string>> },
>(entries: readonly T[], wanted: Platform): T | undefined {
  const accepted = acceptablePlatforms(wanted);
  let best: { readonly entry: T; readonly rank: number } | undefined;
  for (const entry of entries) {
    if (entry.annotations?.['vnd.docker.reference.type'] !== undefined) continue;
    const found = entry.platform === undefined ? accepted.length : rank(entry.platform, accepted);
    if (found >= 0 && (best === undefined || found < best.rank)) best = { entry, rank: found };
  }
  return best?.entry;
}

function rank(offered: Platform, accepted: readonly Platform[]): number {
  const { os, architecture, variant } = normalizePlatform(offered);
  return accepted.findIndex(
    (wanted) => wanted.os === os && wanted.architecture === architecture && wanted.variant === variant,
  );
}
