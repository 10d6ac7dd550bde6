/** Secrets that open URLs and repositories to a build, and stay out of everything it leaves. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { type Cli, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram } from '../helpers/host.js';
import { gitHandler, type Handler, missingGit, serve, TestRepository } from '../helpers/web.js';

const word = 'a-token-that-nobody-may-find';

/** Answers those who bring `authorization`, and asks the others for it. */
function guarded(authorization: string, handler: Handler): Handler {
  return (request, response) => {
    if (request.headers.authorization === authorization) handler(request, response);
    else response.writeHead(401, { 'www-authenticate': 'Basic realm="files"' }).end();
  };
}

async function whereFound(cli: Cli, text: string): Promise<string> {
  return (await runProgram('grep', ['-rlF', text, cli.root, cli.runtime])).stdout;
}

testWith(journeyNeeds, 'S32: HTTP_AUTH_TOKEN opens a URL to ADD, and is stored nowhere', async (t) => {
  const cli = await openCliWithBusybox(t);
  const { url } = await serve(
    t,
    guarded(`Bearer ${word}`, (_, response) => response.end('private\n')),
  );
  const context = join(cli.directory, 'context');
  mkdirSync(context);
  writeFileSync(join(context, 'Dockerfile'), `FROM busybox\nADD --chmod=a+r ${url}/file /file\n`);
  const build = ['build', '--network', 'none', '-t', 'made', context];
  const refused = await cli.run(build);
  t.is(refused.code, 1);
  t.regex(refused.stderr, /401/);

  const secret = ['--secret', 'id=HTTP_AUTH_TOKEN_127.0.0.1,env=TOKEN'];
  const built = await cli.run([...build, ...secret], { env: { TOKEN: word } });
  t.is(built.code, 0, built.stderr);
  t.is(await cli.ok(['run', '--rm', '--network', 'none', 'made', 'cat', '/file']), 'private\n');
  t.is(await whereFound(cli, word), '');
});

testWith(
  [...journeyNeeds, missingGit()],
  'S32: GIT_AUTH_TOKEN opens a repository as the context, and is stored nowhere',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const repository = new TestRepository(join(cli.directory, 'git', 'p.git'));
    repository.commit({ Dockerfile: 'FROM busybox\nCOPY file /\n', file: 'private\n' });
    const basic = Buffer.from(`x-access-token:${word}`).toString('base64');
    const { url } = await serve(t, guarded(`basic ${basic}`, gitHandler(join(cli.directory, 'git'))));
    const build = ['build', '--network', 'none', '-t', 'made', `${url}/p.git`];
    t.not((await cli.run(build)).code, 0);

    const file = join(cli.directory, 'token');
    writeFileSync(file, `${word}\n`);
    const built = await cli.run([...build, '--secret', `id=GIT_AUTH_TOKEN,src=${file}`]);
    t.is(built.code, 0, built.stderr);
    t.is(await cli.ok(['run', '--rm', '--network', 'none', 'made', 'cat', '/file']), 'private\n');
    for (const text of [word, basic]) t.is(await whereFound(cli, text), '');
  },
);

testWith(
  [...journeyNeeds, missingGit(), missingProgram('ssh-agent')],
  'ADD fetches by git over ssh with the agent that the build was given, and with no other',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const repository = new TestRepository(join(cli.directory, 'git', 'p.git'));
    repository.commit({ file: 'private\n' });
    // In the place of ssh: notes the agent it was given, then serves the repository as a remote shell would.
    const programs = join(cli.directory, 'programs');
    mkdirSync(programs);
    const noted = join(cli.directory, 'agent');
    const script = `#!/bin/sh\necho "$SSH_AUTH_SOCK" >> ${noted}\nfor last; do :; done\nexec sh -c "$last"\n`;
    writeFileSync(join(programs, 'ssh'), script, { mode: 0o755 });
    const key = join(cli.directory, 'key');
    t.is((await runProgram('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key])).code, 0);
    const context = join(cli.directory, 'context');
    mkdirSync(context);
    const remote = `ssh://nobody@host.invalid${repository.path}`;
    writeFileSync(join(context, 'Dockerfile'), `FROM busybox\nADD ${remote} /o/\n`);
    const env = { PATH: `${programs}:${process.env.PATH ?? ''}`, SSH_AUTH_SOCK: join(cli.directory, 'own') };
    const build = ['build', '--network', 'none', '-t', 'made', context];
    const refused = await cli.run(build, { env });
    t.is(refused.code, 1);
    t.regex(refused.stderr, /add ssh:.*: the build was given no ssh agent\n/);
    t.regex(refused.stderr, /hint: add --ssh default/);
    t.false(existsSync(noted));
    const built = await cli.run([...build, '--ssh', `default=${key}`], { env });
    t.is(built.code, 0, built.stderr);
    t.is(await cli.ok(['run', '--rm', '--network', 'none', 'made', 'cat', '/o/file']), 'private\n');
    const agents = new Set(readFileSync(noted, 'utf8').trim().split('\n'));
    t.is(agents.size, 1);
    t.true(
      [...agents].every((agent) => agent.startsWith(cli.runtime)),
      [...agents].join(' '),
    );
  },
);
