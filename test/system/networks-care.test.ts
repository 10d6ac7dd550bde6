/** Networks as things of the store, and what is left when processes are killed. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingDevice, missingProgram } from '../helpers/host.js';

const needs = [...journeyNeeds, missingProgram('pasta'), missingDevice('/dev/net/tun')];

/** Processes of the holder of this tool's networks: itself, and pasta. */
function holders(cli: Cli): readonly { readonly pid: number; readonly words: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => ({ pid: Number(pid), words: commandLine(pid) }))
    .filter(({ words }) => words.includes(`${cli.runtime}/coracle/n/`));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return ''; // it has ended meanwhile
  }
}

async function reaches(t: ExecutionContext<unknown>, cli: Cli, from: string, name: string): Promise<void> {
  const script = `a=$(nslookup ${name} | sed -n 's/^Address: //p' | head -n 1); timeout 2 wget -q -O - http://$a/`;
  const found = await eventually(async () => {
    const { stdout } = await cli.run(['exec', from, 'sh', '-c', script]);
    return stdout.trim() === name ? stdout.trim() : undefined;
  });
  t.is(found, name);
}

async function serve(cli: Cli, name: string, network: string): Promise<void> {
  const script = `mkdir /www; echo ${name} >/www/index.html; httpd -p 80 -h /www; sleep 1000`;
  await cli.ok(['run', '-d', '--name', name, '--network', network, 'busybox', 'sh', '-c', script]);
}

testWith(needs, 'the holder of networks ends after its last container', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['network', 'create', 'shop']);
  await serve(cli, 'web', 'shop');
  t.true(holders(cli).some(({ words }) => words.includes('pasta')));
  await cli.ok(['rm', '-f', 'web']);
  await eventually(async () => (holders(cli).length === 0 ? true : undefined));
  t.pass();
});

for (const mode of ['pasta', 'slirp4netns'] as const) {
  testWith(
    [...needs, missingProgram(mode)],
    `a container with a network of its own is put on others and taken off while it runs: ${mode}`,
    async (t) => {
      const cli = await openCliWithBusybox(t);
      await cli.ok(['network', 'create', 'shop']);
      await cli.ok(['network', 'create', '--internal', '--subnet', '10.76.1.0/24', 'back']);
      await serve(cli, 'web', 'shop');
      await serve(cli, 'store', 'back');
      const page = 'mkdir /www; echo tool >/www/index.html; httpd -p 80 -h /www; sleep 1000';
      const run = ['run', '-d', '--name', 'tool', '--network', mode, '-p', '127.0.0.1::80', 'busybox'];
      await cli.ok([...run, 'sh', '-c', page]);
      const port = (await cli.ok(['port', 'tool', '80'])).trim();
      const inside = (...words: readonly string[]): Promise<string> => cli.ok(['exec', 'tool', ...words]);
      await cli.ok(['network', 'connect', '--alias', 'hammer', 'shop', 'tool']);
      await cli.ok(['network', 'connect', '--ip', '10.76.1.44', 'back', 'tool']);
      await reaches(t, cli, 'tool', 'web');
      await reaches(t, cli, 'tool', 'store');
      await reaches(t, cli, 'web', 'tool');
      t.regex((await cli.run(['exec', 'web', 'nslookup', 'hammer'])).stdout, /Address: 10\.89\./);
      t.regex(await inside('ip', 'route'), /^default via 10\.0\.2\.2 /m);
      t.regex(await inside('cat', '/etc/hosts'), /^10\.76\.1\.44\t/m);
      t.is((await (await fetch(`http://${port}/`)).text()).trim(), 'tool');
      t.regex(
        await cli.ok(['ps', '--format', '{{.Names}} {{.Networks}}']),
        new RegExp(`^tool ${mode},shop,back$`, 'm'),
      );
      t.regex(
        (await cli.run(['network', 'rm', 'back'])).stderr,
        /it is used by store, tool|it is used by tool, store/,
      );
      for (const { pid } of holders(cli).filter(({ words }) => words.startsWith('coracle-sv netd')))
        killIfThere(pid);
      await reaches(t, cli, 'tool', 'web');
      await cli.ok(['restart', '-t', '0', 'tool']);
      await reaches(t, cli, 'tool', 'store');
      await reaches(t, cli, 'web', 'tool');
      for (const name of ['shop', 'back']) await cli.ok(['network', 'disconnect', name, 'tool']);
      t.notRegex(await inside('ip', 'addr'), /10\.89\.|10\.76\./);
      t.notRegex(await inside('cat', '/etc/resolv.conf', '/etc/hosts'), /10\.89\.|10\.76\.|coracle/);
      await cli.ok(['restart', '-t', '0', 'tool']);
      t.notRegex(await inside('ip', 'addr'), /10\.89\.|10\.76\./);
      await cli.ok(['create', '--name', 'alone', '--network', 'none', 'busybox']);
      t.regex(
        (await cli.run(['network', 'connect', 'shop', 'alone'])).stderr,
        /connect alone: its network is none/,
      );
    },
  );
}

for (const [what, pick] of [
  ['the process that configures networks', (words: string) => words.startsWith('coracle-sv netd')],
  ['pasta', (words: string) => words.includes('pasta')],
] as const) {
  testWith(needs, `when ${what} is killed, networks come back under running containers`, async (t) => {
    const cli = await openCliWithBusybox(t);
    await cli.ok(['network', 'create', 'shop']);
    await serve(cli, 'web', 'shop');
    await serve(cli, 'client', 'shop');
    await reaches(t, cli, 'client', 'web');
    const before = holders(cli).filter(({ words }) => pick(words));
    t.true(before.length > 0);
    for (const { pid } of before) killIfThere(pid);
    await reaches(t, cli, 'client', 'web');
    await eventually(async () =>
      holders(cli).some(({ words }) => words.includes('pasta')) ? true : undefined,
    );
    await serve(cli, 'third', 'shop');
    await reaches(t, cli, 'third', 'client');
  });
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it ended with another one
  }
}

testWith(needs, 'addresses of containers that were killed are free again', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['network', 'create', '--subnet', '10.78.0.0/29', 'tiny']);
  const network = ['--network', 'tiny'];
  for (const name of ['a', 'b', 'c', 'd', 'e']) await serve(cli, name, 'tiny');
  const full = await cli.run(['run', '--rm', ...network, 'busybox', 'true']);
  t.regex(full.stderr, /allot address on network tiny: none of 10\.78\.0\.0\/29 is left/);
  await cli.ok(['rm', '-f', 'c']);
  for (let again = 0; again < 2; again++) {
    const script = 'ip -4 addr show eth0 | grep -c 10.78.0.4';
    t.is(await cli.ok(['run', '--rm', ...network, 'busybox', 'sh', '-c', script]), '1\n');
  }
});

testWith(journeyNeeds, 'networks are made, listed, shown and removed', async (t) => {
  const cli = await openCliWithBusybox(t);
  t.is(await cli.ok(['network', 'create', '--label', 'app=shop', 'front']), 'front\n');
  await cli.ok(['network', 'create', '--ipv6', '--internal', '--disable-dns', 'back']);
  t.is(await cli.ok(['network', 'ls', '-q']), 'back\nfront\n');
  t.is(await cli.ok(['network', 'ls', '-q', '--filter', 'label=app=shop']), 'front\n');
  const [shown] = JSON.parse(await cli.ok(['network', 'inspect', 'back']));
  t.true(shown.internal && shown.ipv6_enabled && !shown.dns_enabled);
  t.is(shown.subnets.length, 2);
  t.is(
    (await cli.run(['network', 'create', 'front'])).stderr.split('\n')[0],
    'coracle: create network front: there is one of this name',
  );
  t.is(await cli.ok(['network', 'create', '--ignore', 'front']), 'front\n');
  t.is(await cli.ok(['__complete', 'network', 'rm', '']), 'back\nfront\n');
  t.is(await cli.ok(['__complete', 'run', '--network', 'f']), 'front\n');
  t.is((await cli.run(['network', 'exists', 'front'])).code, 0);
  t.is((await cli.run(['network', 'exists', 'nothing'])).code, 1);
  t.regex(
    (await cli.run(['network', 'create', '--subnet', '10.89.0.0/16', 'wide'])).stderr,
    /overlaps with 10\.89\.\d+\.0\/24 of network/,
  );
  t.regex(
    (await cli.run(['network', 'create', '--opt', 'colour=red', 'x'])).stderr,
    /option "colour" is not supported/,
  );
  await cli.ok(['create', '--name', 'box', '--network', 'front', 'busybox']);
  t.is(await cli.ok(['ps', '-a', '--format', '{{.Networks}}']), 'front\n');
  t.regex((await cli.run(['network', 'rm', 'front'])).stderr, /remove network front: it is used by box/);
  t.is(await cli.ok(['network', 'prune', '-f']), 'back\n');
  t.is(await cli.ok(['network', 'rm', '-f', 'front']), 'front\n');
  t.is(await cli.ok(['ps', '-aq']), '');
  await cli.ok(['network', 'create', 'late']);
  t.regex(await cli.ok(['system', 'prune', '-f']), /^Deleted Networks\nlate$/m);
  t.is(await cli.ok(['network', 'ls', '-q']), '');
});

testWith(needs, 'many containers that start at once are on their networks, and leave nothing', async (t) => {
  const cli = await openCliWithBusybox(t);
  const networks = ['x', 'y', 'z'];
  for (const name of networks) await cli.ok(['network', 'create', name]);
  const names = networks.flatMap((network) =>
    ['1', '2', '3', '4'].map((digit) => ({ network, name: `${network}${digit}` })),
  );
  await Promise.all(names.map(({ name, network }) => serve(cli, name, network)));
  const [shown] = JSON.parse(await cli.ok(['network', 'inspect', 'y']));
  t.is(Object.keys(shown.containers).length, 4);
  const addresses = (
    await cli.ok(['inspect', '-f', '{{.NetworkSettings.IPAddress}}', ...names.map(({ name }) => name)])
  ).trim();
  t.is(new Set(addresses.split('\n')).size, 12);
  for (const network of networks) await reaches(t, cli, `${network}1`, `${network}4`);
  t.is(holders(cli).filter(({ words }) => words.includes('pasta')).length, 1);
  await cli.ok(['rm', '-f', ...names.map(({ name }) => name)]);
  await eventually(async () => (holders(cli).length === 0 ? true : undefined));
  t.is(await cli.ok(['network', 'prune', '-f']), 'x\ny\nz\n');
  t.deepEqual(readdirSync(`${cli.root}/networks`), []);
});

testWith(
  needs,
  "a container on another one's network is on its networks, and a killed supervisor takes its place with it",
  async (t) => {
    const cli = await openCliWithBusybox(t);
    await cli.ok(['network', 'create', 'shop']);
    await serve(cli, 'web', 'shop');
    await serve(cli, 'client', 'shop');
    const ask = [
      'run',
      '--rm',
      '--network',
      'container:client',
      'busybox',
      'nslookup',
      'web.coracle.internal',
    ];
    t.regex(await cli.ok(ask), /Address: 10\./);
    const id = (await cli.ok(['inspect', '-f', '{{.Id}}', 'web'])).trim();
    const live = JSON.parse(readFileSync(`${cli.root}/containers/${id}/live`, 'utf8'));
    process.kill(live.sv, 'SIGKILL');
    await eventually(async () => {
      const { stdout } = await cli.run(['exec', 'client', 'nslookup', 'web.coracle.internal']);
      return stdout.includes('NXDOMAIN') ? true : undefined;
    });
    await cli.ok(['start', 'web']);
    await reaches(t, cli, 'client', 'web');
  },
);

testWith(needs, 'a holder whose runtime directory was removed ends, too', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['network', 'create', 'shop']);
  await serve(cli, 'web', 'shop');
  await cli.ok(['rm', '-f', 'web']);
  rmSync(cli.runtime, { recursive: true });
  await eventually(async () => (holders(cli).length === 0 ? true : undefined));
  t.pass();
});

testWith(needs, 'without a way out containers reach each other, and that is said', async (t) => {
  const cli = await openCliWithBusybox(t);
  const programs = join(cli.directory, 'programs');
  mkdirSync(programs);
  writeFileSync(join(programs, 'pasta'), '#!/bin/sh\necho it is broken >&2\nexit 1\n', { mode: 0o755 });
  const env = { PATH: `${programs}:${cli.env.PATH}` };
  await cli.ok(['network', 'create', 'shop']);
  const run = ['run', '-d', '--name', 'box', '--network', 'shop', 'busybox', 'sleep', '1000'];
  const { code, stderr } = await cli.run(run, { env });
  t.is(code, 0);
  t.regex(
    stderr,
    /uplink: containers reach each other, but not the world: pasta ended with status 1: it is broken/,
  );
  await serve(cli, 'web', 'shop');
  await reaches(t, cli, 'box', 'web');
});
