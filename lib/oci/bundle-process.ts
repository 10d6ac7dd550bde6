/** The process of a bundle, or of an exec session: the member `process` of config.json. */
import { isGiven, listOf, refuseGiven, unsupported } from './bundle-guards.js';
import {
  invalid,
  optional,
  requireBoolean,
  requireInteger,
  requireObject,
  requireSize,
  requireString,
  requireStrings,
  type UnknownRecord,
} from './guards.js';

const capabilitySets = ['bounding', 'effective', 'inheritable', 'permitted', 'ambient'] as const;

export type CapabilitySet = (typeof capabilitySets)[number];

export type BundleProcess = {
  readonly terminal: boolean;
  readonly consoleSize: { readonly height: number; readonly width: number } | undefined;
  readonly user: {
    readonly uid: number;
    readonly gid: number;
    readonly umask: number | undefined;
    readonly additionalGids: readonly number[];
  };
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** Absolute. */
  readonly cwd: string;
  /** Names, with `CAP_`; no such member is no capability. */
  readonly capabilities: Readonly<Record<CapabilitySet, readonly string[]>>;
  readonly rlimits: readonly { readonly type: string; readonly soft: number; readonly hard: number }[];
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj: number | undefined;
};

/** Labels and classes of schedulers that a process may ask for. */
const refused = [
  'apparmorProfile',
  'selinuxLabel',
  'commandLine',
  'ioPriority',
  'scheduler',
  'execCPUAffinity',
];

/** Reads a process. @throws INVALID, UNSUPPORTED */
export function parseProcess(value: unknown, where: string): BundleProcess {
  const process = requireObject(value, where);
  for (const name of refused) refuseGiven(process, name, where);
  const args = requireStrings(process.args, `${where}.args`);
  if (args.length === 0 || args[0] === '') throw invalid(`${where}.args`, 'there is nothing to run');
  const cwd = requireString(process.cwd, `${where}.cwd`);
  if (!cwd.startsWith('/')) throw invalid(`${where}.cwd`, `${JSON.stringify(cwd)} is not absolute`);
  return {
    terminal: optional(process.terminal, `${where}.terminal`, requireBoolean) ?? false,
    consoleSize: optional(process.consoleSize, `${where}.consoleSize`, parseConsoleSize),
    user: parseUser(process.user ?? {}, `${where}.user`),
    args,
    env: listOf(process.env, `${where}.env`, requireVariable),
    cwd,
    capabilities: parseCapabilities(process.capabilities ?? {}, `${where}.capabilities`),
    rlimits: parseLimits(process.rlimits, `${where}.rlimits`),
    noNewPrivileges: optional(process.noNewPrivileges, `${where}.noNewPrivileges`, requireBoolean) ?? false,
    oomScoreAdj: optional(process.oomScoreAdj, `${where}.oomScoreAdj`, requireScore),
  };
}

function requireVariable(value: unknown, where: string): string {
  const text = requireString(value, where);
  if (text.indexOf('=') < 1) throw invalid(where, `${JSON.stringify(text)} is not NAME=value`);
  return text;
}

function requireScore(value: unknown, where: string): number {
  const score = requireInteger(value, where);
  if (Math.abs(score) > 1000) throw invalid(where, `${score} is not between -1000 and 1000`);
  return score;
}

function parseConsoleSize(value: unknown, where: string): BundleProcess['consoleSize'] {
  const size = requireObject(value, where);
  const of = (name: string): number => {
    const cells = requireSize(size[name], `${where}.${name}`);
    if (cells > 65535) throw invalid(`${where}.${name}`, `${cells} is too many`);
    return cells;
  };
  return { height: of('height'), width: of('width') };
}

/** Ids beyond 2^31 are refused: programs differ in what they take them for (S10). */
function requireId(value: unknown, where: string): number {
  const id = requireSize(value, where);
  if (id > 0x7fff_ffff) throw invalid(where, `${id} is no id`);
  return id;
}

function parseUser(value: unknown, where: string): BundleProcess['user'] {
  const user = requireObject(value, where);
  if (isGiven(user.username)) throw unsupported(`${where}.username`, 'it is for Windows');
  const umask = optional(user.umask, `${where}.umask`, requireSize);
  if (umask !== undefined && umask > 0o777) throw invalid(`${where}.umask`, `${umask} is too large`);
  return {
    uid: optional(user.uid, `${where}.uid`, requireId) ?? 0,
    gid: optional(user.gid, `${where}.gid`, requireId) ?? 0,
    umask,
    additionalGids: listOf(user.additionalGids, `${where}.additionalGids`, requireId),
  };
}

function parseCapabilities(value: unknown, where: string): BundleProcess['capabilities'] {
  const record = requireObject(value, where);
  const of = (set: CapabilitySet): readonly string[] =>
    optional(record[set], `${where}.${set}`, requireStrings) ?? [];
  const sets = {
    bounding: of('bounding'),
    effective: of('effective'),
    inheritable: of('inheritable'),
    permitted: of('permitted'),
    ambient: of('ambient'),
  };
  requireSubset(sets.effective, sets.permitted, `${where}.effective`, 'permitted');
  // The kernel raises no others, and buildah names some that it leaves out of the inheritable ones.
  const raised = sets.ambient.filter(
    (name) => sets.permitted.includes(name) && sets.inheritable.includes(name),
  );
  return { ...sets, ambient: raised };
}

/** What the kernel would refuse without a word on which one. */
function requireSubset(part: readonly string[], whole: readonly string[], where: string, name: string): void {
  const extra = part.find((each) => !whole.includes(each));
  if (extra !== undefined) throw invalid(where, `${extra} is not ${name}`);
}

function parseLimits(value: unknown, where: string): BundleProcess['rlimits'] {
  const limits = listOf(value, where, parseLimit);
  const twice = limits.find(({ type }, index) => limits.findIndex((other) => other.type === type) < index);
  if (twice !== undefined) throw invalid(where, `${twice.type} is there twice`);
  return limits;
}

function parseLimit(value: unknown, where: string): BundleProcess['rlimits'][number] {
  const limit = requireObject(value, where);
  const type = requireString(limit.type, `${where}.type`);
  const [soft, hard] = [limitOf(limit, 'soft', where), limitOf(limit, 'hard', where)];
  if (hard !== -1 && (soft === -1 || soft > hard)) throw invalid(where, 'soft is above hard');
  return { type, soft, hard };
}

/** JSON's numbers are exact up to 2^53 only; what is above, RLIM_INFINITY (2^64-1) among it, is no limit. */
function limitOf(record: UnknownRecord, name: string, where: string): number {
  const value = record[name];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < -1)
    throw invalid(`${where}.${name}`, 'expected a number');
  return value > Number.MAX_SAFE_INTEGER ? -1 : value;
}
