/** The member `linux` of a bundle's config.json. */
import { isGiven, listOf, refuseGiven, unsupported } from './bundle-guards.js';
import { type BundleResources, parseResources } from './bundle-resources.js';
import {
  invalid,
  optional,
  requireObject,
  requireSize,
  requireString,
  requireStringMap,
  requireStrings,
} from './guards.js';

const namespaceTypes = ['pid', 'network', 'mount', 'ipc', 'uts', 'user', 'cgroup'] as const;

export type BundleNamespaceType = (typeof namespaceTypes)[number];

/** `path` of one to join; else a new one is made. */
export type BundleNamespace = { readonly type: BundleNamespaceType; readonly path: string | undefined };

export type BundleIdRange = { readonly container: number; readonly host: number; readonly size: number };

export type BundleDevice = {
  readonly path: string;
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
};

export type BundleLinux = {
  /** Mounts of the host show below the root. */
  readonly rootSlave: boolean;
  readonly namespaces: readonly BundleNamespace[];
  readonly uidMappings: readonly BundleIdRange[];
  readonly gidMappings: readonly BundleIdRange[];
  readonly devices: readonly BundleDevice[];
  readonly sysctl: Readonly<Record<string, string>>;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly cgroupsPath: string;
  readonly resources: BundleResources;
  /** The profile's JSON, for lib/sandbox. */
  readonly seccomp: string | undefined;
};

/** Reads it. @throws INVALID, UNSUPPORTED */
export function parseLinux(value: unknown, where: string): BundleLinux {
  const linux = requireObject(value, where);
  for (const name of ['intelRdt', 'mountLabel', 'timeOffsets', 'netDevices', 'memoryPolicy'])
    refuseGiven(linux, name, where);
  checkPersonality(linux.personality, `${where}.personality`);
  return {
    rootSlave: parsePropagation(linux.rootfsPropagation, `${where}.rootfsPropagation`),
    namespaces: parseNamespaces(linux.namespaces, `${where}.namespaces`),
    uidMappings: parseRanges(linux.uidMappings, `${where}.uidMappings`),
    gidMappings: parseRanges(linux.gidMappings, `${where}.gidMappings`),
    devices: listOf(linux.devices, `${where}.devices`, parseDevice),
    sysctl: optional(linux.sysctl, `${where}.sysctl`, requireStringMap) ?? {},
    maskedPaths: listOf(linux.maskedPaths, `${where}.maskedPaths`, requireAbsolute),
    readonlyPaths: listOf(linux.readonlyPaths, `${where}.readonlyPaths`, requireAbsolute),
    cgroupsPath: optional(linux.cgroupsPath, `${where}.cgroupsPath`, requireString) ?? '',
    resources: parseResources(linux.resources ?? {}, `${where}.resources`),
    seccomp: optional(linux.seccomp, `${where}.seccomp`, parseSeccomp),
  };
}

function parsePropagation(value: unknown, where: string): boolean {
  const word = optional(value, where, requireString) ?? '';
  if (['slave', 'rslave'].includes(word)) return true;
  if (['', 'private', 'rprivate'].includes(word)) return false;
  throw unsupported(where, `${JSON.stringify(word)}: nothing that a container mounts shows outside`);
}

function checkPersonality(value: unknown, where: string): void {
  if (!isGiven(value)) return;
  const { domain, flags } = requireObject(value, where);
  if (domain !== 'LINUX' || isGiven(flags)) throw unsupported(where, 'only that of Linux itself');
}

function requireAbsolute(value: unknown, where: string): string {
  const path = requireString(value, where);
  if (!path.startsWith('/')) throw invalid(where, `${JSON.stringify(path)} is not absolute`);
  return path;
}

function parseNamespaces(value: unknown, where: string): readonly BundleNamespace[] {
  const namespaces = listOf(value, where, parseNamespace);
  const twice = namespaces.find(
    ({ type }, index) => namespaces.findIndex((other) => other.type === type) < index,
  );
  if (twice !== undefined) throw invalid(where, `${twice.type} is there twice`);
  const mount = namespaces.find(({ type }) => type === 'mount');
  if (mount === undefined) throw unsupported(where, 'without one of type mount');
  if (mount.path !== undefined) throw unsupported(where, 'one of type mount that is there already');
  return namespaces;
}

function parseNamespace(value: unknown, where: string): BundleNamespace {
  const namespace = requireObject(value, where);
  const given = requireString(namespace.type, `${where}.type`);
  if (given === 'time') throw unsupported(`${where}.type`, 'no namespaces of type time');
  const type = namespaceTypes.find((name) => name === given);
  if (type === undefined) throw invalid(`${where}.type`, `${JSON.stringify(given)} is no namespace`);
  const path = optional(namespace.path, `${where}.path`, requireString);
  return {
    type,
    path: path === undefined || path === '' ? undefined : requireAbsolute(path, `${where}.path`),
  };
}

/** As the kernel takes them: 340 at most, none empty. */
function parseRanges(value: unknown, where: string): readonly BundleIdRange[] {
  const ranges = listOf(value, where, parseRange);
  if (ranges.length > 340) throw invalid(where, `${ranges.length} ranges are more than 340`);
  return ranges;
}

function parseRange(value: unknown, where: string): BundleIdRange {
  const range = requireObject(value, where);
  const of = (name: string): number => requireSize(range[name], `${where}.${name}`);
  const [container, host, size] = [of('containerID'), of('hostID'), of('size')];
  if (size === 0 || container + size > 0x8000_0000 || host + size > 0xffff_ffff)
    throw invalid(where, `${container} ${host} ${size} is no range of ids`);
  return { container, host, size };
}

function parseDevice(value: unknown, where: string): BundleDevice {
  const device = requireObject(value, where);
  const type = requireString(device.type, `${where}.type`);
  if (type !== 'c' && type !== 'b' && type !== 'u')
    throw unsupported(`${where}.type`, `${JSON.stringify(type)}; c and b are`);
  return {
    path: requireAbsolute(device.path, `${where}.path`),
    type: type === 'b' ? 'b' : 'c',
    major: requireSize(device.major, `${where}.major`),
    minor: requireSize(device.minor, `${where}.minor`),
  };
}

function parseSeccomp(value: unknown, where: string): string {
  const profile = requireObject(value, where);
  for (const name of ['listenerPath', 'listenerMetadata', 'flags']) refuseGiven(profile, name, where);
  optional(profile.architectures, `${where}.architectures`, requireStrings);
  return JSON.stringify(profile);
}
