/** Images with any files and any configuration, as a stranger could hand them over. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cli } from './cli.js';
import { findProgram, fixturePath, type Missing } from './host.js';
import { busyboxEntries, makeTar, type TarEntry } from './image.js';

/** Loads an image of busybox and `extra` files with the given `config` part under `localhost/NAME:latest`. */
export async function loadImage(
  cli: Cli,
  name: string,
  extra: readonly TarEntry[],
  config: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const replaced = new Set(extra.map((entry) => entry.name));
  const layer = makeTar([...busyboxEntries().filter((entry) => !replaced.has(entry.name)), ...extra]);
  const diffId = `sha256:${createHash('sha256').update(layer).digest('hex')}`;
  const image = {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Cmd: ['sh'], ...config },
    rootfs: { type: 'layers', diff_ids: [diffId] },
  };
  const manifest = [{ Config: 'config.json', RepoTags: [`localhost/${name}:latest`], Layers: ['layer.tar'] }];
  const archive = join(cli.directory, `${name}.tar`);
  writeFileSync(
    archive,
    makeTar([
      { name: 'config.json', content: JSON.stringify(image) },
      { name: 'layer.tar', content: layer },
      { name: 'manifest.json', content: JSON.stringify(manifest) },
    ]),
  );
  await cli.ok(['load', '-i', archive]);
}

export function missingCompiler(): Missing {
  return findProgram('gcc') === undefined ? 'no gcc on this machine' : undefined;
}

/** The program of test/fixtures/security/probe.c as a file for an image. It does nothing outside of containers. */
export function probeFile(cli: Cli): TarEntry {
  const compiler = findProgram('musl-gcc') === undefined ? 'gcc' : 'musl-gcc';
  return { name: 'bin/probe', mode: 0o755, content: compile(cli, compiler, ['-static'], 'probe.c') };
}

/** The library of test/fixtures/security/witness.c, which leaves /witness wherever it is loaded. */
export function witnessLibrary(cli: Cli): Buffer {
  return compile(cli, 'gcc', ['-shared', '-fPIC'], 'witness.c');
}

/** The program of test/fixtures/security/packets.c, to be bound into containers. */
export function packetsProgram(cli: Pick<Cli, 'directory'>): string {
  compile(cli, 'gcc', ['-static'], 'packets.c');
  return join(cli.directory, 'packets.c.out');
}

function compile(
  cli: Pick<Cli, 'directory'>,
  compiler: string,
  flags: readonly string[],
  source: string,
): Buffer {
  const output = join(cli.directory, `${source}.out`);
  const made = spawnSync(compiler, [...flags, '-o', output, fixturePath('security', source)], {
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(`compile ${source}: ${made.error?.message ?? made.stderr}`);
  return readFileSync(output);
}
