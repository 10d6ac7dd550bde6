/** What passes between networks, and what of a client a container sees, shown by packets of every kind that can be made inside. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { ExecutionContext } from 'ava';
import { readNetworkFacts } from '../../lib/network/host-facts.js';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { type Missing, missingDevice, missingProgram } from '../helpers/host.js';
import { missingCompiler, packetsProgram } from '../helpers/hostile-image.js';

const needs = [...journeyNeeds, missingProgram('pasta'), missingDevice('/dev/net/tun'), missingCompiler()];
const powers = ['--cap-add', 'NET_ADMIN', '--cap-add', 'NET_RAW'];
const six = readNetworkFacts(process.env).hostAddress6;
const missingSix: Missing = six === undefined ? 'this host has no way out by IPv6' : undefined;

type Place = { readonly four: string; readonly six: string; readonly mac: string };

/** A tool, and the program that makes packets as a mount of its containers. */
async function open(
  t: ExecutionContext<unknown>,
): Promise<{ readonly cli: Cli; readonly mount: readonly string[] }> {
  const cli = await openCliWithBusybox(t);
  return { cli, mount: ['-v', `${packetsProgram(cli)}:/packets:ro`] };
}

async function placeOf(cli: Cli, name: string, network: string): Promise<Place> {
  const fields = ['IPAddress', 'GlobalIPv6Address', 'MacAddress'];
  const format = fields
    .map((field) => `{{(index .NetworkSettings.Networks "${network}").${field}}}`)
    .join(' ');
  const [four = '', sixth = '', mac = ''] = (await cli.ok(['inspect', '-f', format, name])).trim().split(' ');
  return { four, six: sixth, mac };
}

/** Marks that came to a container since it was started with `packets listen`. */
async function heard(cli: Cli, name: string): Promise<readonly string[]> {
  return (await cli.ok(['logs', name])).split('\n').flatMap((line) => /mark-(\w+)/.exec(line)?.[1] ?? []);
}

async function listenIn(cli: Cli, name: string, network: string, mount: readonly string[]): Promise<Place> {
  const run = ['run', '-d', '--name', name, '--network', network, ...powers, ...mount];
  await cli.ok([...run, 'busybox', '/packets', 'listen', 'eth0', 'mark-']);
  await eventually(async () => ((await cli.ok(['logs', name])).includes('listening') ? true : undefined));
  return placeOf(cli, name, network);
}

/** A container on `left` that may write whatever packets it likes. */
async function runOne(cli: Cli, mount: readonly string[]): Promise<void> {
  const where = ['--name', 'one', '--network', 'left', ...powers, ...mount];
  await cli.ok(['run', '-d', ...where, 'busybox', 'sleep', '1000']);
}

testWith(
  needs,
  'no frame and no packet, whatever its source, comes from one network to another',
  async (t) => {
    const { cli, mount } = await open(t);
    for (const name of ['left', 'right']) await cli.ok(['network', 'create', '--ipv6', name]);
    const peer = await listenIn(cli, 'peer', 'left', mount);
    const other = await listenIn(cli, 'other', 'right', mount);
    await runOne(cli, mount);
    const gateway = { four: peer.four.replace(/\d+$/, '1'), six: peer.six.replace(/[^:]+$/, '1') };
    const farGateway = { four: other.four.replace(/\d+$/, '1'), six: other.six.replace(/[^:]+$/, '1') };
    // The gateway is to be known, so that what follows goes out at once.
    await cli.run(['exec', 'one', 'ping', '-c', '1', '-W', '1', gateway.four]);
    const table = await cli.ok(['exec', 'one', 'cat', '/proc/net/arp']);
    const router = /(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/.exec(table)?.[0] ?? '';
    t.not(router, '');
    const everybody = 'ff:ff:ff:ff:ff:ff';
    const send = (...words: readonly string[]): Promise<string> =>
      cli.ok(['exec', 'one', '/packets', ...words]);
    const marks: string[] = [];
    const marked = (what: string): string => {
      marks.push(what);
      return `mark-${what}`;
    };
    // Frames: an unknown type, an ARP one, one with a VLAN tag, to all and to the other one itself.
    for (const [type, what] of [
      ['88b5', 'unknown'],
      ['0806', 'arp'],
      ['8100', 'vlan'],
      ['88a8', 'tunnel'],
    ] as const) {
      await send('frame', 'eth0', everybody, type, marked(`${what}All`));
      await send('frame', 'eth0', other.mac, type, marked(`${what}One`));
      await send('frame', 'eth0', router, type, marked(`${what}Router`));
    }
    const sources = {
      own: { four: peer.four, six: peer.six },
      theirs: { four: other.four, six: other.six },
      gateway: farGateway,
      world: { four: '8.8.8.8', six: '2001:4860::1' },
      loopback: { four: '127.0.0.1', six: '::1' },
      none: { four: '0.0.0.0', six: '::' },
    };
    for (const [what, source] of Object.entries(sources)) {
      for (const [where, to] of [
        ['Router', router],
        ['All', everybody],
        ['Direct', other.mac],
      ] as const) {
        await send('send4', 'eth0', to, source.four, other.four, '9', marked(`${what}Four${where}`));
        await send('send6', 'eth0', to, source.six, other.six, '9', marked(`${what}Six${where}`));
      }
      await send('send4', 'eth0', everybody, source.four, '255.255.255.255', '9', marked(`${what}Broadcast`));
      await send(
        'send6',
        'eth0',
        '33:33:00:00:00:01',
        source.six,
        'ff02::1',
        '9',
        marked(`${what}Multicast`),
      );
    }
    // What is sent to all came to the one on the same network: so it was sent.
    const near = await eventually(async () => {
      const found = await heard(cli, 'peer');
      return found.includes('noneMulticast') ? found : undefined;
    });
    for (const what of ['unknownAll', 'arpAll', 'theirsFourAll', 'theirsSixAll', 'worldBroadcast'])
      t.true(near.includes(what), what);
    t.deepEqual(await heard(cli, 'other'), []);
    t.true(marks.length > 50);
    // The listener hears: its own network, and not only by chance.
    await cli.ok(['exec', 'other', '/packets', 'frame', 'eth0', everybody, '88b5', 'mark-own']);
    await eventually(async () => ((await heard(cli, 'other')).includes('own') ? true : undefined));
  },
);

testWith(needs, 'answers to a source that is of another network do not come to that network', async (t) => {
  const { cli, mount } = await open(t);
  const families = six === undefined ? ['4' as const] : (['4', '6'] as const);
  for (const name of ['left', 'right']) await cli.ok(['network', 'create', '--ipv6', name]);
  const other = await listenIn(cli, 'other', 'right', mount);
  await runOne(cli, mount);
  const own = await placeOf(cli, 'one', 'left');
  await cli.run(['exec', 'one', 'ping', '-c', '1', '-W', '1', own.four.replace(/\d+$/, '1')]);
  const table = await cli.ok(['exec', 'one', 'cat', '/proc/net/arp']);
  const router = /(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/.exec(table)?.[0] ?? '';
  for (const family of families) {
    const host = family === '4' ? hostAddress() : (six ?? '');
    const asked: string[] = [];
    const server = await answering(t, host, asked);
    const [mine, theirs] = family === '4' ? [own.four, other.four] : [own.six, other.six];
    const words = ['exec', 'one', '/packets', `send${family}`, 'eth0', router];
    await cli.ok([...words, theirs, host, `${server}`, `mark-forged${family}`]);
    await cli.ok([...words, mine, host, `${server}`, `mark-true${family}`]);
    await eventually(async () => (asked.includes(`mark-true${family}`) ? true : undefined));
    t.deepEqual(asked, [`mark-true${family}`]);
  }
  t.deepEqual(await heard(cli, 'other'), []);
});

function hostAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return addresses.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '';
}

/** A server of datagrams on an address of this host that sends back what it gets. Resolves with its port. */
async function answering(t: ExecutionContext<unknown>, host: string, asked: string[]): Promise<number> {
  const socket: Socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (bytes, from) => {
    asked.push(bytes.toString());
    socket.send(bytes, from.port, from.address);
  });
  socket.bind(0, host);
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return socket.address().port;
}

testWith(needs, 'nothing of any family leaves an internal network, whatever its routes say', async (t) => {
  const { cli, mount } = await open(t);
  await cli.ok(['network', 'create', '--ipv6', 'open']);
  await cli.ok(['network', 'create', '--ipv6', '--internal', 'closed']);
  const run = (name: string, network: string): readonly string[] => [
    'run',
    '-d',
    '--name',
    name,
    '--network',
    network,
    ...powers,
    ...mount,
    'busybox',
    'sleep',
    '1000',
  ];
  await cli.ok(run('out', 'open'));
  await cli.ok(run('in', 'closed'));
  const place = await placeOf(cli, 'in', 'closed');
  await cli.ok(['exec', 'in', 'ip', 'route', 'add', 'default', 'via', place.four.replace(/\d+$/, '1')]);
  await cli.ok([
    'exec',
    'in',
    'ip',
    '-6',
    'route',
    'add',
    'default',
    'via',
    place.six.replace(/[^:]+$/, '1'),
  ]);
  for (const host of [hostAddress(), ...(six === undefined ? [] : [six])]) {
    const asked: string[] = [];
    const port = await answering(t, host, asked);
    const ask = ['/packets', 'ask', host, `${port}`];
    t.is(await cli.ok(['exec', 'out', ...ask]), 'question0\n');
    t.is((await cli.run(['exec', 'in', ...ask])).stdout, '');
    t.is(asked.length, 1);
    const server = createServer((socket) => socket.end('reached'));
    server.listen(0, host);
    await once(server, 'listening');
    t.teardown(() => server.close());
    const bound = server.address();
    const place6 = host.includes(':') ? `[${host}]` : host;
    const url = `http://${place6}:${typeof bound === 'object' ? bound?.port : ''}/`;
    t.not((await cli.run(['exec', 'in', 'timeout', '2', 'wget', '-q', '-O', '-', url])).code, 0);
  }
});

/** Asks a published port by datagrams; what the container said of the sender. */
async function sender(host: string, port: number): Promise<string | undefined> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  try {
    socket.bind(0, host);
    await once(socket, 'listening');
    for (let i = 0; i < 3; i++) {
      socket.send('x', port, host);
      const [answer] = await Promise.race([
        once(socket, 'message'),
        new Promise<[undefined]>((resolve) => setTimeout(() => resolve([undefined]), 1000)),
      ]);
      if (answer !== undefined) return `${answer}`.split(' ')[0];
    }
    return undefined;
  } finally {
    socket.close();
  }
}

for (const network of ['pasta', 'shop', 'inner']) {
  testWith(
    [...needs, missingSix],
    `datagrams and IPv6 show the addresses of clients: ${network}`,
    async (t) => {
      const { cli, mount } = await open(t);
      await cli.ok(['network', 'create', '--ipv6', 'shop']);
      await cli.ok(['network', 'create', '--ipv6', '--internal', 'inner']);
      const page = '#!/bin/sh\\necho; echo "=$REMOTE_ADDR="\\n';
      const script = `mkdir -p /w/cgi-bin; printf '${page}' >/w/cgi-bin/peer; chmod +x /w/cgi-bin/peer; httpd -p 80 -h /w; exec /packets echo 9 4:10 6:11`;
      const ports = ['80', '9/udp', '10/udp', '11/udp'].flatMap((port) => [
        '-p',
        `0.0.0.0::${port}`,
        '-p',
        `[::]::${port}`,
      ]);
      await cli.ok([
        'run',
        '-d',
        '--name',
        'box',
        '--network',
        network,
        ...ports,
        ...mount,
        'busybox',
        'sh',
        '-c',
        script,
      ]);
      await eventually(async () => ((await cli.ok(['logs', 'box'])).includes('ready') ? true : undefined));
      const published = await cli.ok(['port', 'box']);
      const portOf = (inside: string, family: 4 | 6): number => {
        const address = family === 4 ? '0\\.0\\.0\\.0' : '\\[::\\]';
        return Number(new RegExp(`^${inside} -> ${address}:(\\d+)$`, 'm').exec(published)?.[1]);
      };
      const web = async (host: string, port: number): Promise<string | undefined> => {
        const text = await (await fetch(`http://${host}:${port}/cgi-bin/peer`)).text();
        return /=\[?(?:::ffff:)?([^=\]]+)\]?=/.exec(text)?.[1];
      };
      const own =
        network === 'pasta'
          ? { four: '10.0.2.100', six: 'fdc0:6f72:6163:6c65::100' }
          : await placeOf(cli, 'box', network);
      const host = { four: hostAddress(), six: six ?? '' };
      t.is(await web(`[${host.six}]`, portOf('80/tcp', 6)), host.six);
      t.is(await web('[::1]', portOf('80/tcp', 6)), own.six);
      t.is(await sender(host.four, portOf('9/udp', 4)), host.four);
      t.is(await sender(host.six, portOf('9/udp', 6)), host.six);
      t.is(await sender('127.0.0.1', portOf('9/udp', 4)), own.four);
      t.is(await sender('::1', portOf('9/udp', 6)), own.six);
      // A service of one family is found by clients of the other one.
      t.is(await sender(host.six, portOf('10/udp', 6)), own.four);
      t.is(await sender(host.four, portOf('11/udp', 4)), own.six);
      t.is(await sender(host.four, portOf('10/udp', 4)), host.four);
    },
  );
}

testWith([...needs, missingSix], 'containers reach the world by IPv6 where this host does', async (t) => {
  const { cli, mount } = await open(t);
  await cli.ok(['network', 'create', '--ipv6', 'shop']);
  const asked: string[] = [];
  const port = await answering(t, six ?? '', asked);
  for (const network of ['pasta', 'shop']) {
    const run = ['run', '--rm', '--network', network, ...mount, 'busybox'];
    t.is(
      await cli.ok([...run, '/packets', 'ask', six ?? '', `${port}`, '3']),
      'question0\nquestion1\nquestion2\n',
    );
  }
});
