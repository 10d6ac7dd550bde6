/** What COPY and ADD mean, as data: kinds of sources told apart, flags that exclude each other refused. Pure. */
import { posix } from 'node:path';
import type { AddInstruction, CopyInstruction } from '../dockerfile/instructions.js';
import { CoracleError } from '../errors.js';
import { parseModeChange } from './file-mode.js';
import type { CopyStep, StepSource } from './plan.js';

type Instruction = CopyInstruction | AddInstruction;
type Planned = Omit<CopyStep, 'id' | 'name' | 'from' | 'range' | 'createdBy'>;

/** The step of an expanded instruction. @throws {CoracleError} INVALID, UNSUPPORTED, without a place. */
export function planCopy(instruction: Instruction, workdir: string): Planned {
  const { chown, chmod, contents, link } = instruction;
  return {
    kind: 'copy',
    sources: sourcesOf(instruction),
    contents,
    destination: destinationOf(instruction, workdir),
    excludes: instruction.excludes,
    link,
    ...(chown === undefined ? {} : { chown }),
    ...(chmod === undefined ? {} : { chmod: parseModeChange(chmod) }),
  };
}

function sourcesOf(instruction: Instruction): readonly StepSource[] {
  return instruction.sources.map((pattern): StepSource => {
    if (instruction.kind === 'add') return { kind: 'path', pattern, unpack: instruction.unpack ?? true };
    if (isUrl(pattern)) {
      throw new CoracleError('INVALID', `copy ${pattern}: COPY does not take a URL`, { hint: 'ADD does' });
    }
    if (!instruction.parents) return { kind: 'path', pattern, unpack: false };
    return { kind: 'path', ...splitParents(pattern), unpack: false };
  });
}

/** `--parents`: what stands before the first `/./` is where the kept directories begin; without one, at the root. */
function splitParents(source: string): { readonly pattern: string; readonly include: string } {
  const pivot = source.indexOf('/./');
  const [root, path] = pivot < 0 ? ['/', source] : [source.slice(0, pivot) || '/', source.slice(pivot + 3)];
  const include = posix.join('/', path).slice(1).replace(/\/+$/, '');
  return { pattern: root, include: include === '' ? '**' : include };
}

function isUrl(text: string): boolean {
  return /^https?:\/\//.test(text);
}

function destinationOf(instruction: Instruction, workdir: string): string {
  const { destination } = instruction;
  const absolute = posix.resolve(workdir, destination);
  const isDirectory = /(^|\/)\.{0,2}$/.test(destination);
  if (!isDirectory && instruction.sources.length + instruction.contents.length > 1) {
    throw new CoracleError(
      'INVALID',
      `copy to ${destination}: with more than one source the destination must end with /`,
    );
  }
  return isDirectory && absolute !== '/' ? `${absolute}/` : absolute;
}
