import test from 'ava';
import {
  type NamespaceFlags,
  namespaceText,
  parseNamespaceFlags,
} from '../../lib/container/namespace-flags.js';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';

test('nothing said is nothing chosen', (t) => {
  t.is(parseNamespaceFlags({}), undefined);
  t.is(parseNamespaceFlags({ pid: '' }), undefined);
});

test('each namespace has its modes', (t) => {
  const flags = { pid: 'host', ipc: 'none', uts: 'private', cgroupns: 'container:web' };
  t.deepEqual(parseNamespaceFlags(flags), {
    pid: { mode: 'host' },
    ipc: { mode: 'none' },
    uts: { mode: 'private' },
    cgroup: { mode: 'container', container: 'web' },
  });
  t.deepEqual(parseNamespaceFlags({ ipc: 'shareable' }), { ipc: { mode: 'shareable' } });
});

const refuses = test.macro((t, flags: NamespaceFlags, code: ErrorCode, message: RegExp) => {
  const error = t.throws(() => parseNamespaceFlags(flags), { instanceOf: CoracleError });
  t.is(error?.code, code);
  t.regex(error?.message ?? '', message);
});

test('only ipc can be shareable', refuses, { pid: 'shareable' }, 'USAGE', /--pid shareable: no such mode/);
test('nor can others be none', refuses, { uts: 'none' }, 'USAGE', /--uts none: no such mode/);
test('a container has a name', refuses, { ipc: 'container:' }, 'USAGE', /which container/);
test(
  'paths are refused by name',
  refuses,
  { cgroupns: 'ns:/proc/1/ns/cgroup' },
  'UNSUPPORTED',
  /--cgroupns ns:/,
);

test('choices are told as they were given', (t) => {
  t.is(namespaceText(undefined), 'private');
  t.is(namespaceText({ mode: 'container', container: 'web' }), 'container:web');
});
