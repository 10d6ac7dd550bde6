/** registries.conf as the commands obey it, with real registries on loopback ports. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { type Cli, openCli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';

const needs = [...journeyNeeds, missingRegistry()];

function writeRegistries(cli: Cli, text: string): string {
  const directory = join(cli.directory, 'home', '.config', 'containers');
  mkdirSync(directory, { recursive: true });
  const file = join(directory, 'registries.conf');
  writeFileSync(file, text);
  return file;
}

testWith(
  needs,
  'mirrors are asked first, a blocked registry never, and locations are rewritten',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const [real, mirror] = [await startRegistry(t), await startRegistry(t)];
    for (const name of [`${real.host}/team/app:1`, `${mirror.host}/cache/app:1`])
      await cli.ok(['push', '-q', 'busybox', name]);
    await cli.ok(['push', '-q', 'busybox', `${real.host}/team/only:1`]);
    const file = writeRegistries(
      cli,
      `[[registry]]
prefix = "app.example"
location = "${real.host}/team"
[[registry.mirror]]
location = "${mirror.host}/cache"
[[registry]]
location = "blocked.example"
blocked = true
`,
    );
    await cli.ok(['pull', '-q', 'app.example/app:1']);
    t.is(await cli.ok(['run', '--rm', '--network', 'none', 'app.example/app:1', 'echo', 'here']), 'here\n');
    const fallen = await cli.run(['pull', 'app.example/only:1']);
    t.is(fallen.code, 0);
    t.regex(fallen.stderr, /cache\/only:1.*trying the next place/);
    await cli.ok(['copy', 'docker://app.example/app:1', `dir:${join(cli.directory, 'copied')}`]);
    await cli.ok(['artifact', 'add', `${mirror.host}/cache/data:1`, file]);
    await cli.ok(['artifact', 'push', '-q', `${mirror.host}/cache/data:1`]);
    await cli.ok(['artifact', 'pull', '-q', 'app.example/data:1']);
    await mirror.stop();
    await cli.ok(['pull', '-q', 'app.example/app:1']);
    const none = await cli.run(['pull', '-q', 'app.example/none:1']);
    t.is(none.code, 125);
    t.regex(none.stderr, /mirrors failed too/);
    for (const args of [
      ['pull', 'blocked.example/x'],
      ['push', 'busybox', 'blocked.example/x'],
      ['run', '--rm', 'blocked.example/x'],
      ['copy', 'docker://blocked.example/x', 'dir:there'],
      ['search', '--list-tags', 'blocked.example/x'],
      ['login', '-u', 'a', '-p', 'b', 'blocked.example'],
      ['manifest', 'inspect', 'blocked.example/x'],
    ]) {
      const refused = await cli.run(args);
      t.is(refused.code, 125, args.join(' '));
      t.true(refused.stderr.includes(`blocked in ${file}`), refused.stderr);
    }
    const information = JSON.parse(await cli.ok(['info', '--format', 'json']));
    t.deepEqual(information.registries.search, ['docker.io']);
    t.is(information.registries.tables.length, 2);
    t.regex(await cli.ok(['info']), /blocked\.example, blocked/);
  },
);

testWith(needs, 'what a mirror has only in part, or damaged, comes from the next place', async (t) => {
  const cli = await openCliWithBusybox(t);
  const [real, mirror] = [await startRegistry(t), await startRegistry(t)];
  await cli.ok(['push', '-q', 'busybox', `${real.host}/app:1`]);
  await cli.ok(['push', '-q', 'busybox', `${mirror.host}/app:1`]);
  const table = `[[registry]]\nlocation = "${real.host}"\n[[registry.mirror]]\nlocation = "${mirror.host}"\n`;
  const { layers } = JSON.parse(await cli.ok(['manifest', 'inspect', `docker://${mirror.host}/app:1`]));
  const hex: string = layers[0].digest.replace('sha256:', '');
  const data = join(mirror.storage, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
  const bytes = readFileSync(data);
  const pulled = async (says: RegExp): Promise<void> => {
    const other = openCli(t);
    writeRegistries(other, table);
    const { code, stderr } = await other.run(['pull', '--retry', '0', `${real.host}/app:1`]);
    t.is(code, 0, stderr);
    t.regex(stderr, says);
    t.is(
      await other.ok(['run', '--rm', '--network', 'none', `${real.host}/app:1`, 'echo', 'whole']),
      'whole\n',
    );
    t.regex(await other.ok(['system', 'check', '--deep']), /: 0 errors, 0 notices\n$/);
  };
  bytes.fill(0, bytes.length >> 1, (bytes.length >> 1) + 8);
  writeFileSync(data, bytes);
  await pulled(/blob .*; trying the next place/);
  rmSync(data);
  await pulled(/blob .*; trying the next place/);
  await real.stop();
  const last = openCli(t);
  writeRegistries(last, table);
  const none = await last.run(['pull', '--retry', '0', `${real.host}/app:1`]);
  t.is(none.code, 125);
  t.regex(none.stderr, /mirrors failed too: .*blob/);
});

testWith(
  needs,
  'names without a registry are found by search list, alias and prompt; FROM as well',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const [one, two] = [await startRegistry(t), await startRegistry(t)];
    await cli.ok(['push', '-q', 'busybox', `${two.host}/team/tool:1`]);
    await cli.ok(['push', '-q', 'busybox', `${one.host}/both:1`]);
    await cli.ok(['push', '-q', 'busybox', `${two.host}/both:1`]);
    writeRegistries(
      cli,
      `unqualified-search-registries = ["${one.host}", "${two.host}"]
[aliases]
tool = "${two.host}/team/tool"
`,
    );
    const context = join(cli.directory, 'context');
    mkdirSync(context);
    writeFileSync(join(context, 'Dockerfile'), 'FROM tool:1\nLABEL a=b\n');
    await cli.ok(['build', '-q', '--network', 'none', '-t', 'derived', context]);
    t.true((await cli.ok(['images', '--format', '{{.Repository}}'])).includes(`${two.host}/team/tool`));
    t.is(await cli.ok(['run', '--rm', '--network', 'none', 'tool:1', 'echo', 'again']), 'again\n');
    // permissive and nobody to ask: the first that has it
    await cli.ok(['pull', '-q', 'team/tool:1']);
    await cli.ok(['pull', '-q', 'both:1']);
    t.true((await cli.ok(['images', '--format', '{{.Repository}}'])).includes(`${one.host}/both`));
    const missing = await cli.run(['pull', '-q', 'nowhere:1']);
    t.is(missing.code, 125);
    t.true(missing.stderr.includes(`none of ${one.host}/nowhere:1, ${two.host}/nowhere:1`), missing.stderr);
    t.is((await cli.ok(['search', '--format', '{{.Name}}', 'both'])).split('\n').length, 3);
    const asked = cli.terminal(['pull', '-q', 'both:1']);
    await asked.waitFor(/1 to 2/);
    asked.write('2\r');
    t.is((await asked.exit).code, 0);
    const aliases = join(cli.directory, 'home', '.cache', 'containers', 'short-name-aliases.conf');
    t.true(readFileSync(aliases, 'utf8').includes(`both = "${two.host}/both"`));
    const file = writeRegistries(
      cli,
      `short-name-mode = "enforcing"\nunqualified-search-registries = ["${one.host}", "${two.host}"]`,
    );
    const enforced = await cli.run(['pull', '-q', 'team/tool:1']);
    t.regex(enforced.stderr, /enforcing, and there is no terminal/);
    writeFileSync(file, 'short-name-mode = 1');
    const broken = await cli.run(['pull', '-q', 'team/tool:1']);
    t.true(broken.stderr.includes(file), broken.stderr);
  },
);

testWith(
  [...needs, missingRegistry({ tls: true })],
  'an insecure registry may have any certificate, and --tls-verify wins',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const { host } = await startRegistry(t, { tls: true });
    t.regex((await cli.run(['push', '-q', 'busybox', `${host}/app:1`])).stderr, /not trusted/);
    writeRegistries(cli, `[[registry]]\nlocation = "${host}"\ninsecure = true\n`);
    await cli.ok(['push', '-q', 'busybox', `${host}/app:1`]);
    await cli.ok(['pull', '-q', `${host}/app:1`]);
    await cli.ok(['manifest', 'inspect', `${host}/app:1`]);
    t.regex((await cli.run(['pull', '-q', '--tls-verify', `${host}/app:1`])).stderr, /not trusted/);
  },
);
