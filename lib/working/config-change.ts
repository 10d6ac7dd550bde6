/** What `working config` changes, as data, and the record it gives. Pure. */
import { CoracleError } from '../errors.js';
import { type ContainerConfig, type Healthcheck, keySet } from '../oci/container-config.js';
import { present } from '../oci/guards.js';
import { parseSignal } from '../sandbox/signals.js';
import type { WorkingRecord } from './record.js';

/** Each is left as it is where it is undefined. Of lists `NAME-` takes one away and `-` all. */
export type ConfigChange = {
  readonly author?: string | undefined;
  readonly architecture?: string | undefined;
  readonly os?: string | undefined;
  readonly osVersion?: string | undefined;
  readonly osFeatures?: readonly string[] | undefined;
  readonly variant?: string | undefined;
  readonly command?: readonly string[] | undefined;
  /** The command goes with it unless one is given as well. */
  readonly entrypoint?: readonly string[] | undefined;
  readonly shell?: readonly string[] | undefined;
  /** `NAME=value`, or what is to go. */
  readonly env?: readonly string[] | undefined;
  readonly labels?: readonly string[] | undefined;
  readonly annotations?: readonly string[] | undefined;
  readonly unsetLabels?: readonly string[] | undefined;
  readonly unsetAnnotations?: readonly string[] | undefined;
  /** `80`, `80/udp`. */
  readonly ports?: readonly string[] | undefined;
  readonly volumes?: readonly string[] | undefined;
  readonly onBuild?: readonly string[] | undefined;
  readonly user?: string | undefined;
  readonly workdir?: string | undefined;
  readonly stopSignal?: string | undefined;
  readonly hostname?: string | undefined;
  readonly domainname?: string | undefined;
  /** Parts of the health check; durations in nanoseconds. */
  readonly healthcheck?: Partial<Healthcheck> | undefined;
  readonly comment?: string | undefined;
  readonly createdBy?: string | undefined;
  readonly historyComment?: string | undefined;
};

/** @throws USAGE naming the text that is wrong. */
export function changeConfig(record: WorkingRecord, change: ConfigChange): WorkingRecord {
  const { config } = record;
  return {
    ...record,
    config: {
      ...config,
      ...present('author', change.author),
      ...present('architecture', change.architecture),
      ...present('os', change.os),
      ...present('variant', change.variant),
      ...present('os.version', change.osVersion),
      ...(change.osFeatures === undefined
        ? {}
        : { 'os.features': members('--os-feature', config['os.features'] ?? [], change.osFeatures) }),
      config: containerConfig(config.config ?? {}, change),
    },
    annotations: without(
      assignments('--annotation', record.annotations, change.annotations ?? []),
      change.unsetAnnotations ?? [],
    ),
    ...present('createdBy', change.createdBy),
    ...present('historyComment', change.historyComment ?? change.comment),
  };
}

function containerConfig(before: ContainerConfig, change: ConfigChange): ContainerConfig {
  const { Entrypoint, Cmd, ...rest } = before;
  const command = change.command ?? (change.entrypoint === undefined ? Cmd : undefined);
  const entrypoint = change.entrypoint ?? Entrypoint;
  const labels = without(
    assignments('--label', before.Labels ?? {}, change.labels ?? []),
    change.unsetLabels ?? [],
  );
  const names = {
    ...(change.hostname === undefined ? {} : { Hostname: change.hostname }),
    ...(change.domainname === undefined ? {} : { Domainname: change.domainname }),
  };
  if (change.stopSignal !== undefined) parseSignal(change.stopSignal);
  return {
    ...rest,
    ...(entrypoint === undefined || entrypoint.length === 0 ? {} : { Entrypoint: entrypoint }),
    ...(command === undefined || command.length === 0 ? {} : { Cmd: command }),
    ...present('Shell', change.shell),
    ...present('User', change.user),
    ...present('WorkingDir', change.workdir),
    ...present('StopSignal', change.stopSignal),
    ...(change.env === undefined ? {} : { Env: variables(before.Env ?? [], change.env) }),
    ...(change.labels === undefined && change.unsetLabels === undefined ? {} : { Labels: labels }),
    ...(change.ports === undefined
      ? {}
      : {
          ExposedPorts: keySet(members('--port', Object.keys(before.ExposedPorts ?? {}), change.ports, port)),
        }),
    ...(change.volumes === undefined
      ? {}
      : { Volumes: keySet(members('--volume', Object.keys(before.Volumes ?? {}), change.volumes)) }),
    ...(change.onBuild === undefined
      ? {}
      : { OnBuild: members('--onbuild', before.OnBuild ?? [], change.onBuild) }),
    ...(change.healthcheck === undefined
      ? {}
      : { Healthcheck: healthcheck(before.Healthcheck, change.healthcheck) }),
    ...(Object.keys(names).length === 0 ? {} : { extra: { ...before.extra, ...names } }),
  };
}

function healthcheck(before: Healthcheck | undefined, change: Partial<Healthcheck>): Healthcheck {
  const merged = { ...before, ...change };
  if (merged.Test !== undefined) return merged;
  throw new CoracleError('USAGE', 'change health check: there is none', {
    hint: 'give its command too: --healthcheck "CMD command"',
  });
}

function members(
  flag: string,
  before: readonly string[],
  texts: readonly string[],
  read: (text: string) => string = (text) => text,
): readonly string[] {
  const found = new Set(before);
  for (const text of texts) {
    if (text === '') throw new CoracleError('USAGE', `invalid argument "" for ${flag}`);
    if (text === '-') found.clear();
    else if (text.endsWith('-')) found.delete(read(text.slice(0, -1)));
    else found.add(read(text));
  }
  return [...found];
}

function port(text: string): string {
  const [, number = '', protocol = 'tcp'] = /^(\d+(?:-\d+)?)(?:\/(tcp|udp|sctp))?$/i.exec(text) ?? [];
  if (number !== '' && number.split('-').every((part) => Number(part) >= 1 && Number(part) <= 65535))
    return `${number}/${protocol.toLowerCase()}`;
  throw new CoracleError('USAGE', `expose port "${text}": expected PORT[/PROTOCOL]`);
}

function variables(before: readonly string[], texts: readonly string[]): readonly string[] {
  const found = new Map(before.map((entry) => [entry.split('=', 1)[0] ?? '', entry]));
  for (const text of texts) {
    const name = text.split('=', 1)[0] ?? '';
    if (text === '-') found.clear();
    else if (!text.includes('=') && text.endsWith('-')) found.delete(text.slice(0, -1));
    else if (name === '' || !text.includes('='))
      throw new CoracleError('USAGE', `set variable "${text}": expected NAME=VALUE, NAME- or -`);
    else found.set(name, text);
  }
  return [...found.values()];
}

function assignments(
  flag: string,
  before: Readonly<Record<string, string>>,
  texts: readonly string[],
): Readonly<Record<string, string>> {
  const found = new Map(Object.entries(before));
  for (const text of texts) {
    const equals = text.indexOf('=');
    if (text === '-') found.clear();
    else if (equals < 0 && text.endsWith('-')) found.delete(text.slice(0, -1));
    else if (equals === 0 || text === '')
      throw new CoracleError('USAGE', `invalid argument "${text}" for ${flag}: no name before =`);
    else found.set(equals < 0 ? text : text.slice(0, equals), equals < 0 ? '' : text.slice(equals + 1));
  }
  return Object.fromEntries(found);
}

function without(
  values: Readonly<Record<string, string>>,
  names: readonly string[],
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !names.includes(name)));
}
