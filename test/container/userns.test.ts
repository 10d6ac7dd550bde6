import test from 'ava';
import { keepId, parseUserns } from '../../lib/container/userns.js';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import type { IdMap } from '../../lib/host/id-map.js';

const ranges = [
  { container: 0, host: 1000, size: 1 },
  { container: 1, host: 100_000, size: 10 },
  { container: 11, host: 500_000, size: 20 },
];
const base: IdMap = { how: 'newuidmap', uid: ranges, gid: ranges };
const own = { uid: 5, gid: 0 };

test('the kept id is the caller, those below move down by one, those above stay', (t) => {
  const { namespace, uid, gid } = keepId({ mode: 'keep-id' }, base, own);
  t.is(uid, 5);
  t.is(gid, 0);
  t.deepEqual(namespace.idMap.uid, [
    { container: 0, host: 100_000, size: 5 },
    { container: 5, host: 1000, size: 1 },
    { container: 6, host: 100_005, size: 5 },
    { container: 11, host: 500_000, size: 20 },
  ]);
  t.deepEqual(namespace.idMap.gid, ranges);
  t.is(namespace.fuseOptions, 'uidmapping=5:0:1:0:1:5:6:6:25,gidmapping=0:0:1:1:1:30');
});

test('every file is shown with the id that it has in the image', (t) => {
  const { namespace } = keepId({ mode: 'keep-id', uid: 14, gid: 14 }, base, own);
  const numbers = (/uidmapping=([\d:]+)/.exec(namespace.fuseOptions ?? '')?.[1] ?? '').split(':').map(Number);
  for (let id = 0; id < 31; id++) {
    const stored = ranges.find(({ container, size }) => id >= container && id < container + size);
    const host = (stored?.host ?? 0) + id - (stored?.container ?? 0);
    const inside = namespace.idMap.uid.find((each) => host >= each.host && host < each.host + each.size);
    const seen = (inside?.container ?? Number.NaN) + host - (inside?.host ?? 0);
    const part = [0, 3, 6].find(
      (at) => seen >= (numbers[at] ?? 0) && seen < (numbers[at] ?? 0) + (numbers[at + 2] ?? 0),
    );
    t.is((numbers[(part ?? 0) + 1] ?? 0) + seen - (numbers[part ?? 0] ?? 0), id);
  }
});

test('a size limits what is mapped', (t) => {
  const { namespace } = keepId({ mode: 'keep-id', uid: 2, gid: 2, size: 4 }, base, own);
  t.deepEqual(namespace.idMap.uid, [
    { container: 0, host: 100_000, size: 2 },
    { container: 2, host: 1000, size: 1 },
    { container: 3, host: 100_002, size: 1 },
  ]);
});

test('root that is the caller needs nothing to show files', (t) => {
  const { namespace } = keepId({ mode: 'keep-id', uid: 0, gid: 0 }, base, own);
  t.deepEqual(namespace, { idMap: base });
});

test('modes are read', (t) => {
  t.deepEqual(parseUserns('host'), { mode: 'host' });
  t.deepEqual(parseUserns('keep-id:uid=7,size=9'), { mode: 'keep-id', uid: 7, size: 9 });
  t.deepEqual(parseUserns('container:web'), { mode: 'container', container: 'web' });
});

const refuses = test.macro((t, act: () => unknown, code: ErrorCode, message: RegExp) => {
  const error = t.throws(act, { instanceOf: CoracleError });
  t.is(error?.code, code);
  t.regex(error?.message ?? '', message);
});

test('an unknown mode', refuses, () => parseUserns('mine'), 'USAGE', /no such mode/);
test('an unknown option', refuses, () => parseUserns('keep-id:pid=1'), 'USAGE', /"pid=1" is not/);
test(
  'an id outside',
  refuses,
  () => keepId({ mode: 'keep-id', uid: 31 }, base, own),
  'USAGE',
  /id 31 is not among the 31/,
);
test(
  'only one id',
  refuses,
  () => keepId({ mode: 'keep-id' }, { ...base, how: 'single' }, own),
  'HOST',
  /keep-id/,
);
