/** What `mount` and `umount` of containers and of working containers have in common. */
import { CoracleError, type MountedContainer } from '../lib/index.js';
import type { Context, OptionSpec } from './command.js';
import { forEach } from './each.js';
import { printLine, printTable } from './terminal/output.js';

/** The verbs of one kind of container. */
export type Mounting = {
  /** Of images; else they are containers. */
  readonly kind?: 'image';
  readonly mount: (name: string) => Promise<string>;
  readonly unmount: (name: string) => Promise<boolean>;
  readonly mounted: () => Promise<readonly MountedContainer[]>;
  readonly all: () => Promise<readonly string[]>;
};

/** The verbs of containers. */
export function ofContainers(context: Context): Mounting {
  const coracle = context.open();
  return {
    mount: (name) => coracle.mount(name),
    unmount: (name) => coracle.unmount(name),
    mounted: () => coracle.mounted(),
    all: async () => (await coracle.containers({ all: true })).map((one) => one.name),
  };
}

/** The verbs of working containers. */
export function ofWorking(context: Context): Mounting {
  const { working } = context.open();
  return {
    mount: (name) => working.mount(name),
    unmount: (name) => working.unmount(name),
    mounted: () => working.mounted(),
    all: async () => (await working.list()).map((one) => one.name),
  };
}

export const mountOptions = [
  { name: 'all', short: 'a', kind: 'switch', summary: 'All of them' },
  {
    name: 'format',
    kind: 'string',
    value: 'FORMAT',
    choices: ['json'],
    summary: 'Those that are mounted, as JSON',
  },
  { name: 'json', kind: 'switch', summary: 'Same as --format json' },
  { name: 'notruncate', kind: 'switch', summary: 'Whole ids', aliases: ['no-trunc'] },
] as const satisfies readonly OptionSpec[];

type MountValues = {
  readonly all: boolean;
  readonly format: string | undefined;
  readonly json: boolean;
  readonly notruncate: boolean;
};

/** Mounts those named; without a name lists what is mounted. One mount point is printed alone, of several each behind its name. */
export async function mountNamed(
  values: MountValues,
  operands: readonly string[],
  context: Context,
  mounting: Mounting,
): Promise<number> {
  if (values.all && operands.length > 0) throw new CoracleError('USAGE', 'use --all: it names all of them');
  const names = values.all ? await mounting.all() : operands;
  if (names.length === 0) {
    list(await mounting.mounted(), values, mounting.kind);
    return 0;
  }
  return forEach(names, context, async (name) => {
    const path = await mounting.mount(name);
    printLine(names.length === 1 ? path : `${name} ${path}`);
  });
}

export async function unmountNamed(
  all: boolean,
  operands: readonly string[],
  context: Context,
  mounting: Mounting,
): Promise<number> {
  const { kind = 'container' } = mounting;
  if (all === operands.length > 0) {
    throw new CoracleError(
      'USAGE',
      all ? 'use --all: it names all of them' : 'umount: needs at least 1 argument, got 0',
      {
        hint: `name the ${kind}s, or use --all for all that are mounted`,
      },
    );
  }
  const names = all ? (await mounting.mounted()).map(({ name }) => name) : operands;
  return forEach(names, context, async (name) => {
    if (!(await mounting.unmount(name)))
      throw new CoracleError('CONFLICT', `unmount ${kind} ${name}: it is not mounted`);
    printLine(name);
  });
}

function list(
  mounted: readonly MountedContainer[],
  { format, json, notruncate }: MountValues,
  kind: Mounting['kind'],
): void {
  if (json || format === 'json') {
    printLine(
      JSON.stringify(
        mounted.map(({ id, name, path }) => {
          const repositories = kind === 'image' ? { Repositories: [name] } : {};
          return { id, Names: [name], ...repositories, mountpoint: path };
        }),
        undefined,
        4,
      ),
    );
    return;
  }
  printTable(
    undefined,
    mounted.map(({ id, name, path }) => [notruncate ? id : id.slice(0, 12), name, path]),
  );
}
