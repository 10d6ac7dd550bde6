import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { expandGlob, filesThatFit } from '../../lib/container/expand-glob.js';
import { CoracleError } from '../../lib/errors.js';
import { temporaryDirectory } from '../helpers/host.js';

test('patterns fit as in a shell', (t) => {
  const directory = temporaryDirectory(t);
  for (const name of ['a.conf', 'b.conf', '.c.conf', 'ab.txt', 'a*b', 'x.y'])
    writeFileSync(join(directory, name), '');
  mkdirSync(join(directory, 'd'));
  writeFileSync(join(directory, 'd', 'e.conf'), '');
  const fits = (pattern: string): readonly string[] =>
    filesThatFit(join(directory, pattern)).map((path) => path.slice(directory.length + 1));
  t.deepEqual(fits('*.conf'), ['a.conf', 'b.conf']);
  t.deepEqual(fits('.*.conf'), ['.c.conf']);
  t.deepEqual(fits('[!a].conf'), ['b.conf']);
  t.deepEqual(fits('[a-b]?.txt'), ['ab.txt']);
  t.deepEqual(fits('a\\*b'), ['a*b']);
  t.deepEqual(fits('*/*.conf'), ['d/e.conf']);
  t.deepEqual(fits('x?y'), ['x.y']);
  t.deepEqual(fits('x.z'), []);
});

test('each file becomes a bind below the destination', (t) => {
  const directory = temporaryDirectory(t);
  for (const name of ['1.so', '2.so']) writeFileSync(join(directory, name), '');
  const common = { readonly: true, recursive: true, exec: true };
  const request = { type: 'glob', pattern: join(directory, '*.so'), destination: '/lib', ...common } as const;
  t.deepEqual(
    expandGlob(request),
    ['1.so', '2.so'].map((name) => ({
      type: 'bind',
      source: join(directory, name),
      destination: `/lib/${name}`,
      ...common,
    })),
  );
  const none = () => expandGlob({ ...request, pattern: join(directory, '*.a') });
  t.is(t.throws(none, { instanceOf: CoracleError })?.code, 'NOT_FOUND');
});
