/** Containers on user-defined networks: what reaches whom, seen by packets. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { ExecutionContext } from 'ava';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingDevice, missingProgram } from '../helpers/host.js';
import { fetchText } from '../helpers/web.js';

const needs = [...journeyNeeds, missingProgram('pasta'), missingDevice('/dev/net/tun')];

/** A container that serves its name by HTTP on port 80 and runs until it is removed. */
async function serve(cli: Cli, name: string, ...options: readonly string[]): Promise<string> {
  const script = `mkdir /www; echo ${name} >/www/index.html; httpd -p 80 -h /www; sleep 1000`;
  await cli.ok(['run', '-d', '--name', name, ...options, 'busybox', 'sh', '-c', script]);
  return addressOf(cli, name, options[options.indexOf('--network') + 1]?.split(':')[0] ?? '');
}

async function addressOf(cli: Cli, name: string, network: string): Promise<string> {
  const field = `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`;
  return (await cli.ok(['inspect', '-f', field, name])).trim();
}

/** What a container that exists gets from an address by HTTP; empty when nothing comes within two seconds. */
async function fetchFrom(cli: Cli, from: string, address: string): Promise<string> {
  const words = ['exec', from, 'timeout', '2', 'wget', '-q', '-O', '-', `http://${address}/`];
  return (await cli.run(words)).stdout.trim();
}

async function lookUp(cli: Cli, from: string, ...words: readonly string[]): Promise<string> {
  return (await cli.run(['exec', from, 'nslookup', ...words])).stdout;
}

/** An address of this host that containers reach. */
function hostAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return addresses.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '';
}

/** A server on that address. */
async function listen(t: ExecutionContext<unknown>): Promise<{ readonly url: string; count(): number }> {
  const host = hostAddress();
  let count = 0;
  const server = createServer((socket) => {
    count++;
    socket.end('HTTP/1.0 200 OK\r\n\r\nthe host');
  });
  server.listen(0, host);
  await once(server, 'listening');
  t.teardown(() => server.close());
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('the server has no port');
  return { url: `${host}:${bound.port}`, count: () => count };
}

/** A name server on this host's loopback that knows 192.0.2.99 for every name. */
async function resolver(
  t: ExecutionContext<unknown>,
): Promise<{ readonly place: string; names(): readonly string[] }> {
  const asked: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const end = query.indexOf(0, 12) + 5;
    asked.push(query.subarray(12, end - 5).toString('latin1'));
    const isFour = query.readUInt16BE(end - 4) === 1;
    const header = Buffer.from([
      query[0] ?? 0,
      query[1] ?? 0,
      0x81,
      0x80,
      0,
      1,
      0,
      isFour ? 1 : 0,
      0,
      0,
      0,
      0,
    ]);
    const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 99]);
    const parts = [header, query.subarray(12, end), ...(isFour ? [record] : [])];
    socket.send(Buffer.concat(parts), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return { place: `127.0.0.1#${socket.address().port}`, names: () => asked };
}

testWith(
  needs,
  'containers of a network find each other by name, alias and the beginning of an id',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    await cli.ok(['network', 'create', 'shop']);
    const web = await serve(cli, 'web', '--network', 'shop', '--network-alias', 'www');
    await serve(cli, 'client', '--network', 'shop:alias=asker');
    const id = (await cli.ok(['inspect', '-f', '{{.Id}}', 'web'])).trim();
    for (const name of ['web', 'WWW', id.slice(0, 12), id.slice(0, 40), 'web.coracle.internal']) {
      t.regex(await lookUp(cli, 'client', name), new RegExp(`Address: ${web}$`, 'm'), name);
    }
    t.regex(await lookUp(cli, 'client', web), /name = web$/m);
    t.regex(await lookUp(cli, 'client', 'nobody.coracle.internal'), /NXDOMAIN/);
    t.notRegex(await lookUp(cli, 'client', '-type=aaaa', 'web'), /NXDOMAIN|SERVFAIL/);
    t.is(await fetchFrom(cli, 'client', web), 'web');
    await cli.ok(['rename', 'web', 'store']);
    t.regex(await lookUp(cli, 'client', 'store.coracle.internal'), new RegExp(`Address: ${web}$`, 'm'));
    await cli.ok(['rm', '-f', 'store']);
    t.regex(await lookUp(cli, 'client', 'store.coracle.internal'), /NXDOMAIN/);
  },
);

testWith(needs, 'packets do not pass from one network to another', async (t) => {
  const cli = await openCliWithBusybox(t);
  for (const name of ['left', 'right']) await cli.ok(['network', 'create', name]);
  const powers = ['--cap-add', 'NET_ADMIN', '--cap-add', 'NET_RAW'];
  const one = await serve(cli, 'one', '--network', 'left', ...powers);
  const other = await serve(cli, 'other', '--network', 'right', ...powers);
  const both = await serve(cli, 'both', '--network', 'left', '--network', 'right');
  t.is(await fetchFrom(cli, 'one', both), 'both');
  t.is(await fetchFrom(cli, 'both', other), 'other');
  t.is(await fetchFrom(cli, 'one', other), '');
  t.is(await fetchFrom(cli, 'other', one), '');
  const ping = ['exec', 'one', 'ping', '-c', '1', '-W', '1'];
  t.is((await cli.run([...ping, both])).code, 0);
  t.not((await cli.run([...ping, other])).code, 0);
  // Datagrams, and the name server of the other network asked by the way out.
  const gateway = other.replace(/\d+$/, '1');
  t.notRegex((await cli.run(['exec', 'one', 'nslookup', 'other', gateway])).stdout, /Address: /);
  t.regex(await lookUp(cli, 'one', 'other.coracle.internal'), /NXDOMAIN/);
  t.regex(await lookUp(cli, 'both', 'other.coracle.internal'), new RegExp(`Address: ${other}$`, 'm'));
  const datagram = 'nc -u -l -p 9 >/got & sleep 1; cat /got';
  const listening = cli.run(['exec', 'other', 'sh', '-c', datagram]);
  await cli.run(['exec', 'one', 'sh', '-c', `for i in 1 2 3 4; do echo x | nc -u -w 1 ${other} 9; done`]);
  t.is((await listening).stdout, '');
});

testWith(
  needs,
  'S37: a network leads to the world, an internal one nowhere, not even by its name server',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const host = await listen(t);
    const names = await resolver(t);
    await cli.ok(['network', 'create', '--dns', names.place, 'open']);
    await cli.ok(['network', 'create', '--internal', '--dns', names.place, 'closed']);
    await serve(cli, 'out', '--network', 'open');
    const powers = ['--cap-add', 'NET_ADMIN'];
    const web = await serve(cli, 'web', '--network', 'closed', ...powers);
    await serve(cli, 'in', '--network', 'closed', ...powers);
    t.is(await fetchFrom(cli, 'out', host.url), 'the host');
    t.regex(await lookUp(cli, 'out', 'example.com'), /Address: 192\.0\.2\.99$/m);
    t.is(host.count(), 1);
    const asked = names.names().length;
    t.true(asked > 0);
    t.is(await fetchFrom(cli, 'in', web), 'web');
    t.is(await cli.ok(['exec', 'in', 'cat', '/proc/sys/net/ipv6/conf/eth0/accept_ra']), '0\n');
    t.notRegex(await cli.ok(['exec', 'in', 'ip', 'route']), /default/);
    await cli.ok(['exec', 'in', 'ip', 'route', 'add', 'default', 'via', web.replace(/\d+$/, '1')]);
    t.is(await fetchFrom(cli, 'in', host.url), '');
    t.regex(await lookUp(cli, 'in', 'example.com'), /NXDOMAIN/);
    t.is(host.count(), 1);
    t.is(names.names().length, asked);
  },
);

testWith(needs, 'name servers that fail are passed over, and when all do, that is said', async (t) => {
  const cli = await openCliWithBusybox(t);
  const names = await resolver(t);
  await cli.ok(['network', 'create', '--dns', '127.0.0.1#1', '--dns', names.place, 'some']);
  await cli.ok(['network', 'create', '--dns', '127.0.0.1#1', 'none-answers']);
  await serve(cli, 'a', '--network', 'some');
  await serve(cli, 'b', '--network', 'none-answers');
  t.regex(await lookUp(cli, 'a', 'example.com'), /Address: 192\.0\.2\.99$/m);
  t.regex((await cli.run(['exec', 'b', 'nslookup', 'example.com'])).stdout, /SERVFAIL/);
  t.regex(await lookUp(cli, 'b', 'b'), /Address: 10\./);
});

testWith(needs, 'addresses, names of interfaces and published ports are those asked for', async (t) => {
  const cli = await openCliWithBusybox(t);
  const range = ['--subnet', '10.77.1.0/24', '--gateway', '10.77.1.254', '--ip-range', '10.77.1.128/26'];
  await cli.ok(['network', 'create', ...range, '--subnet', 'fd77:1::/64', '--opt', 'mtu=1400', 'lab']);
  await cli.ok(['network', 'create', 'other']);
  const place = 'lab:ip=10.77.1.9,mac=92:d0:c6:0a:29:33,interface_name=lan0,ip6=fd77:1::9';
  await serve(cli, 'fixed', '--network', place, '--network', 'other', '-p', '127.0.0.1::80');
  const free = await serve(cli, 'free', '--network', 'lab');
  t.is(free, '10.77.1.129');
  const shown = await cli.ok(['exec', 'fixed', 'ip', 'addr']);
  t.regex(
    shown,
    /lan0@.*mtu 1400[\s\S]*92:d0:c6:0a:29:33[\s\S]*inet 10\.77\.1\.9\/24[\s\S]*inet6 fd77:1::9\/64/,
  );
  t.regex(shown, /eth0@[\s\S]*inet 10\.89\./);
  t.regex(await cli.ok(['exec', 'fixed', 'ip', 'route']), /default via 10\.77\.1\.254 dev lan0/);
  t.regex(await lookUp(cli, 'free', 'fixed'), /Address: fd77:1::9$/m);
  const port = (await cli.ok(['port', 'fixed', '80'])).trim();
  const answer = await fetch(`http://${port}/`);
  t.is((await answer.text()).trim(), 'fixed');
  const taken = await cli.run(['run', '--rm', '--network', 'lab', '--ip', '10.77.1.9', 'busybox', 'true']);
  t.is(taken.code, 125);
  t.regex(taken.stderr, /use address 10\.77\.1\.9 on network lab: container [0-9a-f]{12} has it/);
  const outside = await cli.run(['run', '--rm', '--network', 'lab', '--ip', '10.78.1.9', 'busybox', 'true']);
  t.regex(outside.stderr, /use address 10\.78\.1\.9 on network lab: it does not lie in 10\.77\.1\.0\/24/);
  const missing = await cli.run(['run', '--rm', '--network', 'nowhere', 'busybox', 'true']);
  t.regex(missing.stderr, /use network nowhere: no such network/);
});

testWith(
  needs,
  'routes, metrics and networks of IPv6 alone are as asked for, and so are new name servers',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const names = await resolver(t);
    await cli.ok(['network', 'create', '--subnet', 'fd77:2::/64', 'only6']);
    const far = ['--subnet', '10.77.3.0/24', '--route', '10.99.0.0/16,10.77.3.9,70', '--opt', 'metric=50'];
    await cli.ok(['network', 'create', ...far, 'far']);
    await cli.ok(['network', 'create', '--opt', 'no_default_route=1', '--disable-dns', 'side']);
    await cli.ok(['network', 'create', 'plain']);
    const on = ['--network', 'side', '--network', 'plain', '--network', 'far'];
    const routes = await cli.ok(['run', '--rm', ...on, 'busybox', 'ip', 'route']);
    t.regex(routes, /^default via 10\.77\.3\.1 dev eth2 +metric 50/m);
    t.regex(routes, /^10\.99\.0\.0\/16 via 10\.77\.3\.9 dev eth2 +metric 70/m);
    t.is(routes.match(/^default/gm)?.length, 1);
    await serve(cli, 'six', '--network', 'only6', '-p', '127.0.0.1::80');
    t.notRegex(await cli.ok(['exec', 'six', 'ip', 'addr', 'show', 'eth0']), /inet /);
    t.regex(await lookUp(cli, 'six', 'six.coracle.internal'), /Address: fd77:2::2$/m);
    const port = (await cli.ok(['port', 'six', '80'])).trim();
    t.is((await (await fetch(`http://${port}/`)).text()).trim(), 'six');
    await cli.ok(['network', 'update', '--dns-add', names.place, 'only6']);
    t.regex(await lookUp(cli, 'six', 'example.com'), /Address: 192\.0\.2\.99$/m);
    const [shown] = JSON.parse(await cli.ok(['network', 'inspect', 'only6']));
    t.deepEqual(shown.network_dns_servers, [names.place]);
    await cli.ok(['network', 'update', '--dns-drop', names.place, 'only6']);
    t.regex(
      (await cli.run(['network', 'update', '--dns-drop', names.place, 'only6'])).stderr,
      /update network only6: 127\.0\.0\.1#\d+ is no server of it/,
    );
  },
);

testWith(needs, 'a running container is put on a network and taken off', async (t) => {
  const cli = await openCliWithBusybox(t);
  for (const name of ['a', 'b']) await cli.ok(['network', 'create', name]);
  await serve(cli, 'mover', '--network', 'a');
  const still = await serve(cli, 'still', '--network', 'b');
  t.is(await fetchFrom(cli, 'mover', still), '');
  await cli.ok(['network', 'connect', '--alias', 'guest', 'b', 'mover']);
  t.is(await fetchFrom(cli, 'mover', still), 'still');
  const moved = await addressOf(cli, 'mover', 'b');
  t.regex(await lookUp(cli, 'still', 'guest'), new RegExp(`Address: ${moved}$`, 'm'));
  t.regex(
    await cli.ok(['exec', 'mover', 'cat', '/etc/hosts']),
    new RegExp(`^${moved}\tmover|^${moved}\t`, 'm'),
  );
  await cli.ok(['network', 'reload', 'mover']);
  t.is(await fetchFrom(cli, 'mover', still), 'still');
  await cli.ok(['network', 'disconnect', 'b', 'mover']);
  t.is(await fetchFrom(cli, 'mover', still), '');
  t.notRegex(await cli.ok(['exec', 'mover', 'ip', 'addr']), /eth1/);
  const again = await cli.run(['network', 'disconnect', 'b', 'mover']);
  t.regex(again.stderr, /disconnect mover: it is not on network b/);
  await cli.ok(['restart', '-t', '0', 'mover']);
  t.notRegex(await cli.ok(['exec', 'mover', 'ip', 'addr']), /eth1/);
  const none = await cli.run(['network', 'connect', 'b', 'nobody']);
  t.regex(none.stderr, /no such container/);
});

for (const network of ['pasta', 'slirp4netns', 'shop', 'inner']) {
  testWith(
    [...needs, missingProgram('slirp4netns')],
    `published ports show the addresses of clients, those of the loopback apart: ${network}`,
    async (t) => {
      const cli = await openCliWithBusybox(t);
      await cli.ok(['network', 'create', 'shop']);
      await cli.ok(['network', 'create', '--internal', 'inner']);
      const page = '#!/bin/sh\\necho; echo "=$REMOTE_ADDR="\\n';
      const script = `mkdir -p /w/cgi-bin; printf '${page}' >/w/cgi-bin/peer; chmod +x /w/cgi-bin/peer; httpd -f -p 80 -h /w`;
      const ports = ['-p', '80', '-p', '81'];
      await cli.ok([
        'run',
        '-d',
        '--name',
        'box',
        '--network',
        network,
        ...ports,
        'busybox',
        'sh',
        '-c',
        script,
      ]);
      const [, port = ''] = /:(\d+)/.exec(await cli.ok(['port', 'box', '80'])) ?? [];
      const own = await addressOf(cli, 'box', network);
      const seen = async (address: string): Promise<string | undefined> => {
        const text = await fetchText(`http://${address}:${port}/cgi-bin/peer`);
        return text === undefined ? undefined : /=\[?(?:::ffff:)?([\d.]+)\]?=/.exec(text)?.[1];
      };
      t.is(await eventually(() => seen(hostAddress())), hostAddress());
      t.is(await seen('127.0.0.1'), own);
      const [, closed = ''] = /:(\d+)/.exec(await cli.ok(['port', 'box', '81'])) ?? [];
      await t.throwsAsync(
        fetch(`http://${hostAddress()}:${closed}/`, { signal: AbortSignal.timeout(5000) }),
        { message: 'fetch failed' },
      );
    },
  );
}
