import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import { readConfiguration } from '../../lib/host/config.js';
import { readJson, writeFileAtomic } from '../../lib/host/files.js';
import {
  cacheDirectory,
  configPath,
  defaultRoot,
  runtimeDirectory,
  storePaths,
} from '../../lib/host/paths.js';
import { bootId, isAlive, startTicks } from '../../lib/host/process.js';
import { randomHex } from '../../lib/host/random.js';
import { openStoreRoot } from '../../lib/host/store-version.js';
import { temporaryDirectory } from '../helpers/host.js';

function throwsCode(t: ExecutionContext, action: () => unknown, code: ErrorCode, message: RegExp): void {
  const error = t.throws(action, { instanceOf: CoracleError, message });
  t.is(error?.code, code);
}

const uid = process.getuid?.() ?? 0;

test('CORACLE_ROOT wins over XDG_DATA_HOME, that over HOME; a relative XDG value is ignored', (t) => {
  t.is(defaultRoot({ CORACLE_ROOT: '/a', XDG_DATA_HOME: '/b', HOME: '/h' }), '/a');
  t.is(defaultRoot({ XDG_DATA_HOME: '/b', HOME: '/h' }), '/b/coracle');
  t.is(defaultRoot({ XDG_DATA_HOME: 'b', HOME: '/h' }), '/h/.local/share/coracle');
  t.is(cacheDirectory({ HOME: '/h' }), '/h/.cache/coracle');
  t.is(configPath({ XDG_CONFIG_HOME: '/c', HOME: '/h' }), '/c/coracle/config.json');
  throwsCode(t, () => defaultRoot({}), 'HOST', /HOME is not set/);
});

test('S27: a new store gets private directories, the layout marker and its format number', (t) => {
  const root = join(temporaryDirectory(t), 'new', 'store');
  const paths = storePaths(root);
  openStoreRoot(paths);
  t.is(readFileSync(paths.version, 'utf8'), '1\n');
  t.deepEqual(readJson(paths.ociLayout), { imageLayoutVersion: '1.0.0' });
  t.is(statSync(root).mode & 0o777, 0o700);
  t.notThrows(() => openStoreRoot(paths));
});

test('a half-made store is finished', (t) => {
  const paths = storePaths(temporaryDirectory(t));
  mkdirSync(paths.blobs);
  writeFileSync(join(paths.root, 'version.abc.tmp'), '');
  openStoreRoot(paths);
  t.true(statSync(paths.containers).isDirectory());
});

test('a store of a newer version is refused', (t) => {
  const paths = storePaths(temporaryDirectory(t));
  openStoreRoot(paths);
  writeFileSync(paths.version, '2\n');
  throwsCode(t, () => openStoreRoot(paths), 'CONFLICT', /format 2 is newer/);
  writeFileSync(paths.version, 'x');
  throwsCode(t, () => openStoreRoot(paths), 'INVALID', /no format number/);
});

test('a directory with other things in it does not become a store', (t) => {
  const paths = storePaths(temporaryDirectory(t));
  writeFileSync(join(paths.root, 'thesis.tex'), '');
  throwsCode(t, () => openStoreRoot(paths), 'INVALID', /already holds "thesis.tex"/);
});

test('S27: others may enter a store for its blobs; one whose files of images they reach is refused', (t) => {
  const paths = storePaths(temporaryDirectory(t));
  openStoreRoot(paths);
  chmodSync(paths.root, 0o755);
  t.notThrows(() => openStoreRoot(paths));
  t.is(statSync(paths.blobs).mode & 0o777, 0o755);
  for (const room of [
    paths.snapshots,
    paths.containers,
    paths.volumes,
    paths.secrets,
    paths.staging,
    paths.trash,
  ]) {
    t.is(statSync(room).mode & 0o777, 0o700);
    chmodSync(room, 0o711);
    throwsCode(t, () => openStoreRoot(paths), 'HOST', /others may enter .*\(mode 711\)/);
    chmodSync(room, 0o700);
  }
  chmodSync(paths.root, 0o775);
  throwsCode(t, () => openStoreRoot(paths), 'HOST', /others may enter it \(mode 775\)/);
});

test('S27: an empty directory of ours is made private instead', (t) => {
  const root = join(temporaryDirectory(t), 'empty');
  mkdirSync(root);
  openStoreRoot(storePaths(root));
  t.is(statSync(root).mode & 0o777, 0o700);
});

test('S13: the runtime directory is made once and a link in its place is refused', (t) => {
  const base = temporaryDirectory(t);
  const made = runtimeDirectory({ XDG_RUNTIME_DIR: base }, uid);
  t.is(made, join(base, 'coracle'));
  t.is(runtimeDirectory({ XDG_RUNTIME_DIR: base }, uid), made);
  chmodSync(made, 0o750);
  throwsCode(t, () => runtimeDirectory({ XDG_RUNTIME_DIR: base }, uid), 'HOST', /mode 750/);
  const other = temporaryDirectory(t);
  symlinkSync(made, join(other, 'coracle'));
  throwsCode(t, () => runtimeDirectory({ XDG_RUNTIME_DIR: other }, uid), 'HOST', /not a directory/);
  throwsCode(t, () => runtimeDirectory({ XDG_RUNTIME_DIR: base }, uid + 1), 'HOST', /belongs to uid/);
});

test('a record is replaced whole, with its mode, and bad JSON names the file', (t) => {
  const path = join(temporaryDirectory(t), 'record');
  writeFileAtomic(path, 'one', { mode: 0o640 });
  writeFileAtomic(path, '{"a":1}', { mode: 0o640, durable: true });
  t.deepEqual(readJson(path), { a: 1 });
  t.is(statSync(path).mode & 0o777, 0o640);
  t.is(readJson(`${path}.missing`), undefined);
  writeFileSync(path, '{');
  throwsCode(t, () => readJson(path), 'INVALID', /record: not JSON/);
  throwsCode(t, () => readJson(path, 0), 'INVALID', /1 bytes, more than/);
});

test('the configuration knows its keys and refuses others', (t) => {
  const path = join(temporaryDirectory(t), 'config.json');
  t.deepEqual(readConfiguration(path), {});
  writeFileSync(path, '{"storageDriver":"copy","network":"host"}');
  t.deepEqual(readConfiguration(path), { storageDriver: 'copy', network: 'host' });
  writeFileSync(path, '{"storagedriver":"copy"}');
  throwsCode(t, () => readConfiguration(path), 'INVALID', /unknown key "storagedriver"/);
  writeFileSync(path, '{"network":1}');
  throwsCode(t, () => readConfiguration(path), 'INVALID', /network is not a string/);
  writeFileSync(path, '[]');
  throwsCode(t, () => readConfiguration(path), 'INVALID', /not a JSON object/);
});

test('a process is alive under its own start time only', (t) => {
  const start = startTicks(process.pid) ?? 0;
  t.true(isAlive(process.pid, start));
  t.false(isAlive(process.pid, start + 1));
  t.false(isAlive(-1, 0));
  t.is(startTicks(2 ** 30), undefined);
  t.regex(bootId(), /^[0-9a-f-]{36}$/);
});

test('random hex has the asked length and differs', (t) => {
  t.regex(randomHex(8), /^[0-9a-f]{16}$/);
  t.not(randomHex(8), randomHex(8));
});
