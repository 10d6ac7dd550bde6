import test from 'ava';
import { accountIds, autoNamespace } from '../../lib/container/auto-ids.js';
import { innerNamespace, type UserNamespace, withoutCaller } from '../../lib/container/inner-map.js';
import { mapParts, parseMapFlags } from '../../lib/container/map-flags.js';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import { hostIdMap, type IdMap } from '../../lib/host/id-map.js';

const ranges = [
  { container: 0, host: 1000, size: 1 },
  { container: 1, host: 100_000, size: 3000 },
  { container: 3001, host: 500_000, size: 3000 },
];
const base: IdMap = { how: 'newuidmap', uid: ranges, gid: ranges };
const auto = { mode: 'auto', uids: [], gids: [] } as const;

/** Where fuse-overlayfs shows a file of the store's id, in the numbers of the container; undefined where that is nobody. */
function seen({ idMap, fuseOptions = '' }: UserNamespace, id: number): number | undefined {
  const numbers = (/uidmapping=([\d:]+)/.exec(fuseOptions)?.[1] ?? '').split(':').map(Number);
  const parts = Array.from({ length: numbers.length / 3 }, (_, at) => numbers.slice(at * 3, at * 3 + 3));
  const [disk = 0, shown = 0] = parts.find(([from = 0, , size = 0]) => id >= from && id < from + size) ?? [];
  const outside = shown + id - disk;
  const range = idMap.uid.find(({ host, size }) => outside >= host && outside < host + size);
  return range === undefined ? undefined : range.container + outside - range.host;
}

test('every file is shown with the id it has in the image, or as nobody, and no two as one', (t) => {
  const parts = [
    { container: 0, store: 5000, size: 900 },
    { container: 900, store: 0, size: 1 },
  ];
  const namespace = innerNamespace(base, { uid: parts, gid: parts }, 'map');
  for (const id of [0, 1, 899, 900]) t.is(seen(namespace, id), id);
  for (const id of [901, 1000, 5000, 6000]) t.is(seen(namespace, id), undefined);
  const numbers = (/uidmapping=([\d:]+)/.exec(namespace.fuseOptions ?? '')?.[1] ?? '').split(':').map(Number);
  const shown = new Set<number>();
  for (let at = 0; at < numbers.length; at += 3) {
    for (let k = 0; k < (numbers[at + 2] ?? 0); k++) shown.add((numbers[at + 1] ?? 0) + k);
  }
  t.is(shown.size, 6001);
});

test('a line of a map does not span two of the map around it', (t) => {
  const namespace = innerNamespace(base, { uid: withoutCaller(ranges), gid: withoutCaller(ranges) }, 'nomap');
  t.deepEqual(namespace.idMap.uid, [
    { container: 0, host: 1, size: 3000 },
    { container: 3000, host: 3001, size: 3000 },
  ]);
  t.deepEqual(hostIdMap(namespace.idMap, namespace.outer).uid, [
    { container: 0, host: 100_000, size: 3000 },
    { container: 3000, host: 500_000, size: 3000 },
  ]);
});

test('blocks do not overlap, lie in one range of the host, and are free again', (t) => {
  const first = autoNamespace(auto, base, [], 10);
  const second = autoNamespace(auto, base, [first], 1500);
  const third = autoNamespace({ ...auto, size: 1000 }, base, [first, second], 0);
  t.deepEqual(first.allotted, { start: 100_000, size: 1024 });
  t.deepEqual(second.allotted, { start: 101_024, size: 1500 });
  t.deepEqual(third.allotted, { start: 500_000, size: 1000 });
  t.deepEqual(autoNamespace({ ...auto, size: 1024 }, base, [second, third], 0).allotted, first.allotted);
});

test('parts that are given keep their places in a block', (t) => {
  const namespace = autoNamespace(
    { ...auto, size: 10, uids: [{ container: 5, store: 0, size: 1 }] },
    base,
    [],
    0,
  );
  t.deepEqual(namespace.idMap.uid, [
    { container: 0, host: 1, size: 5 },
    { container: 5, host: 0, size: 1 },
    { container: 6, host: 6, size: 4 },
  ]);
  t.deepEqual(namespace.idMap.gid, [{ container: 0, host: 1, size: 10 }]);
});

test('what extends a map takes its ids from it', (t) => {
  const flags = parseMapFlags({ uidmap: ['0:0:10', '+20:3'] });
  t.is(flags?.mode, 'map');
  if (flags?.mode !== 'map') return;
  t.deepEqual(mapParts(ranges, flags.uid), [
    { container: 0, store: 0, size: 3 },
    { container: 4, store: 4, size: 6 },
    { container: 20, store: 3, size: 1 },
  ]);
});

test('groups are as the users where nothing is said, and u and g say which are meant', (t) => {
  const both = parseMapFlags({ uidmap: ['0:1:100'] });
  t.deepEqual(both?.mode === 'map' ? both.gid : undefined, both?.mode === 'map' ? both.uid : []);
  const apart = parseMapFlags({ uidmap: ['u0:1:100', 'g0:@100000:50'] });
  t.like(apart, {
    mode: 'map',
    uid: [{ from: 1, host: false }],
    gid: [{ from: 100_000, host: true, size: 50 }],
  });
});

test('the accounts of an image say how many ids it needs', (t) => {
  t.is(accountIds([]), 1);
  t.is(accountIds([], '2000:2001'), 2002);
});

const refuses = test.macro((t, act: () => unknown, code: ErrorCode, message: RegExp) => {
  const error = t.throws(act, { instanceOf: CoracleError });
  t.is(error?.code, code);
  t.regex(error?.message ?? '', message);
});

const inner = (container: number, store: number, size: number) => () =>
  innerNamespace(base, { uid: [{ container, store, size }], gid: withoutCaller(ranges) }, 'map');
test('an id that is not there', refuses, inner(0, 6000, 2), 'USAGE', /map: uid 6001 is not among the 6001/);
test('a container without root', refuses, inner(1, 1, 5), 'USAGE', /uid 0 of the container is not mapped/);
test(
  'ids of others',
  refuses,
  () => mapParts(ranges, [{ text: '', container: 0, from: 5, size: 1, host: true, extends: false }]),
  'USAGE',
  /5 to 5 of this host are not all yours/,
);
test(
  'no block that is large enough',
  refuses,
  () => autoNamespace({ ...auto, size: 3001 }, base, [], 0),
  'HOST',
  /no 3001 ids are free/,
);
test(
  'a mapping that is none',
  refuses,
  () => parseMapFlags({ uidmap: ['0-1'] }),
  'USAGE',
  /expected CONTAINER:FROM/,
);
test(
  'names and numbers at once',
  refuses,
  () => parseMapFlags({ uidmap: ['0:0'], subuidname: 'x' }),
  'USAGE',
  /only one of them/,
);
test(
  'one id alone',
  refuses,
  () => innerNamespace({ ...base, how: 'single' }, { uid: [], gid: [] }, 'map'),
  'HOST',
  /only one id/,
);
