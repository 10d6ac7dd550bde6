/** The instructions that hold a command line: RUN, CMD, ENTRYPOINT, SHELL, HEALTHCHECK. */
import { parseCsv } from './csv.js';
import { parseDuration } from './duration.js';
import type { FlagValues, RawFlag } from './flags.js';
import type {
  CmdInstruction,
  Command,
  Device,
  EntrypointInstruction,
  Healthcheck,
  HealthcheckInstruction,
  MountFlag,
  RunInstruction,
  ShellInstruction,
} from './instructions.js';
import { parseDevice } from './mount.js';
import {
  commandOf,
  fault,
  flagsOf,
  jsonWords,
  type Request,
  rangeAt,
  requiredRest,
  sourceOf,
} from './request.js';
import { suggest } from './suggestion.js';

export function parseRun(request: Request): RunInstruction {
  const flags = flagsOf(request, { mount: 'list', network: 'string', security: 'string', device: 'list' });
  const rest = requiredRest(request, 'a command');
  const command = commandOf(request, rest, request.split.restOffset);
  if (command.form === 'exec' && command.args.length === 0) {
    fault(request, 'RUN needs a command', 'write RUN ["executable", "argument"]', request.split.restOffset);
  }
  return {
    ...sourceOf(request),
    kind: 'run',
    command,
    mounts: flags.list('mount').map((flag) => mountFlag(request, flag)),
    network: choice(request, flags, 'network', ['default', 'none', 'host']),
    security: choice(request, flags, 'security', ['sandbox', 'insecure']),
    devices: flags.list('device').map((flag) => device(request, flag)),
  };
}

/** The value of a flag that must be one of `values`; the first of them where it is not given. */
function choice<Value extends string>(
  request: Request,
  flags: FlagValues,
  name: string,
  values: readonly [Value, ...Value[]],
): Value {
  const flag = flags.list(name)[0];
  if (flag === undefined) return values[0];
  const value = values.find((candidate) => candidate === flag.text);
  return value ?? fault(request, `invalid --${name} ${flag.text}`, suggest(flag.text, values), flag.offset);
}

/** Only what BuildKit checks before the stage is reached: that it is CSV, and that `from` is a plain name. */
function mountFlag(request: Request, flag: RawFlag): MountFlag {
  const csv = parseCsv(flag.text);
  if ('error' in csv) return fault(request, `--mount value ${csv.error}`, undefined, flag.offset);
  const raw = flag.text;
  const range = rangeAt(request, flag.offset);
  const field = csv.fields.findLast((candidate) => /^from=/i.test(candidate));
  if (field === undefined) return { raw, range };
  const from = field.slice('from='.length);
  if (/\$./s.test(from)) {
    const hint = 'name the image in a stage of its own, FROM ... AS name, and mount from that name';
    return fault(request, `--mount from=${from} cannot hold a variable`, hint, flag.offset);
  }
  return { raw, range, from };
}

function device(request: Request, flag: RawFlag): Device {
  const parsed = parseDevice(flag.text);
  return 'error' in parsed ? fault(request, `--device ${parsed.error}`, parsed.hint, flag.offset) : parsed;
}

export function parseCmd(request: Request): CmdInstruction {
  flagsOf(request, {});
  const command = commandOf(request, request.split.rest, request.split.restOffset);
  return { ...sourceOf(request), kind: 'cmd', command };
}

export function parseEntrypoint(request: Request): EntrypointInstruction {
  flagsOf(request, {});
  const command = commandOf(request, request.split.rest, request.split.restOffset);
  return { ...sourceOf(request), kind: 'entrypoint', command };
}

export function parseShell(request: Request): ShellInstruction {
  flagsOf(request, {});
  const rest = requiredRest(request, 'a JSON array');
  const args = jsonWords(request, rest, request.split.restOffset);
  const hint = 'write SHELL ["executable", "argument"]';
  if (args === undefined)
    return fault(request, `SHELL ${rest} is not a JSON array`, hint, request.split.restOffset);
  if (args.length === 0) return fault(request, 'SHELL needs an executable', hint, request.split.restOffset);
  return { ...sourceOf(request), kind: 'shell', args };
}

export function parseHealthcheck(request: Request): HealthcheckInstruction {
  const rest = requiredRest(request, 'CMD command, or NONE');
  const flags = flagsOf(request, {
    interval: 'string',
    timeout: 'string',
    'start-period': 'string',
    'start-interval': 'string',
    retries: 'string',
  });
  const [type = '', text = ''] = /^(\S+)\s*(.*)$/s.exec(rest)?.slice(1) ?? [];
  const offset = request.split.restOffset;
  if (type.toUpperCase() === 'NONE') return none(request, text);
  if (type.toUpperCase() !== 'CMD') {
    return fault(request, `unknown HEALTHCHECK type ${type}`, 'write HEALTHCHECK CMD command', offset);
  }
  const command = commandOf(request, text, offset + rest.length - text.length);
  if (command.form === 'exec' ? command.args.length === 0 : text === '') {
    return fault(request, 'HEALTHCHECK CMD needs a command', undefined, offset);
  }
  return { ...sourceOf(request), kind: 'healthcheck', healthcheck: healthcheck(request, flags, command) };
}

function none(request: Request, text: string): HealthcheckInstruction {
  if (text !== '') fault(request, 'HEALTHCHECK NONE takes no arguments', undefined, request.split.restOffset);
  const source = sourceOf(request);
  if (source.flags.length > 0) {
    request.warnings.push({ message: 'HEALTHCHECK NONE ignores its flags', range: source.range });
  }
  return { ...source, kind: 'healthcheck' };
}

function healthcheck(request: Request, flags: FlagValues, command: Command): Healthcheck {
  const interval = duration(request, flags, 'interval');
  const timeout = duration(request, flags, 'timeout');
  const startPeriod = duration(request, flags, 'start-period');
  const startInterval = duration(request, flags, 'start-interval');
  const retries = count(request, flags);
  return {
    command,
    ...(interval === undefined ? {} : { interval }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(startPeriod === undefined ? {} : { startPeriod }),
    ...(startInterval === undefined ? {} : { startInterval }),
    ...(retries === undefined ? {} : { retries }),
  };
}

/** Nanoseconds; 0 is the default, anything else at least a millisecond. */
function duration(request: Request, flags: FlagValues, name: string): number | undefined {
  const flag = flags.list(name)[0];
  if (flag === undefined || flag.text === '') return undefined;
  const value = parseDuration(flag.text);
  const hint = 'write a duration like 30s, 1m30s or 500ms';
  if (value === undefined) return fault(request, `invalid --${name} ${flag.text}`, hint, flag.offset);
  if (value !== 0 && value < 1_000_000) {
    return fault(request, `--${name} ${flag.text} is less than 1ms`, hint, flag.offset);
  }
  return value;
}

function count(request: Request, flags: FlagValues): number | undefined {
  const flag = flags.list('retries')[0];
  if (flag === undefined || flag.text === '') return undefined;
  const value = /^\+?\d{1,10}$/.test(flag.text) ? Number(flag.text) : Number.NaN;
  if (value <= 0x7fffffff) return value;
  return fault(request, `invalid --retries ${flag.text}`, 'write a number from 0 to 2147483647', flag.offset);
}
