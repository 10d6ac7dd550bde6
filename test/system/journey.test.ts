/** Real input from end to end: a Debian base through registries, packages installed by RUN, pages served, other tools reading it. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { eventually } from '../helpers/busybox.js';
import { type Cli, openCli, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import {
  findProgram,
  type Missing,
  missingCli,
  missingDevice,
  missingProgram,
  missingUserNamespaces,
  temporaryDirectory,
} from '../helpers/host.js';
import { debianTar, missingArchive, missingDebootstrap } from '../helpers/image.js';
import { missingRegistry, registryUser, startRegistry } from '../helpers/registry.js';
import { fetchText, freePort } from '../helpers/web.js';

const needs: readonly Missing[] = [
  missingCli(),
  missingUserNamespaces(),
  missingDebootstrap(),
  missingRegistry({ tls: true }),
  missingProgram('pasta'),
  missingDevice('/dev/net/tun'),
];
const minutes = 60_000;

const dockerfile = `FROM BASE AS packages
RUN apt-get update && apt-get install -y --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
FROM packages
WORKDIR /srv
RUN <<PAGE
set -e
echo "served by $(python3 -c 'import sys; print(sys.version_info.major)')" > index.html
useradd --system --home-dir /srv web
PAGE
COPY --chown=web:web note.txt ./
USER web
EXPOSE 8000
CMD ["python3", "-m", "http.server", "8000"]
`;

testWith(
  [...needs, missingArchive()],
  'a Debian base is pulled, a build installs packages on it, and every tool reads the result',
  async (t) => {
    t.timeout(10 * minutes);
    const cli = openCli(t);
    const registry = await startRegistry(t);
    const base = `${registry.host}/debian:bookworm`;
    await cli.ok(['import', '-q', '-c', 'CMD ["bash"]', debianTar(), base], { timeout: 2 * minutes });
    const baseDigest = await cli.ok(['push', '-q', base], { timeout: 2 * minutes });

    const builder = openCli(t);
    await builder.ok(['pull', '-q', base], { timeout: 2 * minutes });
    t.is(await builder.ok(['images', '--format', '{{.Digest}}']), baseDigest);
    const directory = writeContext(builder, base);
    const built = await builder.run(['build', '--progress', 'plain', '-t', 'server', directory], {
      timeout: 5 * minutes,
    });
    t.is(built.code, 0, built.stderr.slice(-3000));
    t.regex(await servedPage(builder, 'server'), /^served by 3\n$/);
    const again = await builder.run(['build', '--progress', 'plain', '-t', 'server', directory]);
    t.regex(again.stderr, /\((\d+) of \1 steps cached\)/);

    const name = `${registry.host}/team/server:1`;
    const digest = await builder.ok(['push', '-q', 'server', name], { timeout: 3 * minutes });
    const consumer = openCli(t);
    await consumer.ok(['pull', '-q', name], { timeout: 3 * minutes });
    t.is(await consumer.ok(['images', '--format', '{{.Digest}}']), digest);
    t.is(
      await consumer.ok(['inspect', '-f', '{{.Id}}', name]),
      await builder.ok(['inspect', '-f', '{{.Id}}', 'server']),
    );
    t.regex(await servedPage(consumer, name), /^served by 3\n$/);
    await readBySkopeoAndUmoci(t, name, digest.trim());
    await runByPodman(t, consumer, name);
  },
);

testWith(
  [...needs, missingProgram('skopeo')],
  'the Debian base goes through a registry with TLS and a password, for those who know it',
  async (t) => {
    t.timeout(5 * minutes);
    const cli = openCli(t);
    const registry = await startRegistry(t, { tls: true, password: true });
    const tls = ['--cert-dir', registry.certDir];
    const name = `${registry.host}/private/debian:bookworm`;
    await cli.ok(['import', '-q', debianTar(), name], { timeout: 2 * minutes });
    t.not((await cli.run(['push', '-q', '--retry', '0', ...tls, name])).code, 0);
    const login = ['login', ...tls, '-u', registryUser.username, '--password-stdin', registry.host];
    const wrong = await cli.run(login, { input: 'wr0ng' });
    t.not(wrong.code, 0);
    t.not((await cli.run(['push', '-q', '--retry', '0', ...tls, name])).code, 0);
    await cli.ok(login, { input: registryUser.password });
    const digest = await cli.ok(['push', '-q', ...tls, name], { timeout: 2 * minutes });
    const seen = await runProgram('skopeo', [
      ...['inspect', '--format', '{{.Digest}}', '--cert-dir', registry.certDir],
      ...['--creds', `${registryUser.username}:${registryUser.password}`, `docker://${name}`],
    ]);
    t.is(seen.stdout, digest, seen.stderr);
    const other = openCli(t);
    const creds = ['--creds', `${registryUser.username}:${registryUser.password}`];
    await other.ok(['pull', '-q', ...tls, ...creds, name], { timeout: 2 * minutes });
    t.is(await other.ok(['images', '--format', '{{.Digest}}']), digest);
    await cli.ok(['logout', registry.host]);
    await cli.ok(['rmi', name]);
    const refused = await cli.run(['pull', '-q', '--retry', '0', ...tls, name]);
    t.not(refused.code, 0);
    t.regex(refused.stderr, /coracle login/);
  },
);

function writeContext(cli: Cli, base: string): string {
  const directory = join(cli.directory, 'context');
  mkdirSync(directory);
  writeFileSync(join(directory, 'Dockerfile'), dockerfile.replace('BASE', base));
  writeFileSync(join(directory, 'note.txt'), 'a note\n');
  return directory;
}

async function servedPage(cli: Cli, image: string): Promise<string> {
  const port = await freePort();
  const id = (await cli.ok(['run', '-d', '-p', `127.0.0.1:${port}:8000`, image])).trim();
  try {
    return await eventually(() => fetchText(`http://127.0.0.1:${port}/`));
  } finally {
    await cli.ok(['rm', '-f', '-t', '0', id]);
  }
}

/** The layout that skopeo copies has the digest that was pushed, and umoci unpacks it with owners and all. */
async function readBySkopeoAndUmoci(
  t: ExecutionContext<unknown>,
  name: string,
  digest: string,
): Promise<void> {
  if (missingProgram('skopeo') ?? missingProgram('umoci')) return t.log('no skopeo or umoci on this machine');
  const layout = join(temporaryDirectory(t), 'layout');
  const call = async (program: string, ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runProgram(program, args, { timeout: 3 * minutes });
    t.is(code, 0, `${program} ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const seen = JSON.parse(await call('skopeo', 'inspect', '--tls-verify=false', `docker://${name}`));
  t.deepEqual([seen.Digest, seen.Os, seen.Architecture.length > 0], [digest, 'linux', true]);
  await call('skopeo', 'copy', '-q', '--src-tls-verify=false', `docker://${name}`, `oci:${layout}:server`);
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));
  t.is(index.manifests[0].digest, digest);
  const stat = JSON.parse(await call('umoci', 'stat', '--json', '--image', `${layout}:server`));
  t.true(stat.history.length >= seen.Layers.length);
  const bundle = `${layout}-bundle`;
  await call('umoci', 'unpack', '--rootless', '--image', `${layout}:server`, bundle);
  t.is(readFileSync(join(bundle, 'rootfs', 'srv', 'index.html'), 'utf8'), 'served by 3\n');
  const config = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'));
  t.deepEqual(config.process.args, ['python3', '-m', 'http.server', '8000']);
}

/** Podman loads both archive formats and, where it can run containers at all, runs one. */
async function runByPodman(t: ExecutionContext<unknown>, cli: Cli, name: string): Promise<void> {
  if (findProgram('podman') === undefined) return t.log('no podman on this machine');
  const directory = temporaryDirectory(t);
  const place = ['--root', join(directory, 'root'), '--runroot', join(directory, 'run')];
  const podman = (...args: string[]) =>
    runProgram('podman', [...place, ...args], {
      timeout: 3 * minutes,
      env: { HOME: directory, XDG_RUNTIME_DIR: directory },
    });
  t.teardown(() => endPause(join(directory, 'libpod', 'tmp', 'pause.pid')));
  for (const format of ['docker-archive', 'oci-archive']) {
    const archive = join(directory, `${format}.tar`);
    await cli.ok(['save', '--format', format, '-o', archive, name], { timeout: 3 * minutes });
    const loaded = await podman('load', '-q', '-i', archive);
    t.is(loaded.code, 0, `${format}: ${loaded.stderr}`);
    t.regex(loaded.stdout, new RegExp(`Loaded image: ${name}`));
    const id = `sha256:${(await podman('image', 'inspect', '-f', '{{.Id}}', name)).stdout}`;
    t.is(id, await cli.ok(['inspect', '-f', '{{.Id}}', name]));
    const words = ['run', '--rm', '--network', 'none', name, 'cat', 'index.html', 'note.txt'];
    const { code, stdout, stderr } = await podman(...words);
    if (code === 0) t.is(stdout, 'served by 3\na note\n');
    else t.log(`podman does not run containers here: ${stderr.trim()}`);
    await podman('rmi', '-f', name);
  }
}

/** Ends the process by which podman keeps its user namespace between calls. */
function endPause(pidFile: string): void {
  if (existsSync(pidFile)) process.kill(Number(readFileSync(pidFile, 'utf8')));
}
