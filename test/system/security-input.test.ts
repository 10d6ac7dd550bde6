/** Names, configurations and file trees that strangers choose; the numbers are those of the security requirements. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { type Cli, openCli, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { loadImage } from '../helpers/hostile-image.js';
import { makeTar, type TarEntry } from '../helpers/image.js';

const quiet = ['--rm', '--network', 'none'];

/** A directory of the host that nothing may change, and whether it is as it was. */
function sentinel(t: ExecutionContext<unknown>): { readonly path: string; untouched(): boolean } {
  const path = mkdtempSync(join(tmpdir(), 'c-sentinel-'));
  const files = ['resolv.conf', 'hosts', 'hostname', 'passwd'];
  for (const name of files) writeFileSync(join(path, name), 'of the host', { mode: 0o666 });
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  const intact = (name: string): boolean => readFileSync(join(path, name), 'utf8') === 'of the host';
  return { path, untouched: () => readdirSync(path).length === files.length && files.every(intact) };
}

const script =
  'echo x > /etc/resolv.conf; echo x > /etc/hosts; echo y > /dev/mine; ls / > /dev/null; echo ran';

testWith(journeyNeeds, 'S14: links of an image in the places of mounts lead nowhere outside', async (t) => {
  const cli = openCli(t);
  const host = sentinel(t);
  const up = '../../../../../../../../../..';
  const places = ['proc', 'sys', 'dev', 'etc', 'etc/resolv.conf', 'etc/hosts', 'tmp/target'];
  const trees = places.map((place, index): [string, TarEntry[]] => {
    const aim = place.startsWith('etc/') ? `/${place.slice(4)}` : '';
    const links = [`${host.path}${aim}`, `${up}${host.path}${aim}`, `/${place}`];
    return [place, [{ name: place, type: 'symlink', link: links[index % 2] ?? '' }]];
  });
  trees.push(['loop', [{ name: 'etc/resolv.conf', type: 'symlink', link: '/etc/resolv.conf' }]]);
  for (const [index, [place, extra]] of trees.entries()) {
    await loadImage(cli, `linked${index}`, extra);
    const mounts = ['--tmpfs', '/tmp/target/new', '-v', 'data:/tmp/target/volume'];
    const run = ['run', ...quiet, ...(place === 'tmp/target' ? mounts : [])];
    const { code, stdout, stderr } = await cli.run([...run, `linked${index}`, 'sh', '-c', script]);
    t.true(host.untouched(), place);
    if (['proc', 'sys', 'dev', 'loop'].includes(place)) {
      t.not(code, 0, place);
      t.regex(stderr, /^error: |^coracle: |link|loop/m, place);
    } else t.is(stdout, 'ran\n', `${place}: ${stderr}`);
  }
});

testWith(
  journeyNeeds,
  'S14: a container that swaps directories of a shared volume for links moves no mount of a hundred starts',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const host = sentinel(t);
    const swap = `mkdir -p /v/dir; cd /v; ln -s ${host.path} link
while :; do mv dir real; mv link dir; mv dir link; mv real dir; done`;
    const swapper = ['run', '-d', '--name', 'swapper', '--network', 'none', '-v', 'shared:/v'];
    await cli.ok([...swapper, 'busybox', 'sh', '-c', swap]);
    const target = ['--tmpfs', '/v/dir/target', '-v', 'other:/v/dir/data'];
    const write = 'echo mine > /v/dir/target/f; echo mine > /v/dir/data/f; true';
    let started = 0;
    const starts = async (): Promise<void> => {
      for (let count = 0; count < 50; count++) {
        const { code } = await cli.run([
          'run',
          ...quiet,
          '-v',
          'shared:/v',
          ...target,
          'busybox',
          'sh',
          '-c',
          write,
        ]);
        if (code === 0) started++;
      }
    };
    await Promise.all([starts(), starts()]);
    t.true(host.untouched());
    t.true(started > 0, `${started} started`);
    t.log(`${started} of 100 started`);
    t.regex(await cli.ok(['ps']), /swapper/);
    await cli.ok(['rm', '-f', '-t', '0', 'swapper']);
  },
);

/** The variables that a process has. */
async function variables(cli: Cli, args: readonly string[], env: Record<string, string>): Promise<string[]> {
  return (await cli.ok(args, { env })).trim().split('\n').sort();
}

testWith(
  journeyNeeds,
  'S28: of the variables of the host none comes in, nor can an image ask for them',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const proxies = ['http_proxy', 'HTTPS_PROXY', 'NO_PROXY', 'ALL_PROXY'].map((name) => [
      name,
      'http://u:p@proxy',
    ]);
    const env = {
      SECRET_TOKEN: 's3',
      EDITOR: 'vi',
      TZ: 'UTC',
      IMAGE: 'host',
      ...Object.fromEntries(proxies),
    };
    await loadImage(cli, 'asks', [], {
      Env: ['PATH=/bin', 'IMAGE=own', 'SECRET_TOKEN', '*', '=x', 'http_proxy', 'LC_*'],
    });
    const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    const own = ['HOME=/root', 'HOSTNAME=h', 'container=coracle'];
    const run = ['run', ...quiet, '-h', 'h'];
    t.deepEqual(await variables(cli, [...run, 'busybox', 'env'], env), [own[0], own[1], path, own[2]]);
    const asked = ['HOME=/root', 'HOSTNAME=h', 'IMAGE=own', 'PATH=/bin', 'container=coracle'];
    t.deepEqual(await variables(cli, [...run, 'asks', 'env'], env), asked);
    await cli.ok(['run', '-d', '--network', 'none', '-h', 'h', '--name', 'box', 'asks', 'sleep', '100'], {
      env,
    });
    t.deepEqual(await variables(cli, ['exec', 'box', 'env'], env), asked);
    await cli.ok(['rm', '-f', '-t', '0', 'box']);
    const dockerfile = join(cli.directory, 'Dockerfile');
    writeFileSync(dockerfile, 'FROM localhost/asks\nRUN env > /env\n');
    await cli.ok(['build', '-q', '-t', 'built', cli.directory], { env });
    const built = await cli.ok(['run', ...quiet, 'built', 'cat', '/env']);
    t.notRegex(built, /SECRET_TOKEN|EDITOR|TZ=|proxy|PROXY|IMAGE=host/);
  },
);

testWith(journeyNeeds, 'S28: labels and other words of a configuration drive nothing', async (t) => {
  const cli = await openCliWithBusybox(t);
  const host = sentinel(t);
  const mounts = `[{"type":"bind","source":"${host.path}","target":"/host"}]`;
  await loadImage(cli, 'labelled', [], {
    Labels: {
      run: `podman run --privileged -v ${host.path}:/host IMAGE`,
      'devcontainer.metadata': `[{"privileged":true,"capAdd":["SYS_ADMIN"],"mounts":${mounts}}]`,
      'io.podman.annotations.privileged': 'TRUE',
      'io.podman.annotations.seccomp': 'unconfined',
      'run.oci.seccomp_bpf_data': 'AAAA',
      'coracle.privileged': 'true',
      'coracle.mounts': mounts,
      'coracle.restart': 'always',
      'io.containers.capabilities': 'SYS_ADMIN',
    },
    Privileged: true,
    CapAdd: ['ALL'],
    HostConfig: { Privileged: true, Binds: [`${host.path}:/host`], NetworkMode: 'host' },
    Mounts: [{ Type: 'bind', Source: host.path, Destination: '/host' }],
    OnBuild: ['RUN echo built > /onbuild'],
    Volumes: { '/../../../up': {}, relative: {}, '/': {} },
  });
  const look =
    'grep -E "^(Cap|Seccomp:|NoNewPrivs|Uid|Groups)" /proc/self/status; cut -d" " -f5- /proc/self/mountinfo | grep -v " / /\\|/up"';
  const plain = await cli.ok(['run', ...quiet, 'busybox', 'sh', '-c', look]);
  const labelled = await cli.ok([
    'run',
    ...quiet,
    'labelled',
    'sh',
    '-c',
    `${look}; ls -d /host /onbuild 2>/dev/null; true`,
  ]);
  const shape = (text: string): string[] =>
    text
      .split('\n')
      .filter((line) => !line.includes('overlay') && !/\/etc\/(hosts|hostname|resolv)/.test(line));
  t.deepEqual(shape(labelled), shape(plain));
});

testWith(
  journeyNeeds,
  'S41: names and arguments that look like paths, options or commands are none',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const trap = join(cli.directory, 'trap');
    const names = [
      '../../trap',
      'a/b',
      '-x',
      '--help',
      '',
      '.',
      '..',
      `$(touch ${trap})`,
      `;touch ${trap}`,
      'a\nb',
      'é',
    ];
    const plain = ['--network', 'none', 'busybox', 'true'];
    for (const name of names) {
      const named = await cli.run(['run', `--name=${name}`, ...plain]);
      t.deepEqual([named.code, named.stdout], [125, ''], `--name ${JSON.stringify(name)}`);
      t.regex(named.stderr, /^\S.*container name/m);
      const tagged = await cli.run(['tag', '--', 'busybox', name]);
      t.true(tagged.code === 125 || name === 'a/b', `tag ${JSON.stringify(name)}: ${tagged.stderr}`);
    }
    const unknown = names.filter((name) => name !== 'a/b');
    for (const command of ['rm', 'stop', 'logs', 'inspect', 'rmi']) {
      const { code } = await cli.run([command, '--', ...(command === 'logs' ? ['../../trap'] : unknown)]);
      t.true(code === 1 || code === 125, `${command}: ${code}`);
    }
    t.is(await cli.ok(['ps', '-aq']), '');
    t.false(existsSync(trap));
    mkdirSync(join(cli.directory, '-v'));
    const bad = [
      ['--hostname', '-x;y'],
      ['--add-host', '-x y:1.2.3.4'],
      ['--add-host', 'x:-1'],
      ['--dns', '-x'],
      ['-p', '-x:80:80'],
      ['-v', '-v:/data'],
      ['-v', '../../x:y'],
      ['-u', '-1'],
      ['-e', '=x'],
      ['-w', 'relative'],
    ];
    for (const flags of bad) {
      const { code, stderr } = await cli.run(['run', ...quiet, ...flags, 'busybox', 'true']);
      t.is(code, 125, `${flags.join(' ')}: ${stderr}`);
    }
    const words = ['-c', '--privileged', '-v', '/:/host', '--', '$(id)', '*', 'a b', ''];
    const echoed = await cli.ok([
      'run',
      ...quiet,
      'busybox',
      'sh',
      '-c',
      'printf "%s|" "$@"',
      'sh',
      ...words,
    ]);
    t.is(echoed, words.map((word) => `${word}|`).join(''));
    await loadImage(cli, 'dashed', [{ name: 'bin/-c', content: '#!/bin/sh\necho own\n', mode: 0o755 }], {
      Entrypoint: ['-c'],
      Cmd: ['--privileged', '-v', '/:/host'],
    });
    t.is(await cli.ok(['run', ...quiet, 'dashed']), 'own\n');
  },
);

testWith(
  journeyNeeds,
  'S23: an archive that expands a thousandfold is refused and leaves nothing',
  async (t) => {
    const cli = openCli(t);
    const bomb = join(cli.directory, 'bomb.tar.gz');
    const zeros = makeTar([{ name: 'zeros', content: Buffer.alloc(200 * 1024 * 1024) }]);
    writeFileSync(bomb, gzipSync(zeros, { level: 1 }));
    writeFileSync(join(cli.directory, 'Dockerfile'), 'FROM scratch\nADD bomb.tar.gz /\n');
    writeFileSync(join(cli.directory, '.dockerignore'), '*\n!bomb.tar.gz\n');
    for (const words of [
      ['import', bomb, 'bomb'],
      ['load', '-i', bomb],
      ['build', '-q', cli.directory],
    ]) {
      const { code, stderr } = await cli.run(words);
      t.is(code, words[0] === 'build' ? 1 : 125, stderr);
      t.regex(stderr, /expands to more than 200 times/);
    }
    t.is(await cli.ok(['images', '-q']), '');
    const { stdout } = await runProgram('du', ['-sk', cli.root]);
    t.true(Number.parseInt(stdout, 10) < 10_000, stdout);
  },
);
