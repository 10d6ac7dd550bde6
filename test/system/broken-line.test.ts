/** Transfers over a line that breaks again and again, with a real registry at its other end. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { type Cli, openCli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';

/** After how many bytes, both ways together, connections break, in turn. */
const lengths = [300, 40_000, 700_000, 3_000_000, Number.POSITIVE_INFINITY];

type Line = { readonly host: string; readonly breaks: () => number };

/** A line to a server of loopback. Every other break is a reset, the others are an end amid the bytes. */
async function openLine(t: ExecutionContext<unknown>, server: string): Promise<Line> {
  let [count, breaks] = [0, 0];
  const open = new Set<Socket>();
  const listener = createServer((near) => {
    const far = connect(Number(server.split(':')[1]), '127.0.0.1');
    let left = lengths[count++ % lengths.length] ?? 0;
    const end = (): void => {
      if (breaks++ % 2 === 0) near.resetAndDestroy();
      else near.end();
      far.destroy();
    };
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from);
      from.on('close', () => open.delete(from));
      from.on('error', () => to.destroy());
      from.on('end', () => to.end());
      from.on('drain', () => to.resume());
      from.on('data', (bytes) => {
        if (left <= 0) return;
        if (!to.write(bytes.subarray(0, left))) from.pause();
        left -= bytes.length;
        if (left <= 0) setImmediate(end);
      });
    }
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    listener.close();
  });
  return { host: `127.0.0.1:${(listener.address() as AddressInfo).port}`, breaks: () => breaks };
}

const patient = ['-q', '--retry', '20', '--retry-delay', '10ms'];

async function build(cli: Cli): Promise<void> {
  const directory = join(cli.directory, 'context');
  mkdirSync(directory);
  for (const name of ['one', 'two', 'three']) writeFileSync(join(directory, name), randomBytes(4_000_000));
  writeFileSync(
    join(directory, 'Dockerfile'),
    'FROM busybox\nCOPY one /\nCOPY two three /\nRUN rm /one && head -c 9000000 /dev/zero > /zeros\n',
  );
  await cli.ok(['build', '-q', '--network', 'none', '-t', 'made', directory]);
}

for (const format of ['gzip', 'zstd', 'zstd:chunked']) {
  testWith(
    [...journeyNeeds, missingRegistry()],
    `push, copy and pull of ${format} come through a line that breaks again and again`,
    async (t) => {
      const cli = await openCliWithBusybox(t);
      const line = await openLine(t, (await startRegistry(t)).host);
      await build(cli);
      const [name, copied] = [`${line.host}/team/app:1`, `${line.host}/other/app:1`];
      const digest = await cli.ok(['push', ...patient, '--compression-format', format, 'made', name]);
      const layout = join(cli.directory, 'layout');
      t.is(await cli.ok(['copy', ...patient, `docker://${name}`, `oci:${layout}:app`]), digest);
      t.is(await cli.ok(['copy', ...patient, `oci:${layout}:app`, `docker://${copied}`]), digest);
      const other = openCli(t);
      for (const place of [name, copied]) await other.ok(['pull', ...patient, place]);
      const sums = ['run', '--rm', '--network', 'none'];
      const script = ['sh', '-c', 'ls /; md5sum /two /three /zeros /bin/busybox'];
      t.is(await other.ok([...sums, copied, ...script]), await cli.ok([...sums, 'made', ...script]));
      for (const one of [cli, other]) {
        t.regex(await one.ok(['system', 'check', '--deep']), /: 0 errors, 0 notices\n$/);
      }
      t.true(line.breaks() > 10, `${line.breaks()} breaks`);
      const refused = await cli.run(['copy', '--retry-delay', 'soon', `docker://${name}`, 'dir:there']);
      t.regex(refused.stderr, /invalid argument "soon" for --retry-delay/);
    },
  );
}
