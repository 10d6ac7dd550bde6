/** Changes to an image's config as `import --change` takes them: Dockerfile instructions that set a default. */
import { CoracleError } from '../errors.js';
import type { ContainerConfig, KeySet } from '../oci/container-config.js';
import { parseJson, requireStrings } from '../oci/guards.js';

/** Applies changes such as `CMD ["sh"]`, `ENV A=b C="d e"`, `WORKDIR=/srv`, in order. Throws USAGE. */
export function applyChanges(config: ContainerConfig, changes: readonly string[]): ContainerConfig {
  return changes.reduce(applyChange, config);
}

function applyChange(config: ContainerConfig, change: string): ContainerConfig {
  const match = /^\s*([A-Za-z]+)(?:\s*=\s*|\s+)([\s\S]*?)\s*$/.exec(change);
  const value = match?.[2] ?? '';
  const instruction = (match?.[1] ?? '').toUpperCase();
  if (match === null || value === '') throw unusable(change, 'expected INSTRUCTION VALUE');
  switch (instruction) {
    case 'CMD':
      return { ...config, Cmd: command(change, value) };
    case 'ENTRYPOINT':
      return { ...config, Entrypoint: command(change, value) };
    case 'ENV':
      return { ...config, Env: pairs(change, value).reduce(setVariable, config.Env ?? []) };
    case 'EXPOSE':
      return {
        ...config,
        ExposedPorts: {
          ...config.ExposedPorts,
          ...keys(words(change, value).map((port) => portKey(change, port))),
        },
      };
    case 'LABEL':
      return { ...config, Labels: { ...config.Labels, ...Object.fromEntries(pairs(change, value)) } };
    case 'ONBUILD':
      return { ...config, OnBuild: [...(config.OnBuild ?? []), value] };
    case 'STOPSIGNAL':
      return { ...config, StopSignal: value };
    case 'USER':
      return { ...config, User: value };
    case 'VOLUME':
      return { ...config, Volumes: { ...config.Volumes, ...keys(list(change, value)) } };
    case 'WORKDIR':
      return { ...config, WorkingDir: value.startsWith('/') ? value : `${config.WorkingDir ?? ''}/${value}` };
    default:
      throw unusable(change, `${instruction} cannot change an imported image`);
  }
}

/** A JSON list, or a line for the shell. */
function command(change: string, value: string): readonly string[] {
  return value.startsWith('[') ? jsonList(change, value) : ['/bin/sh', '-c', value];
}

function list(change: string, value: string): readonly string[] {
  return value.startsWith('[') ? jsonList(change, value) : words(change, value);
}

function jsonList(change: string, value: string): readonly string[] {
  try {
    return requireStrings(parseJson(value, 'list'), 'list');
  } catch (error) {
    throw unusable(change, 'the list is not valid JSON', error);
  }
}

/** `A=b C="d e"`, or the old form `A b c`. */
function pairs(change: string, value: string): readonly (readonly [string, string])[] {
  const parts = words(change, value);
  const [name = ''] = parts;
  if (!name.includes('=')) {
    if (parts.length < 2) throw unusable(change, `${name} has no value`);
    return [[name, value.slice(value.indexOf(name) + name.length).trim()]];
  }
  return parts.map((part) => {
    const equals = part.indexOf('=');
    if (equals < 1) throw unusable(change, `expected NAME=VALUE, got ${part}`);
    return [part.slice(0, equals), part.slice(equals + 1)] as const;
  });
}

/** Words as a shell splits them, without expansion: quotes and backslashes. */
function words(change: string, text: string): readonly string[] {
  const found: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? '';
    if (/\s/.test(character)) {
      if (word !== undefined) found.push(word);
      word = undefined;
    } else if (character === '"' || character === "'") {
      const end = text.indexOf(character, at + 1);
      if (end < 0) throw unusable(change, 'a quote is not closed');
      word = (word ?? '') + text.slice(at + 1, end);
      at = end;
    } else if (character === '\\' && at + 1 < text.length) word = (word ?? '') + text[++at];
    else word = (word ?? '') + character;
  }
  if (word !== undefined) found.push(word);
  return found;
}

function setVariable(env: readonly string[], [name, value]: readonly [string, string]): readonly string[] {
  const entry = `${name}=${value}`;
  const place = env.findIndex((other) => other.startsWith(`${name}=`));
  return place < 0 ? [...env, entry] : env.with(place, entry);
}

function portKey(change: string, port: string): string {
  const match = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/.exec(port);
  if (match === null || Number(match[1]) > 65_535) throw unusable(change, `${port} is no port`);
  return `${match[1]}/${match[2] ?? 'tcp'}`;
}

function keys(names: readonly string[]): KeySet {
  return Object.fromEntries(names.map((name) => [name, {}]));
}

function unusable(change: string, reason: string, cause?: unknown): CoracleError {
  return new CoracleError('USAGE', `apply change ${JSON.stringify(change)}: ${reason}`, {
    cause,
    hint: 'CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR can be set',
  });
}
