/**
 * Fills dist/ beside the native programs: the bundle (coracle.cjs), the loader that dist/coracle starts (main.cjs)
 * and V8's code cache for this Node.js. `node cmd/bundle.mjs [--entry FILE] [--out DIRECTORY] [--sourcemap]`
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

const commandDirectory = dirname(fileURLToPath(import.meta.url));
const projectDirectory = dirname(commandDirectory);

const { values } = parseArgs({
  options: {
    entry: { type: 'string', default: join(commandDirectory, 'coracle.ts') },
    out: { type: 'string', default: join(projectDirectory, 'dist') },
    sourcemap: { type: 'boolean', default: false },
  },
});
const out = resolve(values.out);

mkdirSync(out, { recursive: true });
const hash = await writeBundle();
await writeLoader();
writeCodeCache(`coracle-${hash}-${process.version}-${process.arch}.cache`);

/** One minified CommonJS file whose modules behind `import()` start when asked for. Returns its hash. */
async function writeBundle() {
  const placeholder = '0'.repeat(16);
  const { outputFiles } = await build({
    entryPoints: [values.entry],
    outfile: join(out, 'coracle.cjs'),
    write: false,
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    charset: 'ascii',
    legalComments: 'external',
    sourcemap: values.sourcemap ? 'external' : false,
    // `import()` of a built-in inside vm.Script would need the ESM loader; require() does not.
    supported: { 'dynamic-import': false },
    define: {
      'import.meta.url': '__bundleUrl',
      'import.meta.dirname': '__dirname',
      'import.meta.filename': '__filename',
    },
    // The file is one function expression: the loader hands in what a CommonJS module gets.
    banner: {
      js: [
        `//${placeholder}`,
        '(function(exports,require,module,__filename,__dirname){',
        'var __bundleUrl="file://"+encodeURI(__filename).replace(/[?#]/g,encodeURIComponent);',
      ].join('\n'),
    },
    footer: { js: '})' },
    plugins: [plainStringWidth()],
    nodePaths: [join(projectDirectory, 'node_modules')],
    logLevel: 'warning',
  });
  const bundle = outputFiles.find(({ path }) => path.endsWith('coracle.cjs'));
  const digest = createHash('sha256').update(bundle.contents).digest('hex').slice(0, 16);
  for (const { path, text } of outputFiles) {
    publish(join(out, basename(path)), path === bundle.path ? text.replace(placeholder, digest) : text);
  }
  return digest;
}

/** yargs measures help text with string-width, whose Intl.Segmenter costs 11 ms; our help is plain text. */
function plainStringWidth() {
  const contents = 'export default (text) => [...String(text).replace(/\\u001B\\[[0-9;]*m/g, "")].length;';
  return {
    name: 'plain-string-width',
    setup: (plugins) => {
      plugins.onResolve({ filter: /^string-width$/ }, () => ({ path: 'string-width', namespace: 'plain' }));
      plugins.onLoad({ filter: /.*/, namespace: 'plain' }, () => ({ contents }));
    },
  };
}

async function writeLoader() {
  const source = readFileSync(join(commandDirectory, 'loader.cjs'), 'utf8');
  const { code } = await transform(source, { minify: true, platform: 'node', target: 'node20' });
  publish(join(out, 'main.cjs'), code);
}

/** The cache beside the bundle, made after the commands people wait for have run once. */
function writeCodeCache(name) {
  const scratch = mkdtempSync(join(tmpdir(), 'coracle-warm-up-'));
  try {
    const part = join(scratch, name);
    // In a process of its own: what only an import compiles would make every start read a larger cache.
    warmUp(join(scratch, 'unused.cache'), scratch, prepareCommands(scratch));
    if (!warmUp(part, scratch, warmCommands(scratch))) {
      process.stderr.write('bundle: the warm-up did not finish: the code cache holds the start only\n');
      if (!warmUp(part, scratch, [['version']])) throw new Error('make code cache: the bundle does not load');
    }
    for (const old of readdirSync(out).filter((file) => file.endsWith('.cache'))) rmSync(join(out, old));
    publish(join(out, name), readFileSync(part));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function warmUp(cache, scratch, commands) {
  const environment = { ...process.env };
  delete environment.NODE_OPTIONS;
  delete environment.NODE_EXTRA_CA_CERTS;
  const script = join(commandDirectory, 'warm-up.cjs');
  const args = [script, join(out, 'coracle.cjs'), cache, scratch, JSON.stringify(commands)];
  const { status } = spawnSync(process.execPath, args, {
    env: environment,
    stdio: 'ignore',
    timeout: 30_000,
  });
  return status === 0 && existsSync(cache);
}

/** An image to run. */
function prepareCommands(scratch) {
  const rootfs = join(scratch, 'rootfs');
  mkdirSync(join(rootfs, 'bin'), { recursive: true });
  writeFileSync(join(rootfs, 'bin', 'true'), '#!/bin/true\n', { mode: 0o755 });
  spawnSync('tar', ['-cf', join(scratch, 'warm.tar'), '-C', rootfs, 'bin']);
  return [['--root', join(scratch, 'root'), 'import', join(scratch, 'warm.tar'), 'localhost/warm']];
}

/** What is run most. */
function warmCommands(scratch) {
  const root = ['--root', join(scratch, 'root')];
  const run = ['run', '--rm', '--network', 'none', '-e', 'A=b', '-w', '/', '--name', 'warm'];
  return [
    ['version'],
    [...root, 'images'],
    [...root, ...run, 'localhost/warm', '/bin/true'],
    [...root, 'exec', 'warm', 'true'],
    [...root, 'ps', '-a'],
  ];
}

/**
 * Replaces a file by rename: a program that is starting reads the old one or the new one. Not group-writable
 * whatever the umask: the loader would distrust such a cache.
 */
function publish(path, content) {
  writeFileSync(`${path}.part`, content, { mode: 0o644 });
  renameSync(`${path}.part`, path);
}
