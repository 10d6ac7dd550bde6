/** What containers reach by their network, and what reaches them; the numbers are those of the security requirements. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import type { ExecutionContext } from 'ava';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { openCli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingDevice, missingProgram } from '../helpers/host.js';
import { loadImage, missingCompiler, probeFile } from '../helpers/hostile-image.js';

/** A server on one address of the host, with the number of connections it had. */
async function listen(
  t: ExecutionContext<unknown>,
  address: string,
): Promise<{ port: number; count(): number }> {
  let count = 0;
  const server: Server = createServer((socket) => {
    count++;
    socket.end('HTTP/1.0 200 OK\r\n\r\nreached');
  });
  server.listen(0, address);
  await once(server, 'listening');
  t.teardown(() => server.close());
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('the server has no port');
  return { port: bound.port, count: () => count };
}

for (const program of ['pasta', 'slirp4netns'] as const) {
  const needs = [...journeyNeeds, missingProgram(program), missingDevice('/dev/net/tun')];

  testWith(needs, `S36: the loopback of the host is out of reach by ${program}`, async (t) => {
    const cli = await openCliWithBusybox(t);
    const { port, count } = await listen(t, '127.0.0.1');
    const places = [
      '127.0.0.1',
      '10.0.2.2',
      '10.0.2.3',
      '10.0.2.100',
      'localhost',
      '0.0.0.0',
      '127.0.0.53',
      'host-gw',
    ];
    const ask = `for place in ${places.join(' ')}; do
  timeout 3 wget -q -O - http://$place:${port}/ 2>/dev/null & done; wait; echo asked`;
    const words = ['--rm', '--network', program, '--add-host', 'host-gw:host-gateway'];
    t.is(await cli.ok(['run', ...words, 'busybox', 'sh', '-c', ask]), 'asked\n');
    t.is(count(), 0);
    const control = ['run', '--rm', '--network', 'host', 'busybox', 'wget', '-q', '-O', '-'];
    t.is(await cli.ok([...control, `http://127.0.0.1:${port}/`]), 'reached');
  });

  testWith(
    [...needs, missingCompiler()],
    `S37: published connections do not come from inside by ${program}`,
    async (t) => {
      const cli = openCli(t);
      await loadImage(cli, 'peers', [probeFile(cli), { name: 'index.html', content: 'inner' }]);
      const serve = 'httpd -p 127.0.0.1:81 -h /; exec probe peers 80';
      const ports = ['-p', '127.0.0.1::80', '-p', '127.0.0.1::80/udp', '-p', '127.0.0.1::81'];
      await cli.ok([
        'run',
        '-d',
        '--name',
        'box',
        '--network',
        program,
        ...ports,
        'peers',
        'sh',
        '-c',
        serve,
      ]);
      const shown = await cli.ok(['ps', '--format', '{{.Ports}}']);
      const portOf = (inner: string): number => Number(new RegExp(`:(\\d+)->${inner}`).exec(shown)?.[1]);
      for (const [how, ask] of Object.entries({ tcp: askStream, udp: askDatagram })) {
        const peer = await eventually(() => ask(portOf(`80/${how}`)));
        t.regex(peer, /^\d+\.\d+\.\d+\.\d+$/);
        t.notRegex(peer, /^127\.|^0\./, how);
      }
      t.is(await cli.ok(['exec', 'box', 'wget', '-q', '-O', '-', 'http://127.0.0.1:81/']), 'inner');
      t.is(
        await askStream(portOf('81/tcp')),
        undefined,
        'what listens on the loopback inside is not published',
      );
      await cli.ok(['rm', '-f', '-t', '0', 'box']);
    },
  );
}

/** What a published port answers to a request; undefined when the connection ends without a word. */
function askStream(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => undefined); // 'close' follows
    socket.on('close', () => resolve(text === '' ? undefined : text));
    socket.setTimeout(2000, () => socket.destroy());
  });
}

/** What a published port answers to a datagram; undefined after a second of silence. */
function askDatagram(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const end = (text?: string): void => {
      clearTimeout(timer);
      socket.close();
      resolve(text);
    };
    const timer = setTimeout(() => end(), 1000);
    socket.on('message', (message) => end(message.toString()));
    socket.send('x', port, '127.0.0.1');
  });
}
