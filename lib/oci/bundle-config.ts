/**
 * A bundle's config.json from outside, read strictly: what has the wrong shape is INVALID, what is known to the
 * specification but cannot be done here is UNSUPPORTED by its name, and what the specification does not know is passed
 * over, as it demands. https://github.com/opencontainers/runtime-spec/blob/main/config.md
 */
import { listOf, refuseGiven, unsupported } from './bundle-guards.js';
import { type BundleHooks, parseHooks } from './bundle-hooks.js';
import { type BundleLinux, parseLinux } from './bundle-linux.js';
import { type BundleProcess, parseProcess } from './bundle-process.js';
import {
  invalid,
  optional,
  parseJson,
  requireBoolean,
  requireObject,
  requireString,
  requireStringMap,
  requireStrings,
} from './guards.js';

export type BundleMount = {
  /** Absolute. */
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
};

export type BundleConfig = {
  readonly process: BundleProcess;
  /** Relative to the bundle or absolute. */
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname: string | undefined;
  readonly domainname: string | undefined;
  /** In the order in which they are mounted. */
  readonly mounts: readonly BundleMount[];
  readonly hooks: BundleHooks;
  readonly linux: BundleLinux;
  readonly annotations: Readonly<Record<string, string>>;
};

/** Largest config.json read. */
export const largestConfig = 8 * 1024 * 1024;

/**
 * Reads the text of a config.json; `where` names it in messages.
 * @throws INVALID for what is no such document, UNSUPPORTED for what it asks in vain.
 */
export function parseBundleConfig(text: string, where: string): BundleConfig {
  const document = requireObject(parseJson(text, where), where);
  checkVersion(document.ociVersion, `${where}: ociVersion`);
  for (const platform of ['windows', 'solaris', 'vm', 'zos', 'freebsd']) {
    refuseGiven(document, platform, where);
  }
  const linux = parseLinux(document.linux ?? {}, `${where}: linux`);
  if (document.process === undefined || document.process === null) {
    throw invalid(`${where}: process`, 'there is nothing to run');
  }
  return {
    process: parseProcess(document.process, `${where}: process`),
    root: parseRoot(document.root, `${where}: root`),
    hostname: optional(document.hostname, `${where}: hostname`, requireName),
    domainname: optional(document.domainname, `${where}: domainname`, requireName),
    mounts: listOf(document.mounts, `${where}: mounts`, parseMount),
    hooks: parseHooks(document.hooks ?? {}, `${where}: hooks`),
    linux,
    annotations: optional(document.annotations, `${where}: annotations`, requireStringMap) ?? {},
  };
}

function checkVersion(value: unknown, where: string): void {
  const version = requireString(value, where);
  const [major] = /^(\d+)\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]*)?$/.exec(version)?.slice(1) ?? [];
  if (major === undefined) throw invalid(where, `${JSON.stringify(version)} is no version`);
  if (major !== '1') throw unsupported(where, `version ${version}; 1.x is read`);
}

function parseRoot(value: unknown, where: string): BundleConfig['root'] {
  const root = requireObject(value, where);
  const path = requireString(root.path, `${where}.path`);
  if (path === '' || path.includes('\0')) throw invalid(`${where}.path`, 'it names no directory');
  return { path, readonly: optional(root.readonly, `${where}.readonly`, requireBoolean) ?? false };
}

/** The kernel takes 64 bytes. */
function requireName(value: unknown, where: string): string {
  const name = requireString(value, where);
  if (Buffer.byteLength(name) > 64 || name.includes('\0')) throw invalid(where, 'more than 64 bytes');
  return name;
}

function parseMount(value: unknown, where: string): BundleMount {
  const mount = requireObject(value, where);
  const destination = requireString(mount.destination, `${where}.destination`);
  if (!destination.startsWith('/'))
    throw invalid(`${where}.destination`, `${JSON.stringify(destination)} is not absolute`);
  refuseGiven(mount, 'uidMappings', where);
  refuseGiven(mount, 'gidMappings', where);
  return {
    destination,
    type: optional(mount.type, `${where}.type`, requireString) ?? '',
    source: optional(mount.source, `${where}.source`, requireString) ?? '',
    options: optional(mount.options, `${where}.options`, requireStrings) ?? [],
  };
}
