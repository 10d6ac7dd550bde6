import test from 'ava';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import { assignHostPorts } from '../../lib/network/free-ports.js';
import { type NetworkFacts, noNetworkFacts, readNetworkFacts } from '../../lib/network/host-facts.js';
import { parseResolvConf } from '../../lib/network/name-files.js';
import { parseNetworkFlags } from '../../lib/network/network-flags.js';
import type { NetworkMode, PortRequest } from '../../lib/network/network-plan.js';
import { type NetworkRequest, planNetwork } from '../../lib/network/plan-network.js';
import { isIpv6, parseExposedPort, parsePublishFlag } from '../../lib/network/port-flags.js';

const tcp = (hostPort: number | undefined, containerPort: number, hostAddress = '0.0.0.0'): PortRequest => ({
  protocol: 'tcp',
  hostAddress,
  hostPort,
  containerPort,
});

const reads = test.macro((t, text: string, expected: readonly PortRequest[]) =>
  t.deepEqual(parsePublishFlag(text), expected),
);
test('a port alone gets a host port later', reads, '80', [tcp(undefined, 80)]);
test('host and container port', reads, '8080:80', [tcp(8080, 80)]);
test('with an address', reads, '127.0.0.1:8080:80', [tcp(8080, 80, '127.0.0.1')]);
test('with an address and no host port', reads, '127.0.0.1::80', [tcp(undefined, 80, '127.0.0.1')]);
test('localhost is an address', reads, 'localhost:1:2', [tcp(1, 2, '127.0.0.1')]);
test('an IPv6 address stands in brackets', reads, '[::1]:8080:80', [tcp(8080, 80, '::1')]);
test('ranges go together', reads, '8000-8002:80-82', [tcp(8000, 80), tcp(8001, 81), tcp(8002, 82)]);
test('udp', reads, '53:53/udp', [{ ...tcp(53, 53), protocol: 'udp' }]);

test('sctp is refused by its name', (t) => {
  const error = t.throws(() => parsePublishFlag('80:80/sctp'), { instanceOf: CoracleError });
  t.is(error?.code, 'UNSUPPORTED');
  t.regex(error?.message ?? '', /sctp/);
});

for (const text of [
  '',
  'x',
  '80:',
  '0',
  '70000',
  '1-2:3-5',
  '8080:80/icmp',
  '300.0.0.1:1:2',
  '5-1',
  '::',
  '1:2:3:4',
  '8080-8090:80',
]) {
  test(`publishing "${text}" is refused`, (t) => {
    t.is(t.throws(() => parsePublishFlag(text), { instanceOf: CoracleError })?.code, 'USAGE');
  });
}

test('IPv6 addresses are told from other texts', (t) => {
  for (const good of ['::', '::1', 'fe80::1', '1:2:3:4:5:6:7:8', '::ffff:1.2.3.4'])
    t.true(isIpv6(good), good);
  for (const bad of ['1', ':', '1::2::3', '12345::', '1:2:3', '1:2:3:4:5:6:7:8:9', 'g::', '::1.2.3'])
    t.false(isIpv6(bad), bad);
});

test('S28: exposed ports of images are data that may be wrong', (t) => {
  t.deepEqual(parseExposedPort('80/tcp'), { protocol: 'tcp', containerPort: 80 });
  t.deepEqual(parseExposedPort('53/udp'), { protocol: 'udp', containerPort: 53 });
  for (const bad of ['', 'x', '0', '99999/tcp', '80/sctp']) t.is(parseExposedPort(bad), undefined);
});

test('missing host ports are free and different, the same one twice is refused', (t) => {
  const ports = assignHostPorts([tcp(undefined, 80), tcp(undefined, 81), tcp(8080, 82)]);
  t.is(ports[2]?.hostPort, 8080);
  t.true((ports[0]?.hostPort ?? 0) >= 49152);
  t.not(ports[0]?.hostPort, ports[1]?.hostPort);
  t.throws(() => assignHostPorts([tcp(1, 80), tcp(1, 81)]), { message: /asked for twice/ });
});

const facts: NetworkFacts = {
  ...noNetworkFacts,
  pasta: '/usr/bin/pasta',
  slirp4netns: '/usr/bin/slirp4netns',
  tun: true,
  resolvConf: 'nameserver 10.1.1.1\nsearch lan\n',
  hosts: '127.0.0.1 localhost\n',
  hostAddress: '192.0.2.7',
};
const request: NetworkRequest = {
  mode: undefined,
  ports: [],
  dns: { servers: [], search: [], options: [] },
  extraHosts: [],
  hostname: 'box',
  name: 'web',
};

const chooses = test.macro(
  (t, change: Partial<NetworkRequest>, host: Partial<NetworkFacts>, mode: NetworkMode) => {
    t.is(planNetwork({ ...request, ...change }, { ...facts, ...host }).mode, mode);
  },
);
test('pasta is the default', chooses, {}, {}, 'pasta');
test('without pasta it is slirp4netns', chooses, {}, { pasta: undefined }, 'slirp4netns');
test(
  'resolvers on the loopback need slirp4netns',
  chooses,
  {},
  { resolvConf: 'nameserver 127.0.0.53\n' },
  'slirp4netns',
);
test(
  'resolvers behind systemd-resolved are used by pasta',
  chooses,
  {},
  { resolvConf: 'nameserver 127.0.0.53\n', resolvedConf: 'nameserver 10.9.9.9\n' },
  'pasta',
);
test('none needs nothing', chooses, { mode: 'none' }, noNetworkFacts, 'none');
test('host needs nothing', chooses, { mode: 'host' }, noNetworkFacts, 'host');

const fails = test.macro(
  (t, change: Partial<NetworkRequest>, host: Partial<NetworkFacts>, code: ErrorCode, hint: RegExp) => {
    const error = t.throws(() => planNetwork({ ...request, ...change }, { ...facts, ...host }), {
      instanceOf: CoracleError,
    });
    t.is(error?.code, code);
    t.regex(error?.hint ?? '', hint);
  },
);
test(
  'without any program the hint names the package',
  fails,
  {},
  { pasta: undefined, slirp4netns: undefined },
  'HOST',
  /passt/,
);
test(
  'a forced program must be there',
  fails,
  { mode: 'slirp4netns' },
  { slirp4netns: undefined },
  'HOST',
  /slirp4netns/,
);
test('without /dev/net/tun the hint says how to get it', fails, {}, { tun: false }, 'HOST', /modprobe tun/);
test(
  'ports cannot be published without a network',
  fails,
  { mode: 'none', ports: [{ ...tcp(1, 1), hostPort: 1 }] },
  {},
  'USAGE',
  /none/,
);

test('S36: pasta gets no ports, no gateway map and an address of its own', (t) => {
  const plan = planNetwork({ ...request, ports: [{ ...tcp(8080, 80), hostPort: 8080 }] }, facts);
  const [helper, publish] = plan.records;
  t.deepEqual(helper?.slice(0, 3), ['net-helper', 'pasta', '/usr/bin/pasta']);
  for (const option of ['--no-map-gw', '-t', '-T', '-u', '-U', '@NETNS@']) t.true(helper?.includes(option));
  t.deepEqual(publish, ['publish', 'tcp', '0.0.0.0', '8080', '10.0.2.100', '80']);
});

const helper = (text: string, host: Partial<NetworkFacts> = {}): readonly string[] => {
  const { network, networkOptions } = parseNetworkFlags([text]);
  const ports = [{ ...tcp(8080, 80), hostPort: 8080 }];
  const { records } = planNetwork(
    { ...request, mode: network, helperOptions: networkOptions, ports },
    { ...facts, ...host },
  );
  return records.flatMap((record) => (record[0] === 'publish' ? record.slice(4) : record.slice(3)));
};

test('options of pasta take the place of ours, and open what they name alone', (t) => {
  const plain = helper('pasta');
  t.deepEqual(plain.slice(-2), ['10.0.2.100', '80']);
  const own = helper('pasta:-a,10.7.0.5,-n,24,--gateway=10.7.0.1,-I,net7');
  t.false(own.includes('10.0.2.100') || own.includes('10.0.2.2'));
  t.true(own.join(' ').includes('--address 10.7.0.5 --netmask 24 --gateway 10.7.0.1 --ns-ifname net7'));
  t.deepEqual(own.slice(-2), ['10.7.0.5', '80']);
  const onlySix = helper('pasta:-6', { hostAddress6: 'fd00::2' });
  t.true(onlySix.includes('--ipv6-only') && !onlySix.includes('10.0.2.100'));
  t.deepEqual(onlySix.slice(-2), ['fdc0:6f72:6163:6c65::100', '80']);
  t.deepEqual(
    helper('pasta:-4', { hostAddress6: 'fd00::2' }).filter((word) => word === '--ipv4-only').length,
    1,
  );
  t.false(helper('pasta:--map-gw').some((word) => /map-gw/.test(word)));
  const opened = helper('pasta:-T,5432').join(' ');
  t.true(opened.includes('--tcp-ns 5432') && !opened.includes('-T none') && opened.includes('-U none'));
});

test('options of slirp4netns change where the container and its resolver are', (t) => {
  const words = helper(
    'slirp4netns:cidr=10.9.0.0/24,mtu=1400,allow_host_loopback=true,port_handler=rootlesskit',
  );
  t.true(words.includes('--cidr=10.9.0.0/24') && words.includes('--mtu=1400'));
  t.false(words.includes('--disable-host-loopback'));
  t.deepEqual(words.slice(-2), ['10.9.0.100', '80']);
  t.true(helper('slirp4netns').includes('--disable-host-loopback'));
});

for (const [text, reason] of [
  ['pasta:-t,80', /option "-t" is not supported/],
  ['pasta:--netns,x', /option "--netns" is not supported/],
  ['pasta:-a', /option -a needs a value/],
  ['pasta:--no-tcp=1', /option --no-tcp has no value/],
  ['slirp4netns:mtu=3', /mtu "3" cannot be/],
  ['slirp4netns:cidr=x', /cidr "x" cannot be/],
  ['slirp4netns:port_handler=slirp4netns', /port_handler "slirp4netns" cannot be/],
  ['slirp4netns:what=1', /option "what=1" is not supported/],
] as const) {
  test(`${text} is refused`, (t) => {
    t.regex(t.throws(() => parseNetworkFlags([text]), { instanceOf: CoracleError })?.message ?? '', reason);
  });
}

test('with a way out by IPv6 pasta has it, too', (t) => {
  const ports = [{ ...tcp(8080, 80), hostPort: 8080 }];
  const [without] = planNetwork({ ...request, ports }, facts).records;
  t.true(without?.includes('--ipv4-only'));
  const [helper, publish] = planNetwork({ ...request, ports }, { ...facts, hostAddress6: 'fd00::2' }).records;
  t.false(helper?.includes('--ipv4-only') || helper?.includes('--no-ndp'));
  t.true(helper?.includes('--no-ra') && helper.includes('fdc0:6f72:6163:6c65::100'));
  t.deepEqual(publish?.slice(4), ['10.0.2.100', '80', 'fdc0:6f72:6163:6c65::100']);
});

test('name files carry resolvers, own names and asked-for hosts', (t) => {
  const { files } = planNetwork(
    {
      ...request,
      extraHosts: [
        { name: 'db', address: '10.0.0.9' },
        { name: 'me', address: 'host-gateway' },
      ],
    },
    facts,
  );
  t.is(files.resolvConf, 'search lan\nnameserver 10.1.1.1\n');
  t.is(files.hostname, 'box\n');
  t.is(
    files.hosts,
    '10.0.0.9\tdb\n192.0.2.7\tme\n127.0.0.1\tlocalhost localhost.localdomain\n::1\tlocalhost localhost.localdomain\n10.0.2.100\tbox web\n192.0.2.7\thost.containers.internal host.docker.internal\n',
  );
});

test('asked-for resolvers replace the host ones, a dot clears the search list', (t) => {
  const { files } = planNetwork(
    { ...request, dns: { servers: ['9.9.9.9'], search: ['.'], options: ['ndots:2'] } },
    facts,
  );
  t.is(files.resolvConf, 'nameserver 9.9.9.9\noptions ndots:2\n');
});

test('a pasta that reaches no resolver says so', (t) => {
  const { warnings } = planNetwork(
    { ...request, mode: 'pasta' },
    { ...facts, resolvConf: 'nameserver ::1\n' },
  );
  t.regex(warnings[0] ?? '', /--dns/);
});

test('resolv.conf is read as libc does, and this host can be asked', (t) => {
  t.deepEqual(parseResolvConf('# c\nnameserver 1.1.1.1 # x\ndomain a\nsearch b c\noptions ndots:1 edns0\n'), {
    nameservers: ['1.1.1.1'],
    search: ['b', 'c'],
    options: ['ndots:1', 'edns0'],
  });
  t.is(typeof readNetworkFacts(process.env).resolvConf, 'string');
});
