/** Networks under load and with broken surroundings: many containers, name servers that lie or sleep, ports that are stolen. */
import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingDevice, missingProgram } from '../helpers/host.js';
import { fetchText } from '../helpers/web.js';

const needs = [...journeyNeeds, missingProgram('pasta'), missingDevice('/dev/net/tun')];

/** Command lines of processes that name a path of this tool. */
function processesOf(cli: Cli): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return ''; // it has ended meanwhile
      }
    })
    .filter((words) => words.includes(cli.directory));
}

/** Runs the action for each item, some at a time. */
async function forAll<T>(items: readonly T[], action: (item: T) => Promise<unknown>): Promise<void> {
  const left = [...items];
  const work = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await action(item);
  };
  await Promise.all(Array.from({ length: 4 }, work));
}

testWith(needs, 'two hundred containers on ten networks find each other, and leave nothing', async (t) => {
  t.timeout(300_000);
  const cli = await openCliWithBusybox(t);
  const digits = [...Array(10).keys()];
  const before = Object.keys(networkInterfaces()).sort();
  for (const digit of digits) await cli.ok(['network', 'create', `n${digit}`]);
  const names = digits.flatMap((digit) => [...Array(20).keys()].map((i) => `c${digit}x${i}`));
  const began = Date.now();
  await forAll(names, (name) =>
    cli.ok([
      'run',
      '-d',
      '--name',
      name,
      '--network',
      `n${name[1]}`,
      '--cap-add',
      'NET_RAW',
      'busybox',
      'sleep',
      '10000',
    ]),
  );
  t.log(`started in ${Date.now() - began} ms`);
  t.is((await cli.ok(['ps', '-q'])).trim().split('\n').length, 200);
  const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
  const addresses = (await cli.ok(['inspect', '-f', format, ...names])).trim().split('\n');
  t.is(new Set(addresses).size, 200);
  for (const digit of digits) {
    const from = ['exec', `c${digit}x0`];
    const there = addresses[names.indexOf(`c${digit}x19`)] ?? '';
    const found = await cli.ok([...from, 'nslookup', `c${digit}x19.coracle.internal`]);
    t.true(found.includes(`Address: ${there}\n`), found);
    t.is((await cli.run([...from, 'ping', '-c', '1', '-W', '2', there])).code, 0);
    const stranger = addresses[names.indexOf(`c${(digit + 1) % 10}x19`)] ?? '';
    t.not((await cli.run([...from, 'ping', '-c', '1', '-W', '1', stranger])).code, 0);
  }
  const removing = Date.now();
  await cli.ok(['rm', '-f', '-t', '0', ...names]);
  t.log(`removed in ${Date.now() - removing} ms`);
  t.is((await cli.ok(['network', 'prune', '-f'])).trim().split('\n').length, 10);
  t.deepEqual(await eventually(async () => (processesOf(cli).length === 0 ? [] : undefined)), []);
  t.deepEqual(readdirSync(join(cli.root, 'networks')), []);
  const left = readdirSync(join(cli.root, 'containers'));
  t.deepEqual(
    left.filter((name) => !name.startsWith('.')),
    [],
  );
  t.deepEqual(readdirSync(join(cli.root, 'containers', '.names')), []);
  t.deepEqual(readdirSync(join(cli.runtime, 'coracle', 'c')), []);
  t.false(readFileSync('/proc/self/mountinfo', 'utf8').includes(cli.directory));
  t.deepEqual(Object.keys(networkInterfaces()).sort(), before);
});

type Answer = (query: Buffer, from: RemoteInfo) => readonly (readonly [delay: number, bytes: Buffer])[];

/** A good answer: 192.0.2.99 for every name. */
function good(query: Buffer): Buffer {
  const end = query.indexOf(0, 12) + 5;
  const isFour = query.readUInt16BE(end - 4) === 1;
  const header = Buffer.from([0, 0, 0x81, 0x80, 0, 1, 0, isFour ? 1 : 0, 0, 0, 0, 0]);
  query.copy(header, 0, 0, 2);
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 99]);
  return Buffer.concat([header, query.subarray(12, end), ...(isFour ? [record] : [])]);
}

function changed(bytes: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes);
  change(copy);
  return copy;
}

const answers: Readonly<Record<string, Answer>> = {
  silent: () => [],
  slow: (query) => [[900, good(query)]],
  garbage: (query) => [
    [0, Buffer.alloc(0)],
    [0, Buffer.from('this is no answer to anything')],
    [0, Buffer.alloc(1400, 0xff)],
    [0, query],
    [0, changed(good(query), (copy) => copy.writeUInt16BE(copy.readUInt16BE(0) ^ 1, 0))],
    [0, changed(good(query), (copy) => copy.write('x', 13))],
    [0, good(query).subarray(0, 9)],
  ],
};

async function server(
  t: ExecutionContext<unknown>,
  answer: Answer,
): Promise<{ readonly place: string; count(): number }> {
  let count = 0;
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    count++;
    for (const [delay, bytes] of answer(query, from)) {
      setTimeout(() => {
        try {
          socket.send(bytes, from.port, from.address);
        } catch {
          // the test is over
        }
      }, delay);
    }
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return { place: `127.0.0.1#${socket.address().port}`, count: () => count };
}

const look = (cli: Cli, name: string): Promise<string> =>
  cli.run(['exec', 'a', 'nslookup', name]).then(({ stdout }) => stdout);

for (const [name, answer] of Object.entries(answers)) {
  testWith(
    needs,
    `a name server that is ${name} keeps nobody from names, and the next one is asked`,
    async (t) => {
      const cli = await openCliWithBusybox(t);
      const [bad, fine] = [await server(t, answer), await server(t, (query) => [[0, good(query)]])];
      await cli.ok(['network', 'create', '--dns', bad.place, '--dns', fine.place, 'some']);
      await cli.ok(['run', '-d', '--name', 'a', '--network', 'some', 'busybox', 'sleep', '1000']);
      const asked = look(cli, 'example.com');
      // Meanwhile those of containers are told at once.
      const began = Date.now();
      t.regex(await look(cli, 'a.coracle.internal'), /Address: 10\./);
      t.true(Date.now() - began < 1500);
      t.regex(await asked, /Address: 192\.0\.2\.99$/m);
      t.true(bad.count() > 0);
      t.is(name === 'slow', fine.count() === 0);
    },
  );
}

testWith(needs, 'when nobody can say, that is said, and a server that recovers is asked again', async (t) => {
  const cli = await openCliWithBusybox(t);
  let works = false;
  const bad = await server(t, (query, from) =>
    works ? [[0, good(query)]] : (answers.garbage?.(query, from) ?? []),
  );
  await cli.ok(['network', 'create', '--dns', bad.place, 'some']);
  await cli.ok(['run', '-d', '--name', 'a', '--network', 'some', 'busybox', 'sleep', '1000']);
  // The resolver of the image gives up after five seconds.
  t.regex(await look(cli, 'example.com'), /SERVFAIL|no servers could be reached/);
  works = true;
  t.regex(await look(cli, 'example.com'), /Address: 192\.0\.2\.99$/m);
});

/** A server of somebody else on a port. */
async function occupy(port: number): Promise<() => Promise<void>> {
  const thief = createServer();
  thief.listen(port, '127.0.0.1');
  await once(thief, 'listening');
  return async () => {
    thief.close();
    await once(thief, 'close');
  };
}

for (const network of ['pasta', 'some']) {
  testWith(
    needs,
    `a port that is stolen before it is bound is named, and can be had later: ${network}`,
    async (t) => {
      const cli = await openCliWithBusybox(t);
      await cli.ok(['network', 'create', 'some']);
      const publish = ['-p', '127.0.0.1::80', '-p', '127.0.0.1::81/udp'];
      const serve = 'echo mine >index.html; httpd -f -p 80';
      await cli.ok([
        'create',
        '--name',
        'box',
        '--network',
        network,
        ...publish,
        'busybox',
        'sh',
        '-c',
        serve,
      ]);
      const [, text = ''] = /^80\/tcp -> 127\.0\.0\.1:(\d+)$/m.exec(await cli.ok(['port', 'box'])) ?? [];
      const release = await occupy(Number(text));
      const refused = await cli.run(['start', 'box']);
      t.is(refused.code, 125);
      t.regex(refused.stderr, new RegExp(`publish 127\\.0\\.0\\.1:${text}/tcp: .*in use`, 'i'));
      t.regex(refused.stderr, /hint: choose another host port, or stop what uses it/);
      const taken = await cli.run([
        'run',
        '--rm',
        '--network',
        network,
        '-p',
        `127.0.0.1:${text}:80`,
        'busybox',
        'touch',
        '/ran',
      ]);
      t.is(taken.code, 125);
      t.is(await cli.ok(['ps', '-q']), '');
      t.is((await cli.ok(['ps', '-aq'])).trim().split('\n').length, 1);
      // Nothing of the start stays but the holder, for a moment.
      await eventually(async () => (processesOf(cli).length === 0 ? true : undefined));
      await release();
      await cli.ok(['start', 'box']);
      t.is(await eventually(() => fetchText(`http://127.0.0.1:${text}/`)), 'mine\n');
      t.true(existsSync(cli.runtime));
    },
  );
}
