/** The sandbox of a RUN: what the Dockerfile, the build's settings and the host come to. */
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import { writeFileAtomic } from '../host/files.js';
import { randomHex } from '../host/random.js';
import type { PlanRecord } from '../native/plan.js';
import { noNetworkFacts, readNetworkFacts } from '../network/host-facts.js';
import type { NetworkPlan } from '../network/network-plan.js';
import { planNetwork } from '../network/plan-network.js';
import { allCapabilities, chooseCapabilities } from '../sandbox/capabilities.js';
import type { LaunchSpec, ProcessSpec } from '../sandbox/launch-spec.js';
import type { Mount } from '../sandbox/mount.js';
import { bindFile, combineMounts, defaultMounts, maskedPaths, readonlyPaths } from '../sandbox/mounts.js';
import { seccompFilter } from '../sandbox/seccomp.js';
import { emulationFacts, emulatorFor } from './emulation.js';
import type { RunStep } from './plan.js';
import { runFilesDirectory } from './run-command.js';
import type { RunSettings } from './run-settings.js';
import type { BuildSession } from './session.js';

const defaultHostname = 'buildkitsandbox';

export type RunPlaces = {
  /** For the supervisor's records and files bound into the sandbox. */
  readonly records: string;
  readonly root: readonly PlanRecord[];
  readonly mounts: readonly Mount[];
  readonly secrets: ProcessSpec['secrets'];
};

/** @throws HOST when the network asked for does not work here, USAGE for capabilities there are not. */
export async function runSpec(session: BuildSession, step: RunStep, places: RunPlaces): Promise<LaunchSpec> {
  const { stores, options } = session;
  const { records, root, mounts, secrets } = places;
  // Found out first: whether the step can run at all.
  const emulator = emulatorFor(step.platform, emulationFacts(stores.env));
  const hostname = step.hostname ?? defaultHostname;
  const network = await networkOf(session, step, { hostname, records });
  for (const message of network.warnings) session.onEvent({ kind: 'warning', message });
  const id = randomHex(32);
  const own = [...nameFiles(records, network), ...runFiles(records, step)];
  return {
    id,
    mode: 'child',
    directory: records,
    idMap: stores.idMap(),
    root,
    rootReadonly: false,
    hostNamespaces: network.mode === 'host' ? ['net'] : [],
    network: network.records,
    mounts: combineMounts(defaultsFor(step, options), [...withoutTargets(own, mounts), ...mounts]),
    ...(await confinementOf(session, step)),
    process: {
      args: step.command.args,
      env: [...step.env, ...step.proxies, ...agentVariable(step)],
      secrets,
      cwd: step.cwd,
      user: step.user,
      groups: options.groups ?? [],
      umask: 0o022,
    },
    rlimits: options.ulimits ?? [],
    cgroup: await cgroupOf(session, id),
    hostname,
    sysctls: {},
    ...(emulator === undefined ? {} : { binfmt: emulator }),
    init: false,
    stop: { signal: 15, timeoutMs: 0 },
    signalProxy: false,
  };
}

/** What cannot be applied is told at the first step. */
async function cgroupOf(session: BuildSession, id: string): Promise<LaunchSpec['cgroup']> {
  const { limits, cgroupParent: parent, requireLimits } = session.options;
  if (limits === undefined && parent === undefined) return undefined;
  const { decideCgroup } = await import('../sandbox/cgroup-place.js');
  const { readCgroupFacts } = await import('../host/cgroup.js');
  const { spec, problem } = decideCgroup(
    `coracle-build-${id}`,
    { limits, parent },
    readCgroupFacts(session.stores.env),
  );
  if (problem !== undefined && requireLimits === true)
    throw new CoracleError('HOST', problem.text, { hint: problem.hint });
  if (problem !== undefined && !told.has(session)) {
    told.add(session);
    session.onEvent({ kind: 'warning', message: `${problem.text}\nhint: ${problem.hint}` });
  }
  return spec;
}

const told = new WeakSet<BuildSession>();

/** What the Dockerfile mounts over one of our files is what it gets. */
function withoutTargets(own: readonly Mount[], mounts: readonly Mount[]): readonly Mount[] {
  return own.filter(({ destination }) => !mounts.some((mount) => mount.destination === destination));
}

/** An insecure step may write to /sys, as far as the kernel lets a user namespace. */
function defaultsFor(step: RunStep, { shmSize }: RunSettings): readonly Mount[] {
  const mounts = defaultMounts(shmSize);
  if (step.security === 'sandbox') return mounts;
  return mounts.map((mount) =>
    mount.type === 'sysfs' ? { ...mount, options: mount.options.filter((option) => option !== 'ro') } : mount,
  );
}

/** `insecure`: every capability in the user namespace, no filter, nothing masked. The host's own ids stay out of reach. */
async function confinementOf(
  { stores, options }: BuildSession,
  step: RunStep,
): Promise<Pick<LaunchSpec, 'confinement' | 'maskedPaths' | 'readonlyPaths'>> {
  if (step.security === 'insecure') {
    const confinement = { capabilities: allCapabilities(), noNewPrivileges: false };
    return { confinement, maskedPaths: [], readonlyPaths: [] };
  }
  const { capabilityAdd = [], capabilityDrop = [], security = {} } = options;
  const capabilities = chooseCapabilities(capabilityAdd, capabilityDrop);
  const choice = security.seccomp ?? { kind: 'default' };
  const filter =
    choice.kind === 'unconfined' ? undefined : await seccompFilter(choice, capabilities, stores.cache);
  const shown = security.unmask ?? [];
  const hide = (paths: readonly string[]): readonly string[] =>
    shown.includes('ALL') ? [] : paths.filter((path) => !shown.includes(path));
  return {
    confinement: {
      capabilities,
      noNewPrivileges: security.noNewPrivileges ?? false,
      seccompFile: filter?.program,
    },
    maskedPaths: [...hide(maskedPaths), ...(security.mask ?? [])],
    readonlyPaths: hide(readonlyPaths),
  };
}

/** Where programs find the first agent, there or not, unless the stage says otherwise. */
function agentVariable({ env, mounts }: RunStep): readonly string[] {
  const agent = mounts.find((mount) => mount.kind === 'ssh');
  if (agent?.target === undefined || env.some((entry) => entry.startsWith('SSH_AUTH_SOCK='))) return [];
  return [`SSH_AUTH_SOCK=${agent.target}`];
}

async function networkOf(
  { stores, options }: BuildSession,
  step: RunStep,
  { hostname, records }: { readonly hostname: string; readonly records: string },
): Promise<NetworkPlan> {
  const mode = step.network === 'default' ? options.network : step.network;
  const facts = mode === 'none' ? noNetworkFacts : readNetworkFacts(stores.env);
  const dns = {
    servers: options.dns ?? [],
    search: options.dnsSearch ?? [],
    options: options.dnsOptions ?? [],
  };
  const extraHosts = options.extraHosts ?? [];
  if (mode !== 'bridge') {
    const helperOptions = step.network === 'default' ? options.networkOptions : undefined;
    return planNetwork({ mode, ports: [], dns, extraHosts, hostname, name: hostname, helperOptions }, facts);
  }
  const { joinForStep } = await import('../network/step-member.js');
  const member = { hostname, directory: records, dns, extraHosts, networks: options.networks ?? [] };
  return joinForStep(stores, member, facts);
}

function nameFiles(directory: string, { files }: NetworkPlan): readonly Mount[] {
  const write = (name: string, text = ''): string => {
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
