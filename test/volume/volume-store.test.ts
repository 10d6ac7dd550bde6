import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { CoracleError } from '../../lib/errors.js';
import { storePaths } from '../../lib/host/paths.js';
import { VolumeStore } from '../../lib/volume/volume-store.js';
import { temporaryDirectory } from '../helpers/host.js';

test('a volume is made at first use, kept, and taken away whole', (t) => {
  const paths = storePaths(temporaryDirectory(t));
  const store = new VolumeStore(paths);
  const made = store.ensure('data');
  t.is(made.data, join(paths.volumes, 'data', '_data'));
  writeFileSync(join(made.data, 'file'), 'x');
  t.deepEqual(store.ensure('data'), made);
  t.deepEqual(
    store.list().map(({ name }) => name),
    ['data'],
  );
  const trash = store.detach('data');
  t.true(existsSync(join(trash ?? '', '_data', 'file')));
  t.is(store.get('data'), undefined);
  t.is(store.detach('data'), undefined);
});

test('a volume that was not finished is finished by the next', (t) => {
  const paths = storePaths(temporaryDirectory(t));
  const store = new VolumeStore(paths);
  const first = store.ensure('half');
  store.detach('half');
  t.is(store.ensure('half').anonymous, first.anonymous);
  t.regex(store.anonymousName(), /^[0-9a-f]{64}$/);
});

for (const name of ['', '../x', 'a/b', '.x', 'x'.repeat(256)]) {
  test(`"${name.slice(0, 10)}" of ${name.length} characters is no volume name`, (t) => {
    const store = new VolumeStore(storePaths(temporaryDirectory(t)));
    t.is(t.throws(() => store.get(name), { instanceOf: CoracleError })?.code, 'USAGE');
  });
}

test('labels and options are kept, and a volume is made once', (t) => {
  const store = new VolumeStore(storePaths(temporaryDirectory(t)));
  const [first, second] = [store.begin('one'), store.begin('one')];
  const made = store.finish(first, { labels: { a: 'b' }, options: { uid: '1' } });
  t.is(store.finish(second, { labels: { a: 'c' } }), undefined);
  t.deepEqual(store.get('one'), made);
  t.deepEqual(made?.labels, { a: 'b' });
  t.deepEqual(made?.options, { uid: '1' });
  t.deepEqual(readdirSync(first.directory).sort(), ['_data', 'volume.json']);
});

test('a volume is found by its name or by a beginning that only it has', (t) => {
  const store = new VolumeStore(storePaths(temporaryDirectory(t)));
  for (const name of ['data', 'data-old', 'other']) store.ensure(name);
  t.is(store.resolve('data').name, 'data');
  t.is(store.resolve('o').name, 'other');
  t.is(t.throws(() => store.resolve('dat'), { instanceOf: CoracleError })?.code, 'USAGE');
  t.is(t.throws(() => store.resolve('x'), { instanceOf: CoracleError })?.code, 'NOT_FOUND');
  t.is(store.find('../data'), undefined);
});
