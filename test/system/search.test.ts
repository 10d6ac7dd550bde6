/** `search` against a real registry, and one that speaks the first API. */
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { openCli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingCli } from '../helpers/host.js';
import { missingRegistry, registryUser, startRegistry } from '../helpers/registry.js';
import { serve } from '../helpers/web.js';

testWith(
  [...journeyNeeds, missingRegistry()],
  'repositories and tags of a registry with a password are listed',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const { host } = await startRegistry(t, { password: true });
    const { username, password } = registryUser;
    await cli.ok(['login', '-u', username, '--password-stdin', host], { input: password });
    for (const name of ['team/app:1', 'team/app:2', 'team/web:1', 'other:1']) {
      await cli.ok(['push', '-q', 'busybox', `${host}/${name}`]);
    }
    t.is(
      await cli.ok(['search', '--format', '{{.Index}} {{.Name}}', `${host}/team`]),
      `${host} ${host}/team/app\n${host} ${host}/team/web\n`,
    );
    t.is((await cli.ok(['search', `${host}/`])).split('\n').length, 5);
    t.is((await cli.ok(['search', '--limit', '1', `${host}/`])).split('\n').length, 3);
    const tags = (await cli.ok(['search', '--list-tags', `${host}/team/app`])).trimEnd().split('\n');
    t.is(tags.shift(), `NAME${' '.repeat(`${host}/team/app`.length - 4)}   TAG`);
    t.deepEqual(tags.sort(), [`${host}/team/app   1`, `${host}/team/app   2`]);
    const [json] = JSON.parse(
      await cli.ok(['search', '--list-tags', '--format', 'json', `${host}/team/app`]),
    );
    t.deepEqual([json.Name, json.Tags.sort()], [`${host}/team/app`, ['1', '2']]);
    const one = ['search', '--list-tags', '--limit', '1', '--format', '{{.Tag}}', `${host}/team/app`];
    t.regex(await cli.ok(one), /^[12]\n$/);
    t.is((await cli.run(['search', '--list-tags', `${host}/none`])).code, 125);
    const wrong = await cli.run(['search', '--creds', 'captain:wrong', `${host}/`]);
    t.is(wrong.code, 125);
    t.regex(wrong.stderr, /wrong user name or password/);
  },
);

testWith(
  [missingCli()],
  'what a search says is filtered, shortened, and cannot drive the terminal',
  async (t) => {
    const cli = openCli(t);
    const results = [
      {
        name: 'team/app',
        description: `one\n\u001b[31m${'long '.repeat(20)}`,
        star_count: 7,
        is_official: true,
      },
      { name: 'team/other', description: 'two', star_count: 3, is_automated: true },
    ];
    const server = await serve(t, (request, response) => {
      if (request.url?.startsWith('/v1/search') === true) response.end(JSON.stringify({ results }));
      else response.writeHead(404).end();
    });
    const term = `${new URL(server.url).host}/team`;
    const lines = (await cli.ok(['search', '--compatible', term])).split('\n');
    t.regex(lines[0] ?? '', /^NAME +DESCRIPTION +STARS +OFFICIAL +AUTOMATED$/);
    t.regex(lines[1] ?? '', /team\/app +one \\x1b\[31mlong .*\.\.\. +7 +\[OK\]$/);
    t.regex(lines[2] ?? '', /team\/other +two +3 +\[OK\]$/);
    const format = ['search', '--format', '{{.Name}}'];
    t.regex(await cli.ok([...format, '-f', 'stars=5', term]), /^[^\n]*team\/app\n$/);
    t.regex(await cli.ok([...format, '-f', 'is-automated=true', term]), /^[^\n]*team\/other\n$/);
    t.regex(await cli.ok([...format, '-f', 'is-official=false', term]), /^[^\n]*team\/other\n$/);
    t.regex(await cli.ok(['search', '--no-trunc', term]), /(long ){19}long/);
    for (const args of [
      ['-f', 'stars=many'],
      ['-f', 'is-official=x'],
      ['--limit', '0'],
      ['-f', 'a=b'],
    ]) {
      t.is((await cli.run(['search', ...args, term])).code, 125, args.join(' '));
    }
    t.is((await cli.run(['search', '--tls-verify', term])).code, 125, 'plain HTTP is not what was asked for');
  },
);
