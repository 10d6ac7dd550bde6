/**
 * The plan of a container's next start, kept with all it was made from: the launcher (native/programs/launcher-start.c) starts the
 * container with it as long as nothing of that has changed, and Node.js is not needed. Where anything differs, is missing or
 * fails, the start is done anew here. Form: native/PROTOCOL.md 2.11.
 */
import { realpathSync, rmSync, statSync } from 'node:fs';
import { hasErrno, ioError } from '../errors.js';
import { writeFileAtomic } from '../host/files.js';
import { hostInterfaces } from '../host/interfaces.js';
import type { Environment } from '../host/paths.js';
import { nativePath } from '../native/location.js';
import { encodePlan, type PlanRecord } from '../native/plan.js';
import type { ContainerRecord } from './record.js';
import { type ContainerStores, containerPlaces } from './stores.js';

/** Variables that decide what a start is made of. */
const variables = ['HOME', 'PATH', 'XDG_CACHE_HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_RUNTIME_DIR'];
/** Files of the host that do. */
const hostFiles = [
  '/etc/resolv.conf',
  '/run/systemd/resolve/resolv.conf',
  '/etc/hosts',
  '/etc/subuid',
  '/etc/subgid',
  '/etc/passwd',
  '/dev/net/tun',
];

/** What the launcher itself tells us, and where the store is, which it knows. */
const ofLauncher = ['CORACLE_DESCRIPTORS', 'CORACLE_EXTRA_CA_CERTS', 'CORACLE_ROOT'];

/**
 * Whether such a plan holds for another start: it has nothing that belongs to one start alone, depends on other containers,
 * on volumes or on files that are not looked at.
 */
export function isRepeatable(record: ContainerRecord, env: Environment): boolean {
  const { network, log, options, autoRemove, volumes } = record;
  const own = Object.keys(env).filter((name) => name.startsWith('CORACLE_') && !ofLauncher.includes(name));
  const parts = [
    ...[record.secrets, record.images, record.networkContainer, record.sharedNamespaces],
    ...[record.userContainer, record.userNamespace, options.pod, options.hostsFile, options.hostUsers],
    ...[options.timezone, options.cdiSpecDirectories, options.passwdEntry, options.groupEntry],
  ];
  return (
    own.length === 0 &&
    env.NOTIFY_SOCKET === undefined &&
    parts.every((part) => part === undefined || (Array.isArray(part) && part.length === 0)) &&
    !autoRemove &&
    log?.driver !== 'passthrough' &&
    volumes.length === 0 &&
    (options.devices ?? []).length === 0 &&
    (options.mounts ?? []).every(({ type }) => type === 'bind' || type === 'tmpfs') &&
    ['none', 'host', 'pasta', 'slirp4netns'].includes(network)
  );
}

/** Keeps the plan; one that cannot be described in the file's form is not kept. */
export function writePrepared(
  stores: Pick<ContainerStores, 'paths' | 'runtime' | 'env'>,
  record: ContainerRecord,
  plan: readonly PlanRecord[],
): void {
  const { directory, socketDirectory } = containerPlaces(stores, record.id);
  const program = realpathSync(nativePath('coracle-sv'));
  const lines = [
    'coracle-prepared 1',
    `name ${record.name}`,
    `program ${program}`,
    `socket ${socketDirectory}`,
    ...variables.map((name) => line('env', name, stores.env[name])),
    ...[
      `${directory}/container.json`,
      program,
      process.argv[1] ?? '',
      configFile(stores.env),
      ...hostFiles,
    ].flatMap((path) => (path === '' ? [] : [stamp(path)])),
    `addresses ${addresses()}`,
  ];
  const path = `${directory}/prepared`;
  if (lines.some((text) => text.includes('\n') || text.includes('\0'))) return rmSync(path, { force: true });
  writeFileAtomic(path, Buffer.concat([Buffer.from(`${lines.join('\n')}\n\n`), encodePlan(plan)]));
}

function line(kind: string, name: string, value: string | undefined): string {
  return value === undefined ? `un${kind} ${name}` : `${kind} ${name} ${value}`;
}

/** What tells a file from another, or from itself as it was. Links are followed. */
function stamp(path: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return `file ${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs} ${path}`;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return `absent ${path}`;
    throw ioError(`read ${path}`, error);
  }
}

function configFile(env: Environment): string {
  if (env.XDG_CONFIG_HOME?.startsWith('/')) return `${env.XDG_CONFIG_HOME}/coracle/config.json`;
  return env.HOME === undefined ? '' : `${env.HOME}/.config/coracle/config.json`;
}

/** The host's addresses with their prefixes, sorted. */
function addresses(): string {
  const all = Object.values(hostInterfaces()).flatMap((each) => each ?? []);
  return [...new Set(all.map(({ address, cidr }) => `${address}/${cidr?.split('/')[1] ?? ''}`))]
    .sort()
    .join(',');
}
