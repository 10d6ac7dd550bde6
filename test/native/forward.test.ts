/** The port forwarder: what a client of a published port sees, whatever client, service and forwarder do. */
import { createHash, randomBytes } from 'node:crypto';
import { createSocket, type Socket as Datagrams } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../faults/fixture.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram, missingUserNamespaces } from '../helpers/host.js';
import {
  type Forwarded,
  lateAddress,
  lateSubnet,
  missingProgramToTest,
  type Service,
  startForwarded,
} from './forward-fixture.js';

const needs = [missingProgramToTest(), missingUserNamespaces()];

async function open(forwarded: Forwarded, service: Service): Promise<Socket> {
  const socket = connect({ port: forwarded.ports[service], host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
}

/** Connections of clients that the forwarder has not closed: neither listening nor waiting only for time to pass. */
function connections(forwarded: Forwarded): number {
  const ports = Object.values(forwarded.ports).map(
    (port) => `:${port.toString(16).toUpperCase().padStart(4, '0')}`,
  );
  const rows = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  return rows.filter(([, local = '', , state = '']) => {
    return ports.some((port) => local.endsWith(port)) && ['01', '08'].includes(state);
  }).length;
}

/** How a connection ends that its client does not end. */
function ending(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('end', () => resolve('end'));
    socket.resume();
  });
}

async function exchange(forwarded: Forwarded, sent: Buffer, service: Service = 'echo'): Promise<boolean> {
  const socket = await open(forwarded, service);
  socket.end(sent);
  return sent.equals(await buffer(socket));
}

testWith(needs, 'an end of one direction is passed on while the other goes on', async (t) => {
  const forwarded = await startForwarded(t);
  for (const size of [0, 1, 3_000_000]) {
    const sent = randomBytes(size);
    const socket = await open(forwarded, 'digest');
    socket.end(sent);
    t.is(await text(socket), createHash('sha256').update(sent).digest('hex'), `${size} bytes`);
  }
  await until('no connection is kept', () => connections(forwarded) === 0);
});

testWith(needs, 'many bytes both ways at once, and many connections at once, arrive whole', async (t) => {
  const forwarded = await startForwarded(t);
  t.true(await exchange(forwarded, randomBytes(40_000_000)));
  const sent = Array.from({ length: 400 }, (_, index) => randomBytes(1 + index * 40));
  t.true((await Promise.all(sent.map((bytes) => exchange(forwarded, bytes)))).every(Boolean));
  await until('no connection is kept', () => connections(forwarded) === 0);
});

testWith(needs, 'a client that reads nothing holds nobody up', async (t) => {
  const forwarded = await startForwarded(t);
  const lazy = await open(forwarded, 'echo');
  const sent = randomBytes(64 << 20);
  lazy.end(sent);
  for (let round = 0; round < 20; round++) t.true(await exchange(forwarded, randomBytes(100_000)));
  t.true(lazy.writableLength > 0, 'more is on its way than all buffers hold');
  t.true(sent.equals(await buffer(lazy)), 'and nothing of it is lost');
});

testWith(needs, 'a target that refuses and a service that resets are a reset for the client', async (t) => {
  const forwarded = await startForwarded(t);
  const refused = await Promise.all(
    Array.from({ length: 50 }, async () => {
      const socket = connect({ port: forwarded.ports.nothing, host: '127.0.0.1' });
      return ending(socket);
    }),
  );
  t.deepEqual([...new Set(refused)], ['ECONNRESET']);
  const reset = await open(forwarded, 'reset');
  reset.write('x');
  t.is(await ending(reset), 'ECONNRESET');
  t.true(await exchange(forwarded, Buffer.from('the forwarder lives on')));
});

testWith(
  [...needs, missingProgram('nsenter'), missingProgram('ip')],
  'an address that the container does not have yet is refused at once, and served as soon as it has it',
  async (t) => {
    const forwarded = await startForwarded(t);
    // Its subnet is routed already: who connects now looks for a neighbour, which takes seconds.
    await forwarded.inNetwork('ip', 'link', 'add', 'lan', 'type', 'veth', 'peer', 'name', 'far');
    for (const link of ['lan', 'far']) await forwarded.inNetwork('ip', 'link', 'set', link, 'up');
    await forwarded.inNetwork('ip', 'route', 'add', lateSubnet, 'dev', 'lan');
    const asked = performance.now();
    t.is(await ending(connect({ port: forwarded.ports.late, host: '127.0.0.1' })), 'ECONNRESET');
    t.true(performance.now() - asked < 1000);
    await forwarded.inNetwork('ip', 'address', 'add', `${lateAddress}/32`, 'dev', 'lan');
    t.true(await exchange(forwarded, Buffer.from('it is here'), 'late'));
  },
);

testWith(needs, 'a client that resets leaves nothing open', async (t) => {
  const forwarded = await startForwarded(t);
  for (let round = 0; round < 30; round++) {
    const socket = await open(forwarded, 'echo');
    socket.write(randomBytes(50_000));
    if (round % 2 === 0) await once(socket, 'data');
    socket.resetAndDestroy();
  }
  await until('no connection is kept', () => connections(forwarded) === 0);
  t.true(await exchange(forwarded, Buffer.from('next')));
});

testWith(needs, 'datagrams come back to the client that sent them, up to the largest', async (t) => {
  const forwarded = await startForwarded(t);
  const clients = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const socket = createSocket('udp4').bind(0, '127.0.0.1');
      await once(socket, 'listening');
      t.teardown(() => socket.close());
      return socket;
    }),
  );
  const returns = async (socket: Datagrams, sent: Buffer): Promise<boolean> => {
    const answer: Promise<unknown[]> = once(socket, 'message', { signal: AbortSignal.timeout(10_000) });
    socket.send(sent, forwarded.ports.datagrams, '127.0.0.1');
    const [bytes] = await answer;
    return sent.equals(bytes as Buffer);
  };
  for (const size of [0, 1, 1400]) {
    const all = clients.map((socket, index) => returns(socket, Buffer.alloc(size, index)));
    t.true((await Promise.all(all)).every(Boolean), `${size} bytes`);
  }
  // one after another: more at a time than the kernel's buffers hold may be lost
  for (const socket of clients) t.true(await returns(socket, randomBytes(60_000)));
});

testWith(needs, 'a forwarder that is killed is started again, and no client waits in vain', async (t) => {
  const forwarded = await startForwarded(t);
  const first = forwarded.forwarder() ?? 0;
  const socket = await open(forwarded, 'echo');
  socket.write('x');
  await once(socket, 'data');
  await sleep(1100); // one that ends within its first second is taken for one that always will
  const broken = ending(socket);
  process.kill(first, 'SIGKILL');
  t.regex(await broken, /^(end|ECONNRESET)$/);
  t.true(await exchange(forwarded, Buffer.from('after')));
  t.not(forwarded.forwarder(), first);
});

testWith(needs, 'the forwarder ends with its supervisor, and the ports are free', async (t) => {
  const forwarded = await startForwarded(t);
  t.true(forwarded.survivors() >= 4);
  process.kill(forwarded.supervisor, 'SIGKILL');
  await until('the forwarder is gone', () => forwarded.survivors() === 0);
  const socket = connect({ port: forwarded.ports.echo, host: '127.0.0.1' });
  t.is(await ending(socket), 'ECONNREFUSED');
});
