/** Commands that change a store, each with the store it starts from. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { findProgram, fixturePath } from '../helpers/host.js';
import { makeTar, type TarEntry } from '../helpers/image.js';

export type Scenario = {
  readonly command: readonly string[];
  /** What the store holds besides that of all scenarios. */
  readonly before?: readonly (readonly string[])[];
  /** Names that the command gives or takes. */
  readonly changing: ReadonlySet<string>;
  /** Done a second time it is an error: there is nothing left to do it to. */
  readonly once?: true;
  /** The store has images and never had a container. */
  readonly bare?: true;
  /** Another exit code of its failures than 125: as docker has it. */
  readonly failure?: 1;
  /** Something is executed in a sandbox. */
  readonly program?: true;
};

/** Runs a command of the tool, which has to end well. */
export type Tool = { ok(args: readonly string[]): Promise<string> };

export function scenarios(base: string, registry: string): Readonly<Record<string, Scenario>> {
  const pulled = `${registry}/other:1`;
  const load = ['load', '-q', '-i', join(base, 'other.tar')];
  const removed = new Set(['localhost/other:latest']);
  return {
    pull: { command: ['pull', '-q', pulled], changing: new Set([pulled]) },
    load: { command: load, changing: removed },
    build: {
      command: ['build', '-q', '--network', 'none', '-t', 'built', join(base, 'context')],
      changing: new Set(['localhost/built:latest']),
      failure: 1,
    },
    step: {
      command: ['build', '-q', '--network', 'none', '-t', 'built', join(base, 'stepped')],
      before: [['load', '-q', '-i', join(base, 'runner.tar')]],
      changing: new Set(['localhost/built:latest']),
      failure: 1,
      program: true,
    },
    commit: {
      command: ['commit', '-q', 'kept', 'built'],
      changing: new Set(['localhost/built:latest']),
    },
    tag: { command: ['tag', 'tiny', 'new'], changing: new Set(['localhost/new:latest']) },
    rmi: { command: ['rmi', 'other'], before: [load], changing: removed, once: true, failure: 1 },
    prune: {
      command: ['system', 'prune', '-af', '--volumes'],
      before: [
        load,
        ['volume', 'create', 'unused'],
        ['create', '--name', 'old', '--network', 'none', 'other', '/x'],
      ],
      changing: new Set([...removed, 'localhost/tiny:latest']),
      failure: 1,
    },
    create: {
      command: ['create', '--name', 'made', '--network', 'none', '-v', '/data', 'tiny', '/x'],
      changing: new Set(),
      once: true,
    },
    first: {
      command: ['create', '--name', 'made', '--network', 'none', 'tiny', '/x'],
      changing: new Set(),
      once: true,
      bare: true,
    },
    rm: {
      command: ['rm', '-v', 'gone'],
      before: [['create', '--name', 'gone', '--network', 'none', '-v', '/data', 'tiny', '/x']],
      changing: new Set(),
      once: true,
    },
  };
}

/** Makes what the command meets: archives, a context, and a store with an image, a container of it and a tag of its own. */
export async function prepare(tool: Tool, base: string, scenario: Scenario): Promise<void> {
  writeFileSync(
    join(base, 'tiny.tar'),
    archive('localhost/tiny:latest', [
      [
        { name: 'etc', type: 'directory' },
        { name: 'etc/name', content: 'tiny' },
      ],
    ]),
  );
  writeFileSync(join(base, 'other.tar'), archive('localhost/other:latest', otherLayers()));
  const context = join(base, 'context');
  mkdirSync(context);
  for (const file of ['a', 'b']) writeFileSync(join(context, file), file.repeat(10_000));
  const lines = [
    'FROM tiny',
    'COPY a /data/',
    'WORKDIR /work',
    'ENV A=1',
    'COPY --chown=33 b .',
    'LABEL a=b',
  ];
  writeFileSync(join(context, 'Dockerfile'), `${lines.join('\n')}\n`);
  if (scenario.program === true) prepareStep(base);
  await tool.ok(['load', '-q', '-i', join(base, 'tiny.tar')]);
  if (scenario.bare !== true) {
    await tool.ok(['create', '--name', 'kept', '--network', 'none', 'tiny', '/x']);
    await tool.ok(['cp', join(context, 'a'), 'kept:/etc/added']);
  }
  for (const args of scenario.before ?? []) await tool.ok(args);
}

/** An image whose one program is what a RUN does, and a context with that RUN between other steps. */
function prepareStep(base: string): void {
  const [program, source] = [join(base, 'step'), fixturePath('faults', 'step.c')];
  const compiler = findProgram('musl-gcc') ?? 'gcc';
  const made = spawnSync(compiler, ['-static', '-s', '-Os', '-o', program, source], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`compile ${source}: ${made.error?.message ?? made.stderr}`);
  const layer: readonly TarEntry[] = [
    { name: 'old', type: 'directory' },
    { name: 'old/name', content: 'runner' },
    { name: 'step', content: readFileSync(program), mode: 0o755 },
  ];
  writeFileSync(join(base, 'runner.tar'), archive('localhost/runner:latest', [layer]));
  const context = join(base, 'stepped');
  mkdirSync(context);
  writeFileSync(join(context, 'a'), 'a');
  const lines = ['FROM runner', 'COPY a /a', 'RUN ["/step"]', 'LABEL a=b'];
  writeFileSync(join(context, 'Dockerfile'), `${lines.join('\n')}\n`);
}

/** A little of everything that a layer can hold. */
export function otherLayers(): readonly (readonly TarEntry[])[] {
  const noise = Buffer.from(Array.from({ length: 150_000 }, (_, index) => (index * 7919) % 251));
  return [
    [
      { name: 'etc', type: 'directory' },
      { name: 'etc/name', content: 'other' },
      { name: 'etc/gone', content: 'gone' },
      { name: 'noise', content: noise, uid: 33 },
      { name: 'hard', type: 'hardlink', link: 'noise' },
      { name: 'link', type: 'symlink', link: '/etc/name' },
    ],
    [
      { name: 'etc/.wh.gone', content: '' },
      { name: 'var', type: 'directory', uid: 7, mode: 0o700 },
      { name: 'var/.wh..wh..opq', content: '' },
      { name: 'var/fifo', type: 'fifo' },
      { name: 'bin', type: 'directory' },
      { name: 'bin/su', content: 'su', mode: 0o4755 },
    ],
  ];
}

/** A docker-archive. */
export function archive(name: string, layers: readonly (readonly TarEntry[])[]): Buffer {
  const tars = layers.map((entries) => makeTar(entries));
  const config = {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Cmd: ['/x'] },
    rootfs: {
      type: 'layers',
      diff_ids: tars.map((tar) => `sha256:${createHash('sha256').update(tar).digest('hex')}`),
    },
  };
  const files = tars.map((tar, index) => ({ name: `layer${index}.tar.gz`, content: gzipSync(tar) }));
  const manifest = [{ Config: 'config.json', RepoTags: [name], Layers: files.map((file) => file.name) }];
  return makeTar([
    { name: 'config.json', content: JSON.stringify(config) },
    ...files,
    { name: 'manifest.json', content: JSON.stringify(manifest) },
  ]);
}
