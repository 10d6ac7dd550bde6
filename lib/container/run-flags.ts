/** The texts of `run`'s and `create`'s flags as run options. Pure but for relative paths, which lie below `cwd`. */
import { posix } from 'node:path';
import { CoracleError } from '../errors.js';
import { type NetworkChoice, networkModes, parseNetworkFlags } from '../network/network-flags.js';
import type { HostEntry } from '../network/network-plan.js';
import { isIpv4, isIpv6, parsePublishFlag } from '../network/port-flags.js';
import { parseMountFlag } from '../sandbox/mount-flag.js';
import { parseRlimit } from '../sandbox/rlimit.js';
import { parseTmpfsFlag } from '../sandbox/tmpfs-flag.js';
import { parseVolumeFlag } from '../sandbox/volume-flag.js';
import { parseDevice, parseGpus } from './device-flags.js';
import { parseNamespaceFlags } from './namespace-flags.js';
import type { RunOptions, VolumesFrom } from './run-options.js';
import { parseSecretRequest } from './secret-flag.js';
import { parseSecurity } from './security-flags.js';
import { parseUserIds } from './userns.js';

/** Flags that need reading; the plain ones go into RunOptions as they are. */
export type RunFlags = {
  readonly volume?: readonly string[] | undefined;
  readonly mount?: readonly string[] | undefined;
  readonly tmpfs?: readonly string[] | undefined;
  readonly volumesFrom?: readonly string[] | undefined;
  readonly publish?: readonly string[] | undefined;
  readonly network?: readonly string[] | undefined;
  readonly ip?: string | undefined;
  readonly ip6?: string | undefined;
  readonly mac?: string | undefined;
  readonly networkAlias?: readonly string[] | undefined;
  readonly hostsFile?: string | undefined;
  readonly noHosts?: boolean | undefined;
  readonly addHost?: readonly string[] | undefined;
  readonly dns?: readonly string[] | undefined;
  readonly securityOpt?: readonly string[] | undefined;
  readonly ulimit?: readonly string[] | undefined;
  /** `NAME=value`, or `NAME` to take the value from `env`. */
  readonly env?: readonly string[] | undefined;
  readonly envFileTexts?: readonly { readonly path: string; readonly text: string }[] | undefined;
  readonly label?: readonly string[] | undefined;
  /** Text of `--entrypoint`: one program, or a JSON list; empty for none. */
  readonly entrypoint?: string | undefined;
  readonly secret?: readonly string[] | undefined;
  readonly pid?: string | undefined;
  readonly ipc?: string | undefined;
  readonly uts?: string | undefined;
  readonly cgroupns?: string | undefined;
  readonly userns?: string | undefined;
  readonly uidmap?: readonly string[] | undefined;
  readonly gidmap?: readonly string[] | undefined;
  readonly subuidname?: string | undefined;
  readonly subgidname?: string | undefined;
  readonly device?: readonly string[] | undefined;
  readonly gpus?: string | undefined;
  readonly cdiSpecDir?: readonly string[] | undefined;
};

/** What the texts refer to outside of themselves. */
export type FlagContext = {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
};

/** @throws USAGE or UNSUPPORTED naming the flag's text. */
export function parseRunFlags(flags: RunFlags, context: FlagContext): RunOptions {
  const mounts = [
    ...(flags.volume ?? []).map((text) => parseVolumeFlag(text, context.cwd)),
    ...(flags.mount ?? []).map((text) => parseMountFlag(text, context.cwd)),
    ...(flags.tmpfs ?? []).map(parseTmpfsFlag),
  ];
  return {
    mounts,
    volumesFrom: flags.volumesFrom?.length ? flags.volumesFrom.map(parseVolumesFrom) : undefined,
    publish: (flags.publish ?? []).flatMap(parsePublishFlag),
    ...parseNetworkFlags(flags.network ?? [], {
      ip: flags.ip,
      ip6: flags.ip6,
      mac: flags.mac,
      aliases: flags.networkAlias,
    }),
    ...parseHosts(flags, context.cwd),
    dns: flags.dns?.length === 1 && flags.dns[0] === 'none' ? flags.dns : flags.dns?.map(parseResolver),
    security: parseSecurity(flags.securityOpt ?? [], context.cwd),
    namespaces: parseNamespaceFlags(flags),
    userns: parseUserIds(flags),
    ...parseDevices(flags, context.cwd),
    ulimits: (flags.ulimit ?? []).map(parseRlimit),
    secrets: flags.secret?.length ? flags.secret.map(parseSecretRequest) : undefined,
    env: parseEnvironment(flags, context),
    labels: Object.fromEntries((flags.label ?? []).map(splitLabel)),
    entrypoint: flags.entrypoint === undefined ? undefined : parseEntrypoint(flags.entrypoint),
  };
}

/** `--network` of a build: a mode, or a user-defined network. @throws USAGE, UNSUPPORTED for what builds do not do. */
export function parseNetwork(text: string): Pick<NetworkChoice, 'network' | 'networks' | 'networkOptions'> {
  const { network, networks, networkOptions } = parseNetworkFlags([text]);
  if (network !== 'container') return { network, networks, networkOptions };
  throw new CoracleError(
    'UNSUPPORTED',
    `use network "${text}": steps of builds have a network of their own`,
    {
      hint: `one of ${networkModes.join(', ')}, or a network of coracle network ls`,
    },
  );
}

function parseDevices(
  { device = [], gpus, cdiSpecDir = [] }: RunFlags,
  cwd: string,
): Pick<RunOptions, 'devices' | 'cdiSpecDirectories'> {
  const devices = [...device.map(parseDevice), ...(gpus === undefined ? [] : parseGpus(gpus))];
  const places = cdiSpecDir.map((path) => posix.resolve(cwd, path));
  return {
    ...(devices.length === 0 ? {} : { devices }),
    ...(places.length === 0 ? {} : { cdiSpecDirectories: places }),
  };
}

function parseHosts(flags: RunFlags, cwd: string): Pick<RunOptions, 'extraHosts' | 'hostsFile' | 'noHosts'> {
  const { addHost = [], hostsFile, noHosts = false } = flags;
  if (noHosts && (addHost.length > 0 || hostsFile !== undefined)) {
    throw new CoracleError(
      'USAGE',
      `use --no-hosts with ${addHost.length > 0 ? '--add-host' : '--hosts-file'}: only one of them`,
    );
  }
  return {
    extraHosts: addHost.flatMap(parseHostNames),
    ...(noHosts ? { noHosts } : {}),
    ...(hostsFile === undefined || hostsFile === 'none'
      ? {}
      : { hostsFile: hostsFile === 'image' ? hostsFile : posix.resolve(cwd, hostsFile) }),
  };
}

/** `NAME[;NAME...]:ADDRESS`. */
function parseHostNames(text: string): HostEntry[] {
  const { name, address } = parseHost(text);
  return name.split(';').map((one) => ({ name: one, address }));
}

/** `CONTAINER[:ro|rw|z]`. */
function parseVolumesFrom(text: string): VolumesFrom {
  const [container = '', options = '', ...more] = text.split(':');
  const words = options.split(',').filter((word) => word !== '');
  const strange = words.find((word) => !['ro', 'rw', 'z'].includes(word));
  if (
    container === '' ||
    more.length > 0 ||
    strange !== undefined ||
    (words.includes('ro') && words.includes('rw'))
  ) {
    throw new CoracleError('USAGE', `take volumes from "${text}": expected CONTAINER[:ro|rw][,z]`);
  }
  return {
    container,
    ...(words.includes('ro') ? { readonly: true } : {}),
    ...(words.includes('z') ? { relabel: 'shared' } : {}),
  };
}

function parseHost(text: string): HostEntry {
  const match = /^([^:=\s]+)[:=](.+)$/.exec(text);
  const [, name = '', address = ''] = match ?? [];
  const plain = address.replace(/^\[(.*)\]$/, '$1');
  if (match !== null && (plain === 'host-gateway' || isIpv4(plain) || isIpv6(plain)))
    return { name, address: plain };
  throw new CoracleError('USAGE', `add host "${text}": expected NAME:ADDRESS`, {
    hint: 'the address is an IP address, or host-gateway for this host; several names: A;B:ADDRESS',
  });
}

function parseResolver(text: string): string {
  if (isIpv4(text) || isIpv6(text)) return text;
  throw new CoracleError('USAGE', `use nameserver "${text}": no IP address`);
}

/** Files first, in order, then the flags; a bare name that is not set here sets nothing, `NAME*` is all that begin so. */
function parseEnvironment(flags: RunFlags, context: FlagContext): string[] {
  const files = (flags.envFileTexts ?? []).flatMap(({ path, text }) => environmentLines(path, text));
  return [...files, ...(flags.env ?? [])].flatMap((entry) => {
    if (entry.startsWith('=') || entry === '') {
      throw new CoracleError('USAGE', `set environment "${entry}": no name before =`);
    }
    if (entry.includes('=')) return [entry];
    if (entry.endsWith('*')) return inherited(entry.slice(0, -1), context.env);
    const value = context.env[entry];
    return value === undefined ? [] : [`${entry}=${value}`];
  });
}

function inherited(prefix: string, env: FlagContext['env']): string[] {
  return Object.entries(env).flatMap(([name, value]) =>
    name.startsWith(prefix) && value !== undefined ? [`${name}=${value}`] : [],
  );
}

function environmentLines(path: string, text: string): string[] {
  const lines = text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .map((line) => line.replace(/\r$/, '').trimStart());
  const entries = lines.filter((line) => line !== '' && !line.startsWith('#'));
  const bad = entries.find((line) => /^=|^[^=]*\s[^=]*(=|$)/.test(line));
  if (bad === undefined) return entries;
  throw new CoracleError('USAGE', `read environment file ${path}: "${bad}" is neither NAME=value nor NAME`);
}

function splitLabel(text: string): [string, string] {
  const equals = text.indexOf('=');
  if (equals === 0 || text === '') throw new CoracleError('USAGE', `set label "${text}": no name before =`);
  return equals < 0 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)];
}

function parseEntrypoint(text: string): readonly string[] {
  if (text === '') return [];
  if (!text.startsWith('[')) return [text];
  const words = jsonWords(text);
  if (words !== undefined) return words;
  throw new CoracleError('USAGE', `set entrypoint ${text}: not a JSON list of strings`);
}

function jsonWords(text: string): string[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((word) => typeof word === 'string') ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
