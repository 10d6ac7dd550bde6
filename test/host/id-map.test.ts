import test from 'ava';
import { CoracleError } from '../../lib/errors.js';
import {
  chooseIdMap,
  detectIdMap,
  type IdFacts,
  type IdMap,
  parseSubIds,
  toHostId,
} from '../../lib/host/id-map.js';
import { splitAtParentExtents } from '../../lib/host/sub-ids.js';

const user: IdFacts = {
  user: 'ann',
  uid: 1000,
  gid: 100,
  subuid: 'root:1:5\nann:100000:65536\n1000:300000:1000\nbob:500000:65536\n',
  subgid: 'ann:200000:65536\n',
  uidMap: '         0          0 4294967295\n',
  gidMap: '         0          0 4294967295\n',
  missingHelpers: [],
  noNewPrivs: false,
};

test('several ranges, by name and by number, are laid one after the other behind the own id', (t) => {
  t.deepEqual(chooseIdMap(user), {
    how: 'newuidmap',
    uid: [
      { container: 0, host: 1000, size: 1 },
      { container: 1, host: 100000, size: 65536 },
      { container: 65537, host: 300000, size: 1000 },
    ],
    gid: [
      { container: 0, host: 100, size: 1 },
      { container: 1, host: 200000, size: 65536 },
    ],
  });
});

const fallsBack = test.macro((t, change: Partial<IdFacts>, reason: RegExp) => {
  const map = chooseIdMap({ ...user, ...change });
  t.is(map.how, 'single');
  t.deepEqual(map.uid, [{ container: 0, host: 1000, size: 1 }]);
  t.regex(map.reason ?? '', reason);
});
test(
  'without newuidmap there is one id, and the package is named',
  fallsBack,
  { missingHelpers: ['newuidmap'] },
  /package uidmap/,
);
test('under no_new_privs there is one id', fallsBack, { noNewPrivs: true }, /no_new_privs/);
test(
  'without a subordinate range there is one id, and usermod is named',
  fallsBack,
  { subuid: 'bob:1:5' },
  /\/etc\/subuid.*usermod/,
);
test('without a subordinate group range there is one id', fallsBack, { subgid: '' }, /\/etc\/subgid/);

test('root of a mapped namespace splits its map at the extents of the parent', (t) => {
  const nested = {
    ...user,
    uid: 0,
    gid: 0,
    uidMap: '         0       1000          1\n         1     100000      65536\n',
    gidMap: '         0        100          1\n      1000     200000        500\n',
  };
  t.deepEqual(chooseIdMap(nested), {
    how: 'direct',
    uid: [
      { container: 0, host: 0, size: 1 },
      { container: 1, host: 1, size: 65536 },
    ],
    gid: [
      { container: 0, host: 0, size: 1 },
      { container: 1, host: 1000, size: 500 },
    ],
  });
});

test('root of a namespace with one id has one id to give', (t) => {
  const map = chooseIdMap({ ...user, uid: 0, gid: 0, uidMap: '0 1000 1\n', gidMap: '0 100 1\n' });
  t.deepEqual(map.uid, [{ container: 0, host: 0, size: 1 }]);
  t.is(map.how, 'single');
  t.regex(map.reason ?? '', /only one id/);
});

test('root of the host maps as many ids as a usual range has, and is told what that means', (t) => {
  const map = chooseIdMap({ ...user, user: 'root', uid: 0, gid: 0, subuid: '', subgid: '' });
  t.is(map.how, 'direct');
  t.deepEqual(map.uid, [{ container: 0, host: 0, size: 65536 }]);
  t.regex(map.reason ?? '', /ordinary user/);
});

test('a forced method that cannot be had is an error of the host', (t) => {
  const failure = t.throws(() => chooseIdMap({ ...user, noNewPrivs: true }, 'newuidmap'), {
    instanceOf: CoracleError,
  });
  t.is(failure?.code, 'HOST');
  t.throws(() => chooseIdMap(user, 'direct'), { message: /uid 1000 is not root/ });
  t.is(chooseIdMap(user, 'single').how, 'single');
});

test('S12: subordinate lines that are malformed, empty, overlapping, or hold the own or the root id are passed over', (t) => {
  const text = [
    'ann:100000:65536',
    'ann:150000:10',
    'ann:0:10',
    'ann:990:20',
    'ann:5:0',
    'ann:4294967290:100',
    'ann:-1:5',
    'ann:1e3:5',
    '# ann:700000:5',
    ' ann:800000:5',
    'ann:900000:5 ',
    'ann:99999999999:5',
  ].join('\n');
  t.deepEqual(parseSubIds(text, 'ann', 1000), [
    { start: 100000, size: 65536 },
    { start: 900000, size: 5 },
  ]);
});

test('S12: an id behind a gap or outside of the map has no host id', (t) => {
  const map = [
    { container: 0, host: 1000, size: 1 },
    { container: 1, host: 100000, size: 10 },
  ];
  t.deepEqual(
    [0, 1, 10, 11].map((id) => toHostId(map, id)),
    [1000, 100000, 100009, undefined],
  );
});

test('a limit cuts the extents of the parent', (t) => {
  t.deepEqual(splitAtParentExtents('0 5 10\n10 50 100\n', 15), [
    { container: 0, host: 0, size: 10 },
    { container: 10, host: 10, size: 5 },
  ]);
});

test('this machine gives a map whose container id 0 is the process itself', (t) => {
  const map: IdMap = detectIdMap();
  t.is(toHostId(map.uid, 0), process.getuid?.());
});
