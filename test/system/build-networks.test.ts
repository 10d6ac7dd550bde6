/** Steps of builds and commands in working containers on user-defined networks. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';

function writeContext(cli: Cli, lines: readonly string[]): string {
  const directory = join(cli.directory, 'context');
  mkdirSync(directory);
  writeFileSync(join(directory, 'Dockerfile'), `FROM busybox\n${lines.join('\n')}\n`);
  return directory;
}

async function openWithWeb(t: Parameters<typeof openCliWithBusybox>[0]): Promise<Cli> {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['network', 'create', '--internal', 'back']);
  const serve = 'mkdir /www; echo served >/www/index.html; httpd -f -p 80 -h /www';
  await cli.ok(['run', '-d', '--name', 'web', '--network', 'back', 'busybox', 'sh', '-c', serve]);
  return cli;
}

testWith(journeyNeeds, 'RUN steps of build --network NAME find its containers, and leave it', async (t) => {
  const cli = await openWithWeb(t);
  const context = writeContext(cli, [
    'RUN wget -q -O /page http://web/',
    'RUN --network=none ! wget -q -O /none http://web/',
  ]);
  await cli.ok(['build', '-t', 'with-page', '--network', 'back', context]);
  t.is(await cli.ok(['run', '--rm', '--network', 'none', 'with-page', 'cat', '/page']), 'served\n');
  const [shown] = JSON.parse(await cli.ok(['network', 'inspect', 'back']));
  t.is(Object.keys(shown.containers).length, 1);
  t.is(readdirSync(join(cli.root, 'networks', 'back', 'leases')).length, 1);
  const missing = await cli.run(['build', '--network', 'nowhere', context]);
  t.regex(missing.stderr, /use network nowhere: no such network/);
  const shared = await cli.run(['build', '--network', 'container:web', context]);
  t.regex(shared.stderr, /use network "container:web": steps of builds have a network of their own/);
});

testWith(journeyNeeds, 'commands in a working container are on the network asked for', async (t) => {
  const cli = await openWithWeb(t);
  const work = (await cli.ok(['working', 'from', 'busybox'])).trim();
  const get = ['--', 'wget', '-q', '-O', '-', 'http://web/'];
  t.is(await cli.ok(['working', 'run', '--network', 'back', work, ...get]), 'served\n');
  t.not((await cli.run(['working', 'run', '--network', 'none', work, ...get])).code, 0);
  const kept = (await cli.ok(['working', 'from', '--network', 'back', 'busybox'])).trim();
  t.is(await cli.ok(['working', 'run', kept, ...get]), 'served\n');
  const address = ['sh', '-c', "ip -4 addr show eth0 | sed -n 's/.*inet \\(.*\\)\\/.*/\\1/p'"];
  const asked = '10.89.0.77';
  const at = ['working', 'run', '--network', `back:ip=${asked}`, work, '--', ...address];
  t.is(await cli.ok(at), `${asked}\n`);
});
