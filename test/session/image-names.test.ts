import test from 'ava';
import { isPullable, namesToFind, nameToGive } from '../../lib/session/image-names.js';

test('a name without a registry is given below localhost', (t) => {
  t.is(nameToGive('hello'), 'localhost/hello:latest');
  t.is(nameToGive('team/hello:2'), 'localhost/team/hello:2');
  t.is(nameToGive('localhost/hello'), 'localhost/hello:latest');
  t.is(nameToGive('docker.io/hello'), 'docker.io/library/hello:latest');
  t.is(nameToGive('127.0.0.1:5000/hello'), '127.0.0.1:5000/hello:latest');
  t.is(nameToGive('docker.io'), 'localhost/docker.io:latest');
});

test('a name without a registry is looked for below localhost first', (t) => {
  t.deepEqual(namesToFind('hello:1'), ['localhost/hello:1', 'hello:1']);
  t.deepEqual(namesToFind('quay.io/hello'), ['quay.io/hello']);
  const digest = `sha256:${'0'.repeat(64)}`;
  t.deepEqual(namesToFind(digest), [digest]);
  t.deepEqual(namesToFind('0'.repeat(64)), ['0'.repeat(64)]);
});

test('only what a registry could know is pulled', (t) => {
  t.true(isPullable('hello'));
  t.true(isPullable('localhost:5000/hello'));
  t.false(isPullable('localhost/hello'));
  t.false(isPullable('0'.repeat(64)));
});
