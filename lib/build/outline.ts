/**
 * `outline` and `targets`: what a build can be given and what it can be asked for, without building. Shapes and texts are
 * those of BuildKit's frontend/subrequests/outline and targets.
 */
import { expandFrom } from '../dockerfile/expansion.js';
import type { ArgInstruction, Argument, Dockerfile } from '../dockerfile/instructions.js';
import type { SourceRange } from '../dockerfile/source.js';
import { location } from './check-report.js';
import type { PlannedStage } from './plan.js';
import type { Planner } from './planner.js';

/** A result with its two forms: lines for people, the object of docker's JSON. */
export type Described = { readonly text: string; readonly json: object };

type Parameter = { readonly name: string; readonly range: SourceRange };
type DescribedArgument = Parameter & { readonly value?: string; readonly description?: string };
type Wanted = Parameter & { readonly required: boolean };

/** The parameters of the target and of all stages that it needs. */
export async function outline(planner: Planner): Promise<Described> {
  const { target: index, stages } = await planner.plan();
  const { dockerfile } = planner.input;
  const target = dockerfile.stages[index];
  const planned = [...stages.values()].sort((left, right) => left.index - right.index);
  const args = argumentsOf(planner, planned);
  const secrets = mountsOf(planned, 'secret');
  const agents = mountsOf(planned, 'ssh');
  const caches = mountsOf(planned, 'cache');
  const { name, comment: description } = target ?? {};
  const head = [
    ...(name === undefined && description === undefined ? [] : [['TARGET:', name ?? '(default)']]),
    ...(description === undefined ? [] : [['DESCRIPTION:', description]]),
  ];
  const required = ({ name, required }: Wanted): string[] => [name, required ? 'true' : ''];
  const text = [
    table(undefined, head),
    table(
      ['BUILD ARG', 'VALUE', 'DESCRIPTION'],
      args.map(({ name, value = '', description = '' }) => [name, value, description]),
    ),
    table(['SECRET', 'REQUIRED'], secrets.map(required)),
    table(['SSH', 'REQUIRED'], agents.map(required)),
    table(
      ['CACHE MOUNT'],
      caches.map(({ name }) => [name]),
    ),
  ];
  const place = ({ range }: Parameter): object => ({ location: location(range) });
  const json = {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...list(
      'args',
      args.map(({ name, value, description, range }) => ({
        name,
        ...(description === undefined ? {} : { description }),
        ...(value ? { value } : {}),
        location: location(range),
      })),
    ),
    ...list('secrets', secrets.map(wantedJson)),
    ...list('ssh', agents.map(wantedJson)),
    ...list(
      'cache',
      caches.map((cache) => ({ ID: cache.name, ...place(cache) })),
    ),
    sources: [sourceText(dockerfile)],
  };
  return { text: text.filter((part) => part !== '').join('\n'), json };
}

/** The stages that a build can end with. */
export function targets({ input: { dockerfile }, globals }: Planner): Described {
  const { stages, directives } = dockerfile;
  const rows = stages.map((stage) => {
    const { instruction } = expandFrom(stage.from, (name) => globals.lookup(name), directives.escape);
    const isDefault = stage.index === stages.length - 1;
    return { ...stage, base: instruction.base, platform: instruction.platform, isDefault };
  });
  const lines = rows.map(({ name, isDefault, comment = '' }) => [
    [...(name === undefined ? [] : [name]), ...(isDefault ? ['(default)'] : [])].join(' '),
    comment,
  ]);
  const json = {
    targets: rows.map(({ name, isDefault, comment, base, platform, from }) => ({
      ...(name === undefined ? {} : { name }),
      ...(isDefault ? { default: true } : {}),
      ...(comment === undefined ? {} : { description: comment }),
      base,
      ...(platform ? { platform } : {}),
      location: location(from.range),
    })),
    sources: [sourceText(dockerfile)],
  };
  return { text: table(['TARGET', 'DESCRIPTION'], lines), json };
}

/** The ARGs that the stages declare, and the global ones that their FROMs name; each once, where it stands first. */
function argumentsOf(planner: Planner, planned: readonly PlannedStage[]): readonly DescribedArgument[] {
  const { dockerfile } = planner.input;
  const found = new Map<string, DescribedArgument>();
  const add = (argument: Argument, value: string | undefined, range: SourceRange): void => {
    const { key: name, comment: description } = argument;
    if (found.has(name)) return;
    const details = {
      ...(value === undefined ? {} : { value }),
      ...(description === undefined ? {} : { description }),
    };
    found.set(name, { name, range, ...details });
  };
  const named = new Set(planned.flatMap(({ index }) => namesInFrom(dockerfile, index)));
  for (const [argument, { range }] of each(dockerfile.metaArgs)) {
    if (named.has(argument.key)) add(argument, planner.globals.lookup(argument.key), range);
  }
  for (const { index } of planned) {
    const declared = (dockerfile.stages[index]?.instructions ?? []).filter((one) => one.kind === 'arg');
    for (const [argument, { range }] of each(declared)) {
      add(withGlobal(argument, dockerfile), planner.scopes.get(index)?.lookup(argument.key), range);
    }
  }
  return byPlace([...found.values()]);
}

/** A stage's ARG that repeats a global one is described where that one is. */
function withGlobal(argument: Argument, { metaArgs }: Dockerfile): Argument {
  if (argument.comment !== undefined) return argument;
  const comment = metaArgs.flatMap(({ args }) => args).find(({ key }) => key === argument.key)?.comment;
  return comment === undefined ? argument : { ...argument, comment };
}

function* each(instructions: readonly ArgInstruction[]): Generator<[Argument, ArgInstruction]> {
  for (const instruction of instructions)
    for (const argument of instruction.args) yield [argument, instruction];
}

function namesInFrom(dockerfile: Dockerfile, index: number): readonly string[] {
  const names: string[] = [];
  const from = dockerfile.stages[index]?.from;
  if (from === undefined) return names;
  const lookup = (name: string): undefined => {
    names.push(name);
    return undefined;
  };
  try {
    expandFrom(from, lookup, dockerfile.directives.escape);
  } catch {
    // Without values a name may be no name (`${A:?}`); what was asked for until then is known all the same.
  }
  return names;
}

function mountsOf(planned: readonly PlannedStage[], kind: 'secret' | 'ssh' | 'cache'): readonly Wanted[] {
  const found = new Map<string, Wanted>();
  for (const step of planned.flatMap(({ steps }) => steps)) {
    if (step.kind !== 'run') continue;
    for (const mount of step.mounts) {
      if (mount.kind !== kind || found.has(mount.id)) continue;
      found.set(mount.id, {
        name: mount.id,
        range: step.range,
        required: 'required' in mount && mount.required,
      });
    }
  }
  return byPlace([...found.values()]);
}

function wantedJson({ name, required, range }: Wanted): object {
  return { name, ...(required ? { required } : {}), location: location(range) };
}

function byPlace<P extends Parameter>(parameters: readonly P[]): readonly P[] {
  return [...parameters].sort((left, right) => left.range.startLine - right.range.startLine);
}

function list(name: string, items: readonly object[]): object {
  return items.length === 0 ? {} : { [name]: items };
}

/** As JSON has bytes. */
function sourceText({ lines }: Dockerfile): string {
  return Buffer.from(lines.join('\n')).toString('base64');
}

/** Columns three spaces apart; nothing where there are no rows. */
function table(heading: readonly string[] | undefined, rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const all = heading === undefined ? rows : [heading, ...rows];
  const widths = (all[0] ?? []).map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd((widths[column] ?? 0) + 3))
      .join('')
      .trimEnd();
  return `${all.map(line).join('\n')}\n`;
}
