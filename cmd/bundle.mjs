/**
 * Fills dist/ beside the native programs: the program in two files (hot.cjs, cold.cjs), the loader that dist/coracle starts
 * (main.cjs) and V8's code caches for this Node.js. `node cmd/bundle.mjs [--entry FILE] [--out DIRECTORY] `
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build, transform } from 'esbuild';
import { functionBody, loadedWith } from './bundle-chunks.mjs';
import { plainStringWidth, withoutIndex } from './bundle-plugins.mjs';

const commandDirectory = dirname(fileURLToPath(import.meta.url));
const projectDirectory = dirname(commandDirectory);

const { values } = parseArgs({
  options: {
    entry: { type: 'string', default: join(commandDirectory, 'coracle.ts') },
    out: { type: 'string', default: join(projectDirectory, 'dist') },
  },
});
const out = resolve(values.out);
/** What is started all the time, and everything else. */
const parts = ['hot', 'cold'];
/** Started all the time too, but not everywhere where this is built: a container has to run. */
const alwaysHot = ['lib/container/prepared.ts', 'lib/container/lifecycle.ts', 'cmd/stop.ts', 'cmd/rm.ts'];

mkdirSync(out, { recursive: true });
await writeLoader();
const chunks = await bundleChunks();
writeParts(chunks, (name) => name !== chunks.entry);
const hot = new Set([...withScratch((scratch) => traceHot(scratch)), ...chunks.alwaysHot]);
const hashes = writeParts(chunks, (name) => !hot.has(name));
withScratch((scratch) => writeCodeCaches(hashes, scratch));

/**
 * The modules in chunks: those that are always loaded together are one. esbuild splits only ECMAScript modules, which start
 * slowly, so each chunk becomes a function.
 */
async function bundleChunks() {
  const { outputFiles, metafile } = await build({
    absWorkingDir: projectDirectory,
    entryPoints: [resolve(values.entry)],
    outdir: out,
    write: false,
    metafile: true,
    bundle: true,
    splitting: true,
    minify: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    charset: 'ascii',
    legalComments: 'none',
    define: {
      'import.meta.url': '__bundleUrl',
      'import.meta.dirname': '__dirname',
      'import.meta.filename': '__filename',
      'import.meta.resolve': 'require.resolve',
    },
    plugins: [
      plainStringWidth(),
      withoutIndex({ commands: commandDirectory, index: join(projectDirectory, 'lib', 'index.ts') }),
    ],
    nodePaths: [join(projectDirectory, 'node_modules')],
    logLevel: 'warning',
  });
  const outputs = Object.entries(metafile.outputs);
  // Short names: each stands in the text wherever its chunk is imported.
  const names = new Map(outputs.map(([path], index) => [`./${basename(path)}`, `./${index.toString(36)}`]));
  const nameOf = (path) => names.get(`./${basename(path)}`);
  const chunkOf = (source) =>
    outputs.find(
      ([, { entryPoint }]) => entryPoint !== undefined && resolve(projectDirectory, entryPoint) === source,
    );
  const pure = new Set(
    outputs
      .filter(([, { inputs }]) => Object.keys(inputs).every((file) => /^(lib|cmd)\//.test(file)))
      .map(([path]) => nameOf(path)),
  );
  const texts = new Map();
  for (const { path, text } of outputFiles) {
    const renamed = text.replace(/(?<=\b(?:from|import|import\()\s*)"(\.\/[^"]+)"/g, (quoted, name) =>
      names.has(name) ? JSON.stringify(names.get(name)) : quoted,
    );
    texts.set(nameOf(path), functionBody(renamed, path, pure));
  }
  return {
    texts,
    entry: nameOf(chunkOf(resolve(values.entry))[0]),
    alwaysHot: alwaysHot.flatMap((source) =>
      loadedWith(nameOf(chunkOf(join(projectDirectory, source))[0]), texts),
    ),
  };
}

/**
 * Writes the two files of chunks, each a function expression that gives its chunks' functions by name. What `isCold` says
 * goes into the second one, which is read when something in it is asked for. Returns the files' hashes.
 */
function writeParts({ texts, entry }, isCold) {
  const names = [...texts.keys()].sort();
  return Object.fromEntries(
    parts.map((part) => {
      const members = names.filter((name) => isCold(name) === (part === 'cold'));
      const bodies = members.map((name) => `${JSON.stringify(name)}:function(require){${texts.get(name)}}`);
      const code = [
        '(function(entry,require,__filename,__dirname){',
        'var __bundleUrl="file://"+encodeURI(__filename).replace(/[?#]/g,encodeURIComponent);',
        `return{entry:${JSON.stringify(entry)},chunks:{${bodies.join(',\n')}}}})`,
      ].join('\n');
      const hash = createHash('sha256').update(code).digest('hex').slice(0, 16);
      publish(join(out, `${part}.cjs`), `//${hash}\n${code}`);
      return [part, hash];
    }),
  );
}

async function writeLoader() {
  const source = readFileSync(join(commandDirectory, 'loader.cjs'), 'utf8');
  const { code } = await transform(source, { minify: true, platform: 'node', target: 'node20' });
  publish(join(out, 'main.cjs'), code);
}

/** The chunks that the commands people wait for load: found out by running them. */
function traceHot(scratch) {
  const trace = join(scratch, 'trace');
  prepare(scratch);
  if (
    !warmUp({ scratch, commands: warmCommands(scratch), trace }) &&
    !warmUp({ scratch, commands: [['version']], trace })
  ) {
    throw new Error('trace the start: the bundle does not load');
  }
  return new Set(JSON.parse(readFileSync(trace, 'utf8')));
}

/** The caches beside the files, made after the commands people wait for have run once. */
function writeCodeCaches(hashes, scratch) {
  prepare(scratch);
  if (!warmUp({ scratch, commands: warmCommands(scratch), caches: scratch })) {
    process.stderr.write('bundle: the warm-up did not finish: the code caches hold the start only\n');
    if (!warmUp({ scratch, commands: [['version']], caches: scratch }))
      throw new Error('make code caches: the bundle does not load');
  }
  // A process of its own again: the hot cache is made, and what builds compile has no place in it.
  const other = join(scratch, 'other');
  mkdirSync(other);
  if (warmUp({ scratch, commands: coldCommands(scratch), caches: other })) {
    renameSync(join(other, 'cold.cache'), join(scratch, 'cold.cache'));
  }
  for (const old of readdirSync(out).filter((file) => file.endsWith('.cache'))) rmSync(join(out, old));
  for (const part of parts.filter((part) => existsSync(join(scratch, `${part}.cache`)))) {
    publish(
      join(out, `${part}-${hashes[part]}-${process.version}-${process.arch}.cache`),
      readFileSync(join(scratch, `${part}.cache`)),
    );
  }
}

function withScratch(action) {
  const scratch = mkdtempSync(join(tmpdir(), 'coracle-warm-up-'));
  try {
    return action(scratch);
  } finally {
    removeBusy(scratch);
  }
}

/** What ran in it may still be tidying up: a file that comes while others go means that all is looked at again. */
function removeBusy(directory) {
  for (let attempt = 0; ; attempt++) {
    try {
      return rmSync(directory, { recursive: true, force: true });
    } catch (error) {
      if (attempt === 100 || !['ENOTEMPTY', 'EBUSY'].includes(error.code)) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
  }
}

/** Runs commands in one process; true when it came to its end. */
function warmUp({ scratch, commands, trace, caches }) {
  const environment = { ...process.env };
  delete environment.NODE_OPTIONS;
  delete environment.NODE_EXTRA_CA_CERTS;
  const script = join(commandDirectory, 'warm-up.cjs');
  const request = JSON.stringify({ directory: out, scratch, commands, trace, caches });
  const { status } = spawnSync(process.execPath, [script, request], {
    env: environment,
    stdio: 'ignore',
    timeout: 30_000,
  });
  return status === 0;
}

/**
 * An image to run, and what only a first run has to do. In a process of its own: what it compiles would make every start
 * read a larger cache.
 */
function prepare(scratch) {
  const rootfs = join(scratch, 'rootfs');
  mkdirSync(join(rootfs, 'bin'), { recursive: true });
  writeFileSync(join(rootfs, 'bin', 'true'), '#!/bin/true\n', { mode: 0o755 });
  // Files of root: a user can remove their copies in the store again.
  const owner = ['--owner=0', '--group=0', '--numeric-owner'];
  spawnSync('tar', ['-cf', join(scratch, 'warm.tar'), ...owner, '-C', rootfs, 'bin']);
  const load = ['--root', join(scratch, 'root'), 'import', join(scratch, 'warm.tar'), 'localhost/warm'];
  warmUp({ scratch, commands: [load, ...warmCommands(scratch)] });
}

/** What is run most. */
function warmCommands(scratch) {
  const root = ['--root', join(scratch, 'root')];
  const run = ['run', '--rm', '--network', 'none', '-e', 'A=b', '-w', '/', '--name', 'warm'];
  return [
    ['version'],
    [...root, 'images'],
    [...root, ...run, 'localhost/warm', '/bin/true'],
    [...root, 'create', '--name', 'box', '--network', 'none', 'localhost/warm', '/bin/true'],
    [...root, 'start', '-a', 'box'],
    ['@running', join(scratch, 'root')],
    [...root, 'exec', '-e', 'A=b', 'box', 'true'],
    [...root, 'ps', '-a'],
    [...root, 'logs', 'box'],
    [...root, 'inspect', 'box'],
  ];
}

/** What is run less often, but not rarely. */
function coldCommands(scratch) {
  const context = join(scratch, 'context');
  mkdirSync(context);
  writeFileSync(
    join(context, 'Dockerfile'),
    'FROM scratch\nARG A=b\nENV B=$A\nCOPY Dockerfile /\nCMD ["/true"]\n',
  );
  const build = [
    '--root',
    join(scratch, 'root'),
    'build',
    '--progress',
    'plain',
    '-t',
    'localhost/made',
    context,
  ];
  return [build, build, ['pull', '--help']];
}

/**
 * Replaces a file by rename: a program that is starting reads the old one or the new one. Not group-writable
 * whatever the umask: the loader would distrust such a cache.
 */
function publish(path, content) {
  writeFileSync(`${path}.part`, content, { mode: 0o644 });
  renameSync(`${path}.part`, path);
}
