/** The options of `create`, which `run` shares, and the request they make. */
import { resolve } from 'node:path';
import { CoracleError, parseRunFlags, type RunRequest } from '../../lib/index.js';
import type { Values } from '../command.js';
import {
  healthOptions,
  identityOptions,
  networkOptions,
  securityOptions,
  storageOptions,
} from './container.js';
import { readHealth } from './health.js';
import { accountOptions, deviceOptions, namespaceOptions } from './isolation.js';
import { cgroupOptions, limitOptions, readCgroup, readLimits } from './limits.js';
import { processOptions } from './process.js';
import { readPullPolicy } from './pull-policy.js';
import { registryAccess, registryOptions, retryOptions, trustOptions } from './registry.js';
import { readLog, readMode, readOomScore, readRestart, readSize } from './run-texts.js';
import { readAssignments, readTextFile } from './texts.js';

export const createOptions = [
  ...processOptions,
  ...identityOptions,
  { name: 'replace', kind: 'switch', summary: 'Remove, by force, the container that has the name now' },
  ...networkOptions,
  ...storageOptions,
  ...securityOptions,
  ...namespaceOptions,
  ...accountOptions,
  ...deviceOptions,
  ...healthOptions,
  ...limitOptions,
  ...cgroupOptions,
  {
    name: 'pull',
    kind: 'string',
    value: 'POLICY',
    choices: ['always', 'missing', 'newer', 'never'],
    summary: 'When to ask the registry (default: missing)',
  },
  {
    name: 'platform',
    kind: 'string',
    value: 'OS/ARCH',
    summary: 'Which image of an index (default: this machine)',
  },
  { name: 'quiet', short: 'q', kind: 'switch', summary: 'No progress of a pull' },
  ...registryOptions,
  ...retryOptions,
  ...trustOptions,
] as const;

export type CreateValues = Values<typeof createOptions>;

/** What the library is asked for, without the callbacks. */
export function runRequest(values: CreateValues, words: readonly string[]): RunRequest {
  return {
    ...containerFields(values),
    command: words,
    policy: readPullPolicy(values.pull),
    platform: values.platform,
    access: registryAccess(values),
    inPod: values.pod,
    publishAll: values['publish-all'],
    replace: replaces(values),
    requireLimits: values['require-limits'],
  };
}

function replaces({ replace, name }: CreateValues): boolean {
  if (replace && name === undefined) {
    throw new CoracleError('USAGE', 'use --replace: which container? --name is missing');
  }
  return replace;
}

function containerFields(values: CreateValues): RunRequest {
  if (values.rm && values.restart !== undefined && values.restart !== 'no') {
    throw new CoracleError('USAGE', 'use --rm and --restart: only one of them at a time');
  }
  return {
    ...parseRunFlags(runFlags(values), { cwd: process.cwd(), env: process.env }),
    ...processFields(values),
    name: values.name,
    remove: values.rm,
    hostname: values.hostname,
    noHostname: values['no-hostname'],
    dnsSearch: values['dns-search'],
    dnsOptions: values['dns-option'],
    oomScoreAdj: readOomScore(values['oom-score-adj']),
    shmSize: values['shm-size'] === undefined ? undefined : readSize('--shm-size', values['shm-size']),
    readonlyRoot: values['read-only'],
    readonlyTmpfs: values['read-only-tmpfs'],
    imageVolumes: readImageVolumes(values['image-volume']),
    capabilityAdd: values['cap-add'].flatMap(splitList),
    capabilityDrop: values['cap-drop'].flatMap(splitList),
    sysctls: readAssignments('--sysctl', values.sysctl, undefined),
    init: values.init,
    stopSignal: values['stop-signal'],
    stopTimeout: values['stop-timeout'],
    timeout: values.timeout,
    health: readHealth(values),
    limits: readLimits(values),
    cgroup: readCgroup(values),
    restart: values.restart === undefined ? undefined : readRestart(values.restart),
    log: readLog(values['log-driver'], values['log-opt']),
    signalProxy: values['sig-proxy'],
    pidfile: values.pidfile === undefined ? undefined : resolve(values.pidfile),
    sdnotify: readNotify(values.sdnotify),
  };
}

function processFields(values: CreateValues): RunRequest {
  return {
    workdir: values.workdir,
    user: values.user,
    groups: readGroups(values['group-add']),
    hostUsers: values.hostuser.length === 0 ? undefined : values.hostuser,
    passwd: values.passwd,
    passwdEntry: values['passwd-entry'],
    groupEntry: values['group-entry'],
    timezone: values.tz,
    personality:
      values.personality === 'LINUX32' ? 'linux32' : values.personality === 'LINUX' ? 'linux' : undefined,
    umask: values.umask === undefined ? undefined : readMode('--umask', values.umask),
    tty: values.tty,
    interactive: values.interactive,
    detachKeys: values['detach-keys'],
  };
}

function runFlags(values: CreateValues): Parameters<typeof parseRunFlags>[0] {
  return {
    volume: values.volume,
    mount: values.mount,
    tmpfs: values.tmpfs,
    volumesFrom: values['volumes-from'],
    publish: values.publish,
    network: values.network,
    ip: values.ip,
    ip6: values.ip6,
    mac: values['mac-address'],
    networkAlias: values['network-alias'],
    addHost: values['add-host'],
    hostsFile: values['hosts-file'],
    noHosts: values['no-hosts'],
    dns: values.dns,
    securityOpt: values['security-opt'],
    ulimit: values.ulimit,
    env: values.env,
    envFileTexts: values['env-file'].map((path) => ({ path, text: readTextFile('--env-file', path) })),
    label: [...values['label-file'].flatMap(labelLines), ...values.label],
    entrypoint: values.entrypoint,
    secret: values.secret,
    pid: values.pid,
    ipc: values.ipc,
    uts: values.uts,
    cgroupns: values.cgroupns,
    userns: values.userns,
    uidmap: values.uidmap,
    gidmap: values.gidmap,
    subuidname: values.subuidname,
    subgidname: values.subgidname,
    device: values.device,
    gpus: values.gpus,
    cdiSpecDir: values['cdi-spec-dir'],
  };
}

/** The lines of a file of labels. */
export function labelLines(path: string): string[] {
  const lines = readTextFile('--label-file', path).split('\n');
  return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
}

function readGroups(groups: readonly string[]): readonly string[] {
  if (!groups.includes('keep-groups') || groups.length === 1) return groups;
  throw new CoracleError('USAGE', 'use --group-add keep-groups: only alone', {
    hint: 'the groups of the caller stay as they are, and no others can join them',
  });
}

/** `--cap-add A,B` means both, as podman reads it. */
function splitList(text: string): string[] {
  return text.split(',');
}

function readImageVolumes(text: string | undefined): RunRequest['imageVolumes'] {
  // podman's word for a volume without a name.
  return text === 'bind'
    ? 'anonymous'
    : (['anonymous', 'tmpfs', 'ignore'] as const).find((kind) => kind === text);
}

function readNotify(text: string | undefined): RunRequest['sdnotify'] {
  return (['container', 'conmon', 'healthy', 'ignore'] as const).find((mode) => mode === text);
}
