/**
 * The import arrows: a folder imports only from lower rows. Types count as much as values, and so do lazy
 * imports. What a change to the arrows means belongs into the table first.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import test from 'ava';
import { repositoryRoot } from './helpers/host.js';

const rows: readonly (readonly string[])[] = [
  ['host', 'oci', 'dockerfile'],
  ['native', 'registry', 'trust'],
  ['content', 'snapshot'],
  ['layer', 'sandbox'],
  ['image', 'network', 'volume', 'chunked'],
  ['build', 'container', 'transfer', 'runtime'],
  ['working', 'check'],
  ['session', 'doctor'],
];
/** Used by all, each other included. */
const common = ['host', 'oci'];
/** The wiring (lib/coracle.ts, lib/index.ts) sees everything; of the others only these. */
const onlyUsers: Readonly<Record<string, readonly string[]>> = {
  dockerfile: ['build', 'working'],
  registry: ['transfer', 'session'],
  trust: ['transfer', 'session'],
};
const wiring = ['lib/coracle.ts', 'lib/index.ts'];
const errors = 'lib/errors.ts';

type Import = { readonly from: string; readonly to: string; readonly kind: 'value' | 'type' | 'lazy' };

const root = repositoryRoot();

test('every import follows the arrows', (t) => {
  t.deepEqual(
    [...new Set(imports(sources('lib', 'cmd')).flatMap(({ from, to }) => objection(from, to)))],
    [],
  );
});

test('every folder of lib has a row, and lib itself holds only the wiring and the error class', (t) => {
  const entries = readdirSync(join(root, 'lib'), { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const files = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => `lib/${name}`);
  t.deepEqual(
    folders.filter((folder) => rowOf(folder) === undefined),
    [],
  );
  t.deepEqual(
    files.filter((file) => file !== errors && !wiring.includes(file)),
    [],
  );
});

test('no files and no folders import each other in a circle', (t) => {
  // Types vanish, and a lazy import finds both modules complete: only plain imports can meet a module half made.
  const values = imports(sources('lib', 'cmd')).filter(({ kind }) => kind === 'value');
  t.deepEqual(cycles(values), []);
  const betweenFolders = values
    .map(({ from, to }) => ({ from: dirname(from), to: dirname(to) }))
    .filter(({ from, to }) => from !== to && from !== 'lib' && to !== 'lib');
  t.deepEqual(cycles(betweenFolders), []);
});

test('no TypeScript file is over 300 lines, no C file over 400', (t) => {
  const limits = { '.ts': 300, '.c': 400, '.h': 400 };
  const long = Object.entries(limits).flatMap(([ending, limit]) =>
    listFiles('.', ['lib', 'cmd', 'native'])
      .filter((file) => file.endsWith(ending))
      .map((file) => ({ file, lines: read(file).split('\n').length - 1 }))
      .filter(({ lines }) => lines > limit),
  );
  t.deepEqual(long, []);
});

test('an upward, a sideways and a forbidden import are each objected to', (t) => {
  t.deepEqual(objection('lib/host/paths.ts', 'lib/content/content-store.ts').length, 1);
  t.deepEqual(objection('lib/layer/apply.ts', 'lib/sandbox/mounts.ts').length, 1);
  t.deepEqual(objection('lib/build/execute.ts', 'lib/registry/client.ts').length, 1);
  t.deepEqual(objection('lib/image/assemble.ts', 'lib/registry/client.ts').length, 1);
  t.deepEqual(objection('lib/transfer/pull.ts', 'lib/dockerfile/parse.ts').length, 1);
  t.deepEqual(objection('cmd/run.ts', 'lib/host/paths.ts').length, 1);
  t.deepEqual(objection('lib/oci/digest.ts', 'lib/index.ts').length, 1);
  t.deepEqual(objection('lib/host/paths.ts', 'cmd/output.ts').length, 1);
});

test('imports are read in all their forms', (t) => {
  const text = [
    "import type { A } from './a.js';",
    "import b, {\n  type C,\n} from '../b/b.js';",
    "export * from './c.js';",
    "export { d } from './d.js';",
    "const e = await import('./e.js');",
    "type F = import('./f.js').F;",
    "// import g from './g.js'",
  ].join('\n');
  t.deepEqual(importsOf('lib/x/x.ts', text), [
    { from: 'lib/x/x.ts', to: 'lib/x/a.ts', kind: 'type' },
    { from: 'lib/x/x.ts', to: 'lib/b/b.ts', kind: 'value' },
    { from: 'lib/x/x.ts', to: 'lib/x/c.ts', kind: 'value' },
    { from: 'lib/x/x.ts', to: 'lib/x/d.ts', kind: 'value' },
    { from: 'lib/x/x.ts', to: 'lib/x/e.ts', kind: 'lazy' },
    { from: 'lib/x/x.ts', to: 'lib/x/f.ts', kind: 'lazy' },
  ]);
});

test('a circle is found and named once', (t) => {
  const edge = (from: string, to: string): Import => ({ from, to, kind: 'value' });
  t.deepEqual(cycles([edge('a', 'b'), edge('b', 'c'), edge('c', 'b'), edge('c', 'd')]), ['b -> c -> b']);
});

/** Why `from` may not import `to`: an empty list when it may. */
function objection(from: string, to: string): string[] {
  if (to === errors || dirname(from) === dirname(to)) return [];
  if (from.startsWith('cmd/')) {
    return to.startsWith('cmd/') || to === 'lib/index.ts'
      ? []
      : [`${from} -> ${to}: commands see lib/index.ts only`];
  }
  const [source, target] = [folderOf(from), folderOf(to)];
  if (target === undefined) return [`${from} -> ${to}: nothing in lib imports its own shell`];
  if (wiring.includes(from) || source === target || common.includes(target)) return [];
  const users = onlyUsers[target];
  if (users !== undefined && !users.includes(source ?? '')) {
    return [`${from} -> ${to}: lib/${target} is for ${users.join(', ')} only`];
  }
  const [low, high] = [rowOf(target), rowOf(source ?? '')];
  if (low !== undefined && high !== undefined && low < high) return [];
  return [`${from} -> ${to}: lib/${source} is not above lib/${target}`];
}

function folderOf(file: string): string | undefined {
  return /^lib\/([^/]+)\//.exec(file)?.[1];
}

function rowOf(folder: string): number | undefined {
  const row = rows.findIndex((folders) => folders.includes(folder));
  return row < 0 ? undefined : row;
}

function imports(files: readonly string[]): Import[] {
  return files.flatMap((file) => importsOf(file, read(file)));
}

const forms: readonly (readonly [RegExp, Import['kind']])[] = [
  [/^[ \t]*import\s+type\s[^'"();]*?from\s+'(\.[^']+)'/gm, 'type'],
  [/^[ \t]*export\s+type\s*(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s+from\s+'(\.[^']+)'/gm, 'type'],
  [/^[ \t]*import\s+(?!type\s)[^'"();]*?from\s+'(\.[^']+)'/gm, 'value'],
  [/^[ \t]*export\s+(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s+from\s+'(\.[^']+)'/gm, 'value'],
  [/^[ \t]*import\s+'(\.[^']+)'/gm, 'value'],
  [/\bimport\(\s*'(\.[^']+)'\s*\)/g, 'lazy'],
];

function importsOf(from: string, text: string): Import[] {
  return forms.flatMap(([form, kind]) =>
    [...text.matchAll(form)].map(([, path]) => ({
      from,
      to: join(dirname(from), path ?? '').replace(/\.js$/, '.ts'),
      kind,
    })),
  );
}

/** Each circle of the graph, written from its alphabetically first member. */
function cycles(edges: readonly Pick<Import, 'from' | 'to'>[]): string[] {
  const targets = new Map<string, Set<string>>();
  for (const { from, to } of edges) targets.set(from, (targets.get(from) ?? new Set()).add(to));
  const found = new Set<string>();
  const finished = new Set<string>();
  const walk = (node: string, path: readonly string[]): void => {
    const start = path.indexOf(node);
    if (start >= 0) {
      const circle = path.slice(start);
      const first = circle.indexOf([...circle].sort()[0] ?? '');
      const turned = [...circle.slice(first), ...circle.slice(0, first)];
      found.add([...turned, turned[0]].join(' -> '));
    }
    if (start >= 0 || finished.has(node)) return;
    for (const target of targets.get(node) ?? []) walk(target, [...path, node]);
    finished.add(node);
  };
  for (const node of targets.keys()) walk(node, []);
  return [...found];
}

function sources(...folders: readonly string[]): string[] {
  return listFiles('.', folders).filter((file) => file.endsWith('.ts'));
}

function listFiles(directory: string, only?: readonly string[]): string[] {
  return readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    if (only !== undefined && !only.includes(entry.name)) return [];
    const path = join(directory, entry.name);
    return entry.isDirectory() ? listFiles(path) : [relative('.', path)];
  });
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}
