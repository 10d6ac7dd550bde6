/** What cases start from: the busybox image's tar and a Debian root file system, or one shaped like it. */
import { createHash } from 'node:crypto';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianTar, makeTar, missingDebootstrap, type TarEntry, writeBusyboxTar } from '../helpers/image.js';
import type { Inputs } from './case.js';

export function makeInputs(workspace: string, remark: (text: string) => void): Inputs {
  let debian: ReturnType<Inputs['debian']> | undefined;
  return {
    baseTar: writeBusyboxTar(join(workspace, 'base.tar')),
    debian: () => {
      debian ??= makeDebian(workspace, remark);
      return debian;
    },
  };
}

function makeDebian(workspace: string, remark: (text: string) => void): ReturnType<Inputs['debian']> {
  const [real, reason] = realDebian();
  if (real !== undefined) return { file: real, what: `a Debian image (${megabytes(real)} MB)` };
  remark(`No Debian image, a made-up one of the same shape instead: ${reason}`);
  const file = join(workspace, 'debian-like.tar');
  writeFileSync(file, makeTar(debianLikeEntries()));
  return { file, what: `a Debian-like image (${megabytes(file)} MB)` };
}

function realDebian(): readonly [file: string | undefined, reason: string] {
  const missing = missingDebootstrap();
  if (missing !== undefined) return [undefined, missing];
  try {
    return [debianTar(), ''];
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return [undefined, error.message];
  }
}

/** 8,700 files of 19 KB on average, half of whose bytes do not compress. */
function debianLikeEntries(): TarEntry[] {
  const directories = Array.from({ length: 87 }, (_, index) => `usr/share/part-${index}`);
  const parents = ['usr', 'usr/share', ...directories];
  return [
    ...parents.map((name) => ({ name, type: 'directory' }) as const),
    ...directories.flatMap((directory, part) =>
      Array.from({ length: 100 }, (_, file) => ({
        name: `${directory}/file-${file}`,
        content: noise(part * 100 + file, 380 + ((file * 7919) % 37_000)),
      })),
    ),
  ];
}

/** The same bytes for the same number, every other block of 32 repeated from the one before it. */
function noise(seed: number, length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let at = 0; at < length; at += 64) {
    const block = createHash('sha256').update(`${seed}/${at}`).digest();
    blocks.push(block, block);
  }
  return Buffer.concat(blocks).subarray(0, length);
}

function megabytes(file: string): number {
  return Math.round(statSync(file).size / 1e6);
}
