/**
 * Starts the program from V8's code cache: no parsing, no compiling. Installed as dist/main.cjs beside hot.cjs, what is
 * started all the time, and cold.cjs, which is read when something in it is asked for.
 *
 * A cache is only ever an accelerator. V8 refuses one made by another version or under other flags, the name
 * carries the file's hash, and without one the file runs as it is and leaves a cache for the next start.
 */
'use strict';
const fs = require('node:fs');
const vm = require('node:vm');

const flags = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' ').trim();
const loaded = new Map();
const hot = load('hot');
let cold;
requireChunk(hot.entry);

/** Chunks by their names, everything else as Node does. */
function requireChunk(name) {
  if (name[0] !== '.') return require(name);
  let exported = loaded.get(name);
  if (exported === undefined) {
    if (hot.chunks[name] === undefined) cold ??= load('cold');
    exported = (hot.chunks[name] ?? cold.chunks[name])(requireChunk);
    loaded.set(name, exported);
  }
  return exported;
}

function load(part) {
  const filename = `${__dirname}/${part}.cjs`;
  // The file is ASCII; as latin1 its text needs no decoding. Its first line is `//` and 16 digits of its hash.
  const text = fs.readFileSync(filename, 'latin1');
  const key = `${part}-${text.slice(2, 18)}-${process.version}-${process.arch}`;
  const beside = flags === '' ? readCache(`${__dirname}/${key}.cache`) : undefined;
  const own = beside === undefined ? ownCachePath(key) : undefined;
  const cachedData = beside ?? (own && readCache(own));
  const script = new vm.Script(text, { filename, cachedData });
  if (cachedData === undefined || script.cachedDataRejected)
    process.once('exit', () => keepCache(script, key));
  return script.runInThisContext()(undefined, requireChunk, filename, __dirname);
}

/** The bytes of a cache that nobody but this user or root could have written, undefined when there is none. */
function readCache(path) {
  let descriptor;
  try {
    descriptor = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
    const { uid, mode } = fs.fstatSync(descriptor);
    const trusted = (uid === 0 || uid === process.geteuid()) && (mode & 0o022) === 0;
    return trusted ? fs.readFileSync(descriptor) : undefined;
  } catch {
    return undefined; // absent or unreadable: start without
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor);
  }
}

function ownCachePath(key) {
  const { HOME, XDG_CACHE_HOME } = process.env;
  const base = XDG_CACHE_HOME || (HOME && `${HOME}/.cache`);
  if (!base?.startsWith('/')) return undefined;
  let sum = 0; // flags change what V8 accepts: one cache for each set of them
  for (const character of flags) sum = (Math.imul(sum, 31) + character.charCodeAt(0)) >>> 0;
  return `${base}/coracle/code/${key}-${sum.toString(16)}.cache`;
}

/** After the run, so that functions compiled on the way are in it. Failing (read-only home, full disk) costs nothing. */
function keepCache(script, key) {
  const path = ownCachePath(key);
  if (path === undefined) return;
  const part = `${path}.${process.pid}`;
  try {
    const directory = path.slice(0, path.lastIndexOf('/'));
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
    dropOld(directory);
    fs.writeFileSync(part, script.createCachedData(), { flag: 'wx', mode: 0o600 });
    fs.renameSync(part, path);
  } catch {
    fs.rmSync(part, { force: true });
  }
}

/** Caches of bundles that were replaced long ago; one still in use comes back by itself. */
function dropOld(directory) {
  const month = 30 * 24 * 3600 * 1000;
  for (const name of fs.readdirSync(directory)) {
    const path = `${directory}/${name}`;
    if (Date.now() - fs.statSync(path).mtimeMs > month) fs.rmSync(path, { force: true });
  }
}
