import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import { storePaths } from '../../lib/host/paths.js';
import {
  bridgeHosts,
  bridgeResolvConf,
  networkRecords,
  type PlacedAttachment,
} from '../../lib/network/bridge-plan.js';
import { holderIdMap, holderPlan } from '../../lib/network/holder-plan.js';
import { noNetworkFacts } from '../../lib/network/host-facts.js';
import { Leases } from '../../lib/network/leases.js';
import { type NetworkRecord, parseNetworkRecord } from '../../lib/network/network-record.js';
import { type NewNetwork, planNetworkRecord, uplinkPrefix } from '../../lib/network/plan-record.js';
import { temporaryDirectory } from '../helpers/host.js';

const id = 'ab'.repeat(32);
const around = {
  id,
  created: '2026-01-01T00:00:00Z',
  known: [],
  host: [],
  random: new Uint8Array(7).fill(1),
};

function plan(network: Partial<NewNetwork>, change: Partial<typeof around> = {}): NetworkRecord {
  return planNetworkRecord({ name: 'n', ...network }, { ...around, ...change });
}

test('a network gets the first subnet that is free here and in the store', (t) => {
  const [first] = plan({}).subnets;
  t.deepEqual(first, { subnet: '10.89.0.0/24', gateway: '10.89.0.1' });
  const known = [plan({})] as never[];
  t.is(plan({ name: 'm' }, { known }).subnets[0]?.subnet, '10.89.1.0/24');
  const host = ['10.89.1.7/16'] as never[];
  t.is(plan({ name: 'm' }, { known, host }).subnets[0]?.subnet, '10.90.0.0/24');
});

test('what is asked for is kept, and read again', (t) => {
  const record = plan({
    subnets: ['10.1.0.0/16', 'fd01::/64'],
    gateways: ['10.1.0.254'],
    ranges: ['10.1.8.0/24', 'fd01::10-fd01::20'],
    internal: true,
    disableDns: true,
    resolvers: ['10.0.0.53#5353'],
    options: { mtu: '1400' },
    labels: { a: 'b' },
  });
  t.deepEqual(record.subnets, [
    { subnet: '10.1.0.0/16', gateway: '10.1.0.254', range: { first: '10.1.8.1', last: '10.1.8.254' } },
    { subnet: 'fd01::/64', gateway: 'fd01::1', range: { first: 'fd01::10', last: 'fd01::20' } },
  ]);
  t.is(record.mtu, 1400);
  t.deepEqual(parseNetworkRecord(JSON.parse(JSON.stringify(record)), 'x'), record);
  t.is(plan({ ipv6: true }).subnets[1]?.subnet, 'fd01:101:101:101::/64');
});

test('a subnet of IPv6 alone is one without IPv4, with --ipv6 it has both', (t) => {
  t.deepEqual(
    plan({ subnets: ['fd01::/64'] }).subnets.map(({ subnet }) => subnet),
    ['fd01::/64'],
  );
  const both = plan({ subnets: ['fd01::/64'], ipv6: true });
  t.deepEqual(
    both.subnets.map(({ subnet }) => subnet),
    ['10.89.0.0/24', 'fd01::/64'],
  );
});

test('routes, metrics and who is no way out are kept, and told to the holder', (t) => {
  const options = { metric: '50', isolate: 'strict' };
  const near = plan({ name: 'near', options, routes: ['10.5.1.0/16,10.89.0.9,7'] });
  t.deepEqual(parseNetworkRecord(JSON.parse(JSON.stringify(near)), 'x'), near);
  t.deepEqual(near.routes, [{ destination: '10.5.0.0/16', gateway: '10.89.0.9', metric: 7 }]);
  const closed = plan({ name: 'closed', options: { no_default_route: '1' } });
  const place = (network: NetworkRecord, name: string): PlacedAttachment => ({
    network,
    ...{ interface: name, mac: undefined, aliases: [] },
    four: { subnet: network.subnets[0] ?? { subnet: '', gateway: '' }, address: '10.89.0.2' },
  });
  const places = [place(closed, 'a'), place(plan({ name: 'plain' }), 'b'), place(near, 'c')];
  const records = networkRecords({ id, name: 'x', resolvers: [] }, places);
  t.deepEqual(
    records.filter(([op]) => op === 'route'),
    [
      ['route', '0.0.0.0/0', '10.89.0.1/32', '50'],
      ['route', '10.5.0.0/16', '10.89.0.9/32', '7'],
    ],
  );
  t.deepEqual(
    records.flatMap(([op, , flags]) => (op === 'attach' ? [flags] : [])),
    ['dns', 'dns', 'dns'],
  );
  const [first] = networkRecords({ id, name: 'x', resolvers: [] }, places.slice(0, 2)).filter(([, , flags]) =>
    flags?.includes('route'),
  );
  t.is(first?.[4], 'b');
});

const fails = test.macro((t, network: Partial<NewNetwork>, code: ErrorCode, reason: RegExp) => {
  const error = t.throws(() => plan(network, { known: [plan({ name: 'old' })] as never[] }), {
    instanceOf: CoracleError,
  });
  t.is(error?.code, code);
  t.regex(error?.message ?? '', reason);
});
test('a name that is taken', fails, { name: 'old' }, 'CONFLICT', /one of this name/);
test('a name that means something else', fails, { name: 'host' }, 'USAGE', /means something else/);
test('a name that is none', fails, { name: '../x' }, 'USAGE', /not a name/);
test(
  'a subnet that overlaps',
  fails,
  { subnets: ['10.0.0.0/8'] },
  'CONFLICT',
  /overlaps with 10\.89\.0\.0\/24 of network old/,
);
test('the subnet of the way out', fails, { subnets: ['192.0.2.0/25'] }, 'USAGE', /kept for the way out/);
test(
  'an option that is another way round',
  fails,
  { options: { isolate: 'false' } },
  'UNSUPPORTED',
  /isolate/,
);
test('an option there is not', fails, { options: { vlan: '5' } }, 'UNSUPPORTED', /option "vlan" is not/);
test('a metric that is none', fails, { options: { metric: '0' } }, 'USAGE', /metric "0" is not from 1/);
test('a route without a gateway', fails, { routes: ['10.1.0.0/16'] }, 'USAGE', /is no route/);
test('a route of two families', fails, { routes: ['10.1.0.0/16,fd00::1'] }, 'USAGE', /is no route/);
test('a gateway from elsewhere', fails, { routes: ['10.1.0.0/16,9.9.9.9'] }, 'USAGE', /lies in no subnet/);
test('the way out of IPv6', fails, { subnets: ['fdc0:6f72::/32'] }, 'USAGE', /kept for the way out/);
test('two of one family', fails, { subnets: ['10.1.0.0/24', '10.2.0.0/24'] }, 'USAGE', /at most one/);
test('one without room', fails, { subnets: ['10.1.0.0/31'] }, 'USAGE', /too small/);
test('a gateway elsewhere', fails, { gateways: ['10.1.0.1'] }, 'USAGE', /lies in no subnet/);
test(
  'a range that runs backwards',
  fails,
  { subnets: ['10.1.0.0/24'], ranges: ['10.1.0.9-10.1.0.2'] },
  'USAGE',
  /no range/,
);
test('an unknown option', fails, { options: { vlan: '3' } }, 'UNSUPPORTED', /option "vlan"/);
test('an MTU that is none', fails, { options: { mtu: '70000' } }, 'USAGE', /mtu/);
test('a name server by name', fails, { resolvers: ['dns.example'] }, 'USAGE', /no address of a name server/);

test('records that cannot be are refused', (t) => {
  const good = plan({});
  for (const bad of [
    { id: 'x' },
    { version: 2 },
    { subnets: 'x' },
    { subnets: [{ subnet: 'x', gateway: '1.1.1.1' }] },
  ]) {
    t.is(
      t.throws(() => parseNetworkRecord({ ...good, ...bad }, 'x'), { instanceOf: CoracleError })?.code,
      'INVALID',
    );
  }
});

test('the way out keeps clear of this host', (t) => {
  t.is(uplinkPrefix(['10.0.0.1/8']), '192.0.2');
  t.is(uplinkPrefix(['192.0.2.2/24']), '198.51.100');
});

const places: readonly PlacedAttachment[] = [
  {
    network: plan({ internal: true, resolvers: ['10.9.9.9#54'] }),
    interface: 'eth0',
    aliases: ['www', 'web'],
    four: { subnet: { subnet: '10.89.0.0/24', gateway: '10.89.0.1' }, address: '10.89.0.2' },
  },
  {
    network: { ...plan({ name: 'm', disableDns: true }), id: 'cd'.repeat(32) },
    interface: 'eth1',
    mac: '92:d0:c6:0a:29:33',
    aliases: [],
    four: { subnet: { subnet: '10.89.1.0/24', gateway: '10.89.1.1' }, address: '10.89.1.2' },
  },
];

test('a plan says where a container is, and which network is the way out', (t) => {
  t.deepEqual(networkRecords({ id, name: 'web', resolvers: ['1.1.1.1'] }, places), [
    ['id', id],
    ['resolver', '1.1.1.1'],
    [
      'attach',
      'abababababab',
      'internal,dns',
      '65520',
      'eth0',
      '02:42:0a:59:00:02',
      '10.89.0.2/24',
      '10.89.0.1/24',
      '-',
      '-',
    ],
    ['name', 'web'],
    ['name', 'www'],
    ['resolver', '10.9.9.9#54'],
    [
      'attach',
      'cdcdcdcdcdcd',
      'route',
      '65520',
      'eth1',
      '92:d0:c6:0a:29:33',
      '10.89.1.2/24',
      '10.89.1.1/24',
      '-',
      '-',
    ],
    ['name', 'web'],
  ]);
});

test('name files lead to the network, and without names to the host', (t) => {
  const dns = { servers: [], search: [], options: [] };
  const facts = { resolvConf: 'nameserver 127.0.0.53\nsearch lan\n', resolvedConf: 'nameserver 10.5.5.5\n' };
  t.is(bridgeResolvConf(places, dns, facts).text, 'search coracle.internal lan\nnameserver 10.89.0.1\n');
  t.is(bridgeResolvConf(places.slice(1), dns, facts).text, 'search lan\nnameserver 10.5.5.5\n');
  t.is(bridgeResolvConf(places.slice(1), dns, { resolvConf: '', resolvedConf: '' }).warnings.length, 1);
  const names = { extra: [], base: undefined, hostname: 'h', name: 'web', host: '10.0.0.7' };
  t.regex(
    bridgeHosts(places, names),
    /^10\.89\.0\.2\th web\n10\.0\.0\.7\thost\.containers\.internal [^\n]*\n10\.89\.1\.2\th web\n$/m,
  );
  t.notRegex(bridgeHosts(places.slice(0, 1), names), /host\.containers/);
});

test('the holder needs one id, and an uplink where there is one', (t) => {
  const store = { how: 'newuidmap', uid: [], gid: [] } as never;
  const map = holderIdMap(store, 1000, 100);
  t.deepEqual(
    [map.how, map.uid, map.gid],
    ['single', [{ container: 0, host: 1000, size: 1 }], [{ container: 0, host: 100, size: 1 }]],
  );
  t.false(holderPlan('/d', map, noNetworkFacts).some(([op]) => op === 'net-helper'));
  const facts = { ...noNetworkFacts, tun: true, pasta: '/p' };
  const helper = holderPlan('/d', map, facts).find(([op]) => op === 'net-helper');
  t.true(helper?.includes('--no-map-gw') && helper.includes('192.0.2.2') && helper.includes('--ipv4-only'));
  const both = holderPlan('/d', map, { ...facts, hostAddress6: 'fd00::2' }).find(
    ([op]) => op === 'net-helper',
  );
  t.true(both?.includes('fdc0:6f72:6163:6c65::2') && !both.includes('--ipv4-only'));
});

test('leases are kept, given back, taken from the dead and, at last, from those that do not run', (t) => {
  const paths = storePaths(join(temporaryDirectory(t), 'root'));
  const ids = ['1', '2', '3', '4'].map((digit) => digit.repeat(64));
  for (const one of ids) mkdirSync(join(paths.containers, one), { recursive: true });
  const [a = '', b = '', c = '', d = ''] = ids;
  const running = new Set(ids);
  const leases = new Leases(paths, 'n', (one) => running.has(one));
  const subnet = { subnet: '10.1.0.0/30', gateway: '10.1.0.1' };
  const wide = { subnet: '10.1.0.0/29', gateway: '10.1.0.1' };
  t.is(leases.take(subnet, { container: a }), '10.1.0.2');
  t.is(leases.take(subnet, { container: a, before: '10.1.0.2' }), '10.1.0.2');
  t.is(t.throws(() => leases.take(subnet, { container: b }), { instanceOf: CoracleError })?.code, 'CONFLICT');
  t.is(
    t.throws(() => leases.take(subnet, { container: b, wanted: '10.1.0.2' }), { instanceOf: CoracleError })
      ?.code,
    'CONFLICT',
  );
  t.is(leases.take(wide, { container: b, before: '10.9.9.9' }), '10.1.0.3');
  rmSync(join(paths.containers, a), { recursive: true });
  t.is(leases.take(subnet, { container: c, wanted: '10.1.0.2' }), '10.1.0.2');
  running.delete(c);
  t.throws(
    () => leases.take(subnet, { container: d }),
    { message: /none of 10\.1\.0\.0\/30 is left/ },
    'it may be about to start',
  );
  leases.release(c);
  t.is(leases.take(subnet, { container: d }), '10.1.0.2');
  t.deepEqual([...leases.list().keys()].sort(), ['10.1.0.2', '10.1.0.3']);
  t.deepEqual(readdirSync(join(paths.networks, 'n', 'leases')).sort(), ['10.1.0.2', '10.1.0.3']);
});
