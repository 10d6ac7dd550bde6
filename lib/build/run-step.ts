/** RUN: the command in a sandbox above the stage's stack; what it changed becomes the layer by rename. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import { writeFileAtomic } from '../host/files.js';
import { findProgram } from '../host/id-map.js';
import { randomHex } from '../host/random.js';
import { openInStore, pathInStore } from '../image/stores.js';
import type { Time } from '../native/agent.js';
import type { PlanRecord } from '../native/plan.js';
import { noNetworkFacts, readNetworkFacts } from '../network/host-facts.js';
import type { NetworkPlan } from '../network/network-plan.js';
import { planNetwork } from '../network/plan-network.js';
import { defaultCapabilities } from '../sandbox/capabilities.js';
import type { LaunchSpec } from '../sandbox/launch-spec.js';
import type { Mount } from '../sandbox/mount.js';
import { bindFile, combineMounts, defaultMounts, maskedPaths, readonlyPaths } from '../sandbox/mounts.js';
import { runProcess } from '../sandbox/run-process.js';
import { seccompFilter } from '../sandbox/seccomp.js';
import type { StorageDriver } from '../snapshot/driver.js';
import { initLayer } from '../snapshot/init-layer.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import { rootPlan } from '../snapshot/root-plan.js';
import type { ActiveSnapshot } from '../snapshot/snapshot-store.js';
import { type NamedInputs, sha256 } from './cache-key.js';
import { emulationFacts, emulatorFor } from './emulation.js';
import type { RunStep } from './plan.js';
import { runFilesDirectory } from './run-command.js';
import type { BuildSession } from './session.js';

const hostname = 'buildkitsandbox';
const killedBySignal = 128;

/** What makes a RUN another one. */
export function runInputs(step: RunStep): NamedInputs {
  return {
    command: JSON.stringify(step.command.args),
    files: sha256(JSON.stringify(step.command.files)),
    environment: JSON.stringify([...step.env].sort()),
    directory: step.cwd,
    user: step.user,
    network: step.network,
  };
}

/** Runs the step and commits its layer. @throws BUILD when the command fails, with its exit code in the message. */
export async function runStep(
  session: BuildSession,
  step: RunStep,
  parent: SnapshotRecord | undefined,
): Promise<SnapshotRecord> {
  const driver = session.stores.driver(session.options.storageDriver);
  return session.commitLayer(parent, step, async (active) => {
    const since = driver === 'copy' ? await flattenRoot(session, active) : undefined;
    await execute(session, step, active, driver);
    if (driver === 'fuse-overlayfs') await normalise(session, active);
    if (since !== undefined) await compareRoot(session, active, since);
  });
}

async function execute(
  session: BuildSession,
  step: RunStep,
  active: ActiveSnapshot,
  driver: StorageDriver,
): Promise<void> {
  const records = session.stores.staging.open().directory('run');
  try {
    const root = rootRecords(session, active, driver);
    await runSpec(session, step, await launchSpec(session, step, records, root));
  } finally {
    rmSync(records, { recursive: true, force: true });
  }
}

async function runSpec(session: BuildSession, step: RunStep, spec: LaunchSpec): Promise<void> {
  const outcome = await runProcess(spec, {
    onOutput: (stream, data) =>
      session.onEvent({ kind: 'log', step: step.id, stream, data, time: Date.now() }),
    onWarning: (message) => session.onEvent({ kind: 'warning', message }),
    signal: session.options.signal,
  });
  if (outcome.code === 0 && outcome.signal === 0) return;
  const why = outcome.oom ? 'was killed because memory ran out' : 'did not complete successfully';
  const code = outcome.signal === 0 ? outcome.code : killedBySignal + outcome.signal;
  throw new CoracleError('BUILD', `process "${step.command.args.join(' ')}" ${why}: exit code: ${code}`, {
    exitCode: 1,
  });
}

async function launchSpec(
  session: BuildSession,
  step: RunStep,
  records: string,
  root: readonly PlanRecord[],
): Promise<LaunchSpec> {
  const { stores } = session;
  // found out first: whether the step can run at all
  const emulator = emulatorFor(step.platform, emulationFacts(stores.env));
  const network = networkOf(session, step);
  const capabilities = defaultCapabilities();
  const filter = await seccompFilter({ kind: 'default' }, capabilities, stores.cache);
  return {
    id: randomHex(32),
    mode: 'child',
    directory: records,
    idMap: stores.idMap(),
    root,
    rootReadonly: false,
    hostNamespaces: network.mode === 'host' ? ['net'] : [],
    network: network.records,
    mounts: combineMounts(defaultMounts(), [...nameFiles(records, network), ...runFiles(records, step)]),
    maskedPaths,
    readonlyPaths,
    process: {
      args: step.command.args,
      env: [...step.env, ...step.proxies],
      cwd: step.cwd,
      user: step.user,
      groups: [],
      umask: 0o022,
    },
    confinement: { capabilities, noNewPrivileges: false, seccompFile: filter.program },
    rlimits: [],
    hostname,
    sysctls: {},
    ...(emulator === undefined ? {} : { binfmt: emulator }),
    init: false,
    stop: { signal: 15, timeoutMs: 0 },
    signalProxy: false,
  };
}

function networkOf(session: BuildSession, step: RunStep): NetworkPlan {
  const asked = step.network === 'default' ? session.options.network : step.network;
  const facts = asked === 'none' ? noNetworkFacts : readNetworkFacts(session.stores.env);
  const dns = { servers: [], search: [], options: [] };
  return planNetwork({ mode: asked, ports: [], dns, extraHosts: [], hostname, name: hostname }, facts);
}

function nameFiles(directory: string, { files }: NetworkPlan): readonly Mount[] {
  const write = (name: string, text: string): string => {
    const path = join(directory, name);
    writeFileAtomic(path, text, { mode: 0o644 });
    return path;
  };
  return [
    bindFile(write('resolv.conf', files.resolvConf), '/etc/resolv.conf'),
    bindFile(write('hosts', files.hosts), '/etc/hosts'),
    bindFile(write('hostname', files.hostname), '/etc/hostname'),
  ];
}

/** Heredocs with a shebang line: programs bound read-only below /dev/pipes. */
function runFiles(directory: string, step: RunStep): readonly Mount[] {
  return step.command.files.map(({ name, data }, index) => {
    const source = join(directory, `file-${index}`);
    writeFileAtomic(source, data, { mode: 0o755 });
    const options = ['ro', 'nosuid', 'nodev', 'create=file'];
    return { type: 'bind', source, destination: `${runFilesDirectory}/${name}`, options };
  });
}

function rootRecords(
  session: BuildSession,
  active: ActiveSnapshot,
  driver: StorageDriver,
): readonly PlanRecord[] {
  const { stores } = session;
  if (driver === 'copy') return rootPlan(driver, [], { rootdir: treeOf(active) });
  const layers = active.parent === undefined ? [] : stores.snapshots.layerPaths(active.parent);
  const fuse = driver === 'fuse-overlayfs' ? findProgram('fuse-overlayfs', stores.env) : undefined;
  return rootPlan(driver, [...layers, initLayer(stores.paths)], {
    upper: active.fs,
    work: active.work,
    volatile: true,
    ...(fuse === undefined ? {} : { fuseProgram: fuse }),
  });
}

/** The copy driver's whole tree; it goes with the staging directory. */
function treeOf(active: ActiveSnapshot): string {
  return join(active.work, 'tree');
}

async function flattenRoot(session: BuildSession, active: ActiveSnapshot): Promise<Time> {
  const agent = session.agent();
  mkdirSync(treeOf(active), { mode: 0o755 });
  const target = await openInStore(agent, session.stores.paths, treeOf(active), { writable: true });
  return agent.flatten(await stackWithInit(session, active), target);
}

async function compareRoot(session: BuildSession, active: ActiveSnapshot, since: Time): Promise<void> {
  const agent = session.agent();
  const { paths } = session.stores;
  const tree = await openInStore(agent, paths, treeOf(active));
  const target = await openInStore(agent, paths, active.fs, { writable: true });
  await agent.compare(await stackWithInit(session, active), tree, target, since);
  await agent.remove(0, pathInStore(paths, treeOf(active)), { recursive: true });
}

async function stackWithInit(session: BuildSession, active: ActiveSnapshot): Promise<number> {
  const { paths, snapshots } = session.stores;
  const layers = active.parent === undefined ? [] : snapshots.layerPaths(active.parent);
  const agent = session.agent();
  const handles = await Promise.all(
    [...layers, initLayer(paths)].map((path) => openInStore(agent, paths, path)),
  );
  return agent.stack(handles);
}

async function normalise(session: BuildSession, active: ActiveSnapshot): Promise<void> {
  const agent = session.agent();
  await agent.normalise(await openInStore(agent, session.stores.paths, active.fs, { writable: true }));
}
