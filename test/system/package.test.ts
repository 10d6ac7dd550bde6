/** The package as npm makes it, in projects that use it: its types, its library, its programs. */
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { testWith } from '../helpers/declare.js';
import { missingCli, repositoryRoot, temporaryDirectory } from '../helpers/host.js';

const root = repositoryRoot();

const run = (
  command: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): { readonly code: number | null; readonly said: string } => {
  const child = spawnSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, ...env } });
  return { code: child.status, said: `${child.stdout}${child.stderr}${child.error?.message ?? ''}` };
};

const directory = mkdtempSync(join(tmpdir(), 'coracle-package-'));
let tarball = '';

test.before((t) => {
  if (missingCli() !== undefined) return;
  const packed = run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', directory], root, {
    npm_config_cache: join(directory, 'npm'),
  });
  t.is(packed.code, 0, packed.said);
  tarball = join(directory, packed.said.trim().split('\n').at(-1) ?? '');
});

test.after.always(() => rmSync(directory, { recursive: true, force: true }));

/** A project with the packed package in its node_modules, beside what it depends on. */
function installed(t: ExecutionContext): { readonly project: string; readonly place: string } {
  const project = temporaryDirectory(t);
  const modules = join(project, 'node_modules');
  mkdirSync(modules);
  const unpacked = run('tar', ['xzf', tarball], project);
  t.is(unpacked.code, 0, unpacked.said);
  const place = join(modules, 'coracle');
  renameSync(join(project, 'package'), place);
  const { dependencies } = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8'));
  for (const name of [...Object.keys(dependencies), '@types'])
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  return { project, place };
}

const compile = (project: string, files: readonly string[], module: string): ReturnType<typeof run> => {
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false', '--types', 'node'];
  const into = ['--module', module, '--target', 'es2022', '--outDir', 'built'];
  return run(process.execPath, [compiler, ...strict, ...into, ...files], project);
};

const example = (): string => {
  const [, text = ''] = /```ts\n(.*?)```/s.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
  return text;
};

const uses = `import { openCoracle, CoracleError, type BuildEvent, type RunRequest } from 'coracle';
const main = async (): Promise<void> => {
  const coracle = openCoracle({ root: '/nowhere' });
  const events: BuildEvent[] = [];
  const request: RunRequest = { replace: true };
  void request;
  void ((context: string) => coracle.build({ context, onEvent: (event) => events.push(event) }));
  try {
    await coracle.inspect('nothing');
  } catch (error) {
    console.log((await coracle.version()).Version, error instanceof CoracleError);
  }
  await coracle.close();
};
void main();
`;

testWith(
  [missingCli()],
  'strict projects compile against the package, the example of the README too',
  (t) => {
    const { project, place } = installed(t);
    writeFileSync(join(project, 'example.mts'), example());
    writeFileSync(join(project, 'uses.mts'), uses);
    writeFileSync(join(project, 'uses.cts'), uses);
    const compiled = compile(project, ['example.mts', 'uses.mts', 'uses.cts'], 'nodenext');
    t.is(compiled.code, 0, compiled.said);
    const { version } = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8'));
    t.is(run(process.execPath, ['built/uses.mjs'], project).said, `${version} true\n`);
    t.is(run(join(place, 'dist/coracle'), ['version', '-f', '{{.Version}}'], project).said, `${version}\n`);
  },
);

testWith(
  [missingCli()],
  'the package holds what it runs from and what it is built from, and no more',
  (t) => {
    const { place } = installed(t);
    t.deepEqual(readdirSync(place).sort(), [
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'dist',
      'native',
      'out',
      'package.json',
    ]);
    const all = readdirSync(place, { recursive: true, encoding: 'utf8' });
    t.deepEqual(
      all.filter((file) => /\.(map|o|test\.js)$/.test(file) || file.startsWith('out/test')),
      [],
    );
  },
);

testWith([missingCli()], 'programs that do not run here are built when the package is installed', (t) => {
  const { project, place } = installed(t);
  const bin = join(project, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'make'), `#!/bin/sh\necho "$@" >${project}/made\nexit "\${MAKE_EXIT:-0}"\n`, {
    mode: 0o755,
  });
  const env = { PATH: `${bin}:${process.env.PATH ?? ''}` };
  const install = (more: Readonly<Record<string, string>> = {}): ReturnType<typeof run> =>
    run(process.execPath, ['native/install.mjs'], place, { ...env, ...more });
  t.deepEqual(install(), { code: 0, said: '' });
  t.throws(() => readFileSync(join(project, 'made')), { code: 'ENOENT' });
  writeFileSync(join(place, 'dist/native/coracle-sv'), 'of another processor', { mode: 0o755 });
  t.is(install().code, 0);
  t.regex(readFileSync(join(project, 'made'), 'utf8'), /^-B -s -C .*native\/? all$/m);
  const failed = install({ MAKE_EXIT: '2' });
  t.is(failed.code, 1);
  t.regex(failed.said, /^coracle: build the native programs for \w+: make failed\nhint: /);
});
