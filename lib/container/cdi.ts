/**
 * Descriptions of devices in files that vendors install, and what they ask of a container.
 * https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { parseYaml } from '../host/yaml.js';
import type { MountRequest } from '../sandbox/mount.js';
import { parseVolumeFlag } from '../sandbox/volume-flag.js';

/** The places of the specification, the first before the others. */
export const cdiDirectories: readonly string[] = ['/etc/cdi', '/var/run/cdi'];

/** What the named devices add. */
export type CdiEdits = {
  readonly env: readonly string[];
  readonly nodes: readonly { readonly source: string; readonly destination: string }[];
  readonly mounts: readonly MountRequest[];
  readonly groups: readonly string[];
  readonly warnings: readonly string[];
};

type Fields = Readonly<Record<string, unknown>>;
type Description = { readonly path: string; readonly kind: string; readonly fields: Fields };

/** @throws NOT_FOUND for a name that nobody describes, USAGE for descriptions that are none. */
export function findCdiEdits(
  names: readonly string[],
  directories: readonly string[] = cdiDirectories,
): CdiEdits {
  const descriptions = directories.flatMap(readDescriptions);
  const used = new Set<Description>();
  const edits = names.map((name) => {
    const { description, device } = findDevice(name, descriptions, directories);
    used.add(description);
    return readEdits(device.containerEdits, description.path);
  });
  const common = [...used].map(({ fields, path }) => readEdits(fields.containerEdits, path));
  return [...common, ...edits].reduce(join2, { env: [], nodes: [], mounts: [], groups: [], warnings: [] });
}

function join2(a: CdiEdits, b: CdiEdits): CdiEdits {
  return {
    env: [...a.env, ...b.env],
    nodes: [
      ...a.nodes,
      ...b.nodes.filter((node) => !a.nodes.some((each) => each.destination === node.destination)),
    ],
    mounts: [
      ...a.mounts,
      ...b.mounts.filter((mount) => !a.mounts.some((each) => each.destination === mount.destination)),
    ],
    groups: [...new Set([...a.groups, ...b.groups])],
    warnings: [...new Set([...a.warnings, ...b.warnings])],
  };
}

function findDevice(
  name: string,
  descriptions: readonly Description[],
  directories: readonly string[],
): { readonly description: Description; readonly device: Fields } {
  const equals = name.indexOf('=');
  const [kind, wanted] = [name.slice(0, equals), name.slice(equals + 1)];
  // The last directory wins, as the specification has it.
  for (const description of descriptions.filter((each) => each.kind === kind).reverse()) {
    const device = list(description.fields.devices)
      .map(object)
      .find((each) => `${each.name}` === wanted);
    if (device !== undefined) return { description, device };
  }
  const known = descriptions.flatMap((each) =>
    list(each.fields.devices).map((device) => `${each.kind}=${object(device).name}`),
  );
  throw new CoracleError(
    'NOT_FOUND',
    `use device ${name}: nothing describes it in ${directories.join(', ')}`,
    {
      hint: known.length === 0 ? 'no CDI descriptions are there' : `there are: ${known.join(' ')}`,
    },
  );
}

function readDescriptions(directory: string): Description[] {
  return names(directory)
    .filter((name) => /\.(?:json|ya?ml)$/.test(name))
    .sort()
    .map((name) => readDescription(join(directory, name)));
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return [];
    throw ioError(`read ${directory}`, error);
  }
}

function readDescription(path: string): Description {
  try {
    const text = readFileSync(path, 'utf8');
    const fields = object(path.endsWith('.json') ? JSON.parse(text) : parseYaml(text));
    if (typeof fields.cdiVersion !== 'string' || typeof fields.kind !== 'string')
      throw new Error('no cdiVersion and kind');
    return { path, kind: fields.kind, fields };
  } catch (error) {
    throw new CoracleError(
      'USAGE',
      `read CDI description ${path}: ${error instanceof Error ? error.message : error}`,
      { cause: error },
    );
  }
}

function readEdits(value: unknown, path: string): CdiEdits {
  const fields = object(value ?? {});
  const hooks = list(fields.hooks).map((hook) => `${object(hook).hookName} ${object(hook).path}`);
  return {
    env: list(fields.env)
      .map(String)
      .filter((entry) => /^[^=\0]+=[^\0]*$/.test(entry)),
    nodes: list(fields.deviceNodes)
      .map(object)
      .map(({ path: destination, hostPath }) => ({
        source: absolute(hostPath ?? destination, path),
        destination: absolute(destination, path),
      })),
    mounts: list(fields.mounts)
      .map(object)
      .map((mount) => readMount(mount, path)),
    groups: list(fields.additionalGids)
      .map(String)
      .filter((gid) => /^\d+$/.test(gid) && gid !== '0'),
    warnings: [
      ...hooks.map((hook) => `CDI description ${path}: the hook ${hook} is not run`),
      ...(fields.intelRdt === undefined ? [] : [`CDI description ${path}: intelRdt is not applied`]),
    ],
  };
}

function readMount({ hostPath, containerPath, options }: Fields, path: string): MountRequest {
  const words = list(options)
    .map(String)
    .filter((word) => word === 'ro' || word === 'noexec');
  const text = [
    absolute(hostPath, path),
    absolute(containerPath, path),
    ...(words.length === 0 ? [] : [words.join(',')]),
  ];
  return parseVolumeFlag(text.join(':'), '/');
}

function absolute(value: unknown, path: string): string {
  if (typeof value === 'string' && value.startsWith('/') && !value.includes(':') && !value.includes('\0'))
    return value;
  throw new CoracleError('USAGE', `read CDI description ${path}: "${value}" is no absolute path`);
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function object(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}
