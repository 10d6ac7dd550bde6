/** A container from a bundle, up to the point where its process only waits for the word to start. */
import { mkdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { ensureDirectory, readBytes, writeFileAtomic } from '../host/files.js';
import { cacheDirectory } from '../host/paths.js';
import { bootId, startTicks } from '../host/process.js';
import { type BundleStart, startBundle, type Warning } from '../native/bundle.js';
import { holdLock } from '../native/lock.js';
import { type BundleConfig, largestConfig, parseBundleConfig } from '../oci/bundle-config.js';
import type { BundleDevice } from '../oci/bundle-linux.js';
import { seccompFilter } from '../sandbox/seccomp.js';
import { defaultDevices, planBundle, rootPath } from './bundle-plan.js';
import { enterNewCgroup, removeCgroup } from './cgroup-files.js';
import { type CgroupDecision, type CgroupManager, chooseCgroup, readCgroupFacts } from './cgroups.js';
import { runAllHooks, runHooks } from './hooks.js';
import type { Caller } from './id-records.js';
import { type ContainerPlaces, containerPlaces } from './places.js';
import { type ContainerRecord, stateOf, writeRecord } from './records.js';

export type CreateOptions = {
  readonly bundle: string;
  readonly consoleSocket?: string | undefined;
  readonly pidFile?: string | undefined;
  readonly preserveFds?: number | undefined;
  readonly cgroups: CgroupManager;
};

export type CreatedContainer = {
  readonly warnings: readonly string[];
  /** Mode `child`: waits for the process, whose exit code it gives. */
  readonly ended: () => Promise<number>;
};

/**
 * Creates it. In mode `detach` whoever adopts orphans here is the parent of its process then; in mode `child` the native
 * program stays for as long as it runs.
 * @throws CONFLICT when there is one of that name; INVALID, UNSUPPORTED, START. Nothing is left of it then.
 */
export async function createContainer(
  root: string,
  id: string,
  options: CreateOptions,
  mode: 'detach' | 'child',
): Promise<CreatedContainer> {
  const places = containerPlaces(root, id);
  const bundle = realDirectory(options.bundle);
  const text = readConfigText(bundle);
  const config = parseBundleConfig(text, 'config.json');
  const cgroup = chooseCgroup(id, config.linux, options.cgroups, readCgroupFacts());
  checkTerminal(config, options, mode);
  config.linux.devices.filter(({ path }) => !defaultDevices.includes(path)).forEach(checkDevice);
  reserve(root, places);
  const lock = holdLock(places.lock, { wait: true });
  try {
    writeFileAtomic(places.config, text);
    const hold = cgroup.wish.kind !== 'none';
    const records = await planOf(places, bundle, config, options, { mode, hold });
    const start = startBundle('oci-create', records);
    return await carryThrough(places, bundle, config, options, { start, cgroup, mode });
  } catch (error) {
    rmSync(places.directory, { recursive: true, force: true });
    throw error;
  } finally {
    lock?.release();
  }
}

function realDirectory(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw ioError(`open bundle ${path}`, error);
  }
}

function readConfigText(bundle: string): string {
  const path = join(bundle, 'config.json');
  const bytes = readBytes(path, largestConfig);
  if (bytes !== undefined) return bytes.toString();
  throw new CoracleError('NOT_FOUND', `open bundle ${bundle}: it has no config.json`, {
    hint: 'name its directory with --bundle; coracle oci spec makes a config.json',
  });
}

function checkTerminal(config: BundleConfig, options: CreateOptions, mode: 'detach' | 'child'): void {
  const { terminal } = config.process;
  if (terminal && mode === 'detach' && options.consoleSocket === undefined)
    throw new CoracleError('USAGE', 'open terminal: process.terminal is true, and nobody takes it', {
      hint: 'give --console-socket, or make process.terminal false',
    });
  if (!terminal && options.consoleSocket !== undefined)
    throw new CoracleError('USAGE', 'use --console-socket: process.terminal is false');
}

/** A node cannot be made in a user namespace: that of the host is shown, if it is the one that was meant. */
function checkDevice(device: BundleDevice): void {
  const found = statSync(device.path, { throwIfNoEntry: false });
  const [major, minor] = found === undefined ? [] : splitNumber(found.rdev);
  const kind = found?.isCharacterDevice() === true ? 'c' : found?.isBlockDevice() === true ? 'b' : '';
  if (kind === device.type && major === device.major && minor === device.minor) return;
  throw new CoracleError(
    'UNSUPPORTED',
    `add device ${device.path}: this host has no ${device.type} ${device.major}:${device.minor} there`,
  );
}

function splitNumber(rdev: number): readonly [number, number] {
  const wide = BigInt(rdev);
  const major = ((wide >> 8n) & 0xfffn) | ((wide >> 32n) & ~0xfffn);
  const minor = (wide & 0xffn) | ((wide >> 12n) & ~0xffn);
  return [Number(major), Number(minor & 0xffff_ffffn)];
}

function reserve(root: string, { id, directory }: ContainerPlaces): void {
  ensureDirectory(root);
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw ioError(`create ${directory}`, error);
    throw new CoracleError('CONFLICT', `create container ${id}: there is one of that name already`);
  }
}

async function planOf(
  places: ContainerPlaces,
  bundle: string,
  config: BundleConfig,
  options: CreateOptions,
  { mode, hold }: { readonly mode: 'detach' | 'child'; readonly hold: boolean },
): Promise<ReturnType<typeof planBundle>> {
  return planBundle({
    id: places.id,
    bundle,
    directory: places.directory,
    config,
    caller: readCaller(),
    mode,
    hold,
    console: options.consoleSocket,
    seccompFile: await filterOf(places, config.linux.seccomp),
    preserveFds: options.preserveFds ?? 0,
    state: stateAround(places, bundle, config),
  });
}

function readCaller(): Caller {
  return {
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    uidMap: readFileSync('/proc/self/uid_map', 'latin1'),
    gidMap: readFileSync('/proc/self/gid_map', 'latin1'),
  };
}

/** The compiled filter of a container, undefined where it has none. */
export async function filterOf(
  places: ContainerPlaces,
  profile: string | undefined,
): Promise<string | undefined> {
  if (profile === undefined) return undefined;
  writeFileAtomic(places.seccomp, profile);
  const cache = process.env.HOME ? cacheDirectory(process.env) : places.directory;
  return (await seccompFilter({ kind: 'file', path: places.seccomp }, [], cache)).program;
}

/** The state as the native program tells it to hooks: it puts status and pid in. */
function stateAround(
  places: ContainerPlaces,
  bundle: string,
  config: BundleConfig,
): readonly [string, string] {
  const { ociVersion } = stateOf(places, undefined, 'creating');
  const begin = JSON.stringify({ ociVersion, id: places.id }).replace(/\}$/, ',');
  const end = JSON.stringify({ bundle, annotations: config.annotations }).replace(/^\{/, ',');
  return [begin, end];
}

type Creation = {
  readonly start: BundleStart;
  readonly cgroup: CgroupDecision;
  readonly mode: 'detach' | 'child';
};

async function carryThrough(
  places: ContainerPlaces,
  bundle: string,
  config: BundleConfig,
  options: CreateOptions,
  { start, cgroup, mode }: Creation,
): Promise<CreatedContainer> {
  let record: ContainerRecord | undefined;
  let group: string | undefined;
  try {
    if (cgroup.wish.kind !== 'none') {
      group = await enterNewCgroup(cgroup.wish, config.linux.resources.files, start.await('held'));
      start.goOn();
    }
    record = recordOf(start.await('created'), bundle, config, group ?? '');
    runHooks(config.hooks, 'prestart', stateOf(places, record, 'creating'));
    runHooks(config.hooks, 'createRuntime', stateOf(places, record, 'creating'));
    start.goOn();
    start.await('ready');
    writeRecord(places, record);
    if (options.pidFile !== undefined) writeFileAtomic(options.pidFile, `${record.pid}`, { mode: 0o644 });
    start.goOn();
    if (mode === 'detach' && (await start.ended()) !== 0)
      throw new CoracleError('START', 'create container: it ended before it could be left alone');
    const said = [...cgroup.warnings, ...texts(start.warnings)];
    if (mode === 'child') return { warnings: said, ended: start.ended };
    start.close();
    return { warnings: said, ended: async () => 0 };
  } catch (error) {
    start.close();
    if (group !== undefined) await removeCgroup(group);
    if (record !== undefined) runAllHooks(config.hooks, 'poststop', stateOf(places, record, 'stopped'));
    throw error;
  }
}

/** Warnings in words. */
export function texts(warnings: readonly Warning[]): readonly string[] {
  return warnings.map(({ prose }) => prose);
}

function recordOf(pid: number, bundle: string, config: BundleConfig, cgroup: string): ContainerRecord {
  const pids = config.linux.namespaces.find(({ type }) => type === 'pid');
  return {
    bundle,
    rootfs: rootPath(config, bundle),
    pid,
    startTicks: startTicks(pid) ?? 0,
    boot: bootId(),
    created: new Date().toISOString(),
    ownPids: pids !== undefined && pids.path === undefined,
    pidNamespace: 0,
    mountNamespace: 0,
    annotations: config.annotations,
    cgroup,
  };
}
