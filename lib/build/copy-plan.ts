/** What COPY and ADD mean, as data: kinds of sources told apart, flags that exclude each other refused. Pure. */
import { posix } from 'node:path';
import type { AddInstruction, CopyInstruction } from '../dockerfile/instructions.js';
import { CoracleError } from '../errors.js';
import { parseModeChange } from './file-mode.js';
import { checkCommit, type GitReference, parseGitReference, withoutPassword } from './git-reference.js';
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
  if (instruction.kind === 'copy')
    return instruction.sources.map((source) => copySource(instruction, source));
  const { checksum } = instruction;
  if (checksum !== undefined && instruction.sources.length !== 1)
    throw new CoracleError('INVALID', 'add with --checksum: it is for exactly one source');
  return instruction.sources.map((source) => addSource(instruction, source));
}

function copySource(instruction: CopyInstruction, source: string): StepSource {
  const isRepository = parseGitReference(source) !== undefined;
  if (isRepository || isUrl(source)) {
    const what = isRepository ? 'a git repository' : 'a URL';
    throw new CoracleError('INVALID', `copy ${withoutPassword(source)}: COPY does not take ${what}`, {
      hint: 'ADD does',
    });
  }
  if (!instruction.parents) return { kind: 'path', pattern: source, unpack: false };
  return { kind: 'path', ...splitParents(source), unpack: false };
}

/** `--parents`: what stands before the first `/./` is where the kept directories begin; without one, at the root. */
function splitParents(source: string): { readonly pattern: string; readonly include: string } {
  const pivot = source.indexOf('/./');
  const [root, path] = pivot < 0 ? ['/', source] : [source.slice(0, pivot) || '/', source.slice(pivot + 3)];
  const include = posix.join('/', path).slice(1).replace(/\/+$/, '');
  return { pattern: root, include: include === '' ? '**' : include };
}

function addSource(instruction: AddInstruction, source: string): StepSource {
  const repository = parseGitReference(source);
  if (repository !== undefined) return gitSource(instruction, repository);
  const { checksum, unpack, keepGitDirectory } = instruction;
  if (isUrl(source)) return urlSource(source, checksum, unpack ?? false);
  if (checksum !== undefined)
    throw new CoracleError('INVALID', `add ${source} with --checksum: it is for URLs and git repositories`);
  if (keepGitDirectory === true)
    throw new CoracleError('INVALID', `add ${source} with --keep-git-dir: it is no git repository`);
  return { kind: 'path', pattern: source, unpack: unpack ?? true };
}

function gitSource(instruction: AddInstruction, reference: GitReference): StepSource {
  const { checksum, keepGitDirectory } = instruction;
  if (reference.transport === 'file') {
    throw new CoracleError(
      'UNSUPPORTED',
      `add ${reference.remote}: a repository of this host is not for ADD`,
      {
        hint: 'use an https:// URL, or give the repository as --build-context NAME=URL',
      },
    );
  }
  checkCommit('--checksum', checksum);
  const conflict =
    (checksum !== undefined && reference.checksum !== undefined && checksum !== reference.checksum) ||
    (keepGitDirectory !== undefined &&
      reference.keepGitDirectory !== undefined &&
      keepGitDirectory !== reference.keepGitDirectory);
  if (conflict)
    throw new CoracleError('INVALID', `add ${reference.remote}: the flags and the URL contradict each other`);
  return {
    kind: 'git',
    repository: {
      ...reference,
      ...(checksum === undefined ? {} : { checksum }),
      ...(keepGitDirectory === undefined ? {} : { keepGitDirectory }),
    },
  };
}

function urlSource(url: string, checksum: string | undefined, unpack: boolean): StepSource {
  if (!URL.canParse(url)) throw new CoracleError('INVALID', `add ${withoutPassword(url)}: it is no URL`);
  if (checksum !== undefined && !/^sha256:[0-9a-f]{64}$/.test(checksum)) {
    throw new CoracleError(
      'INVALID',
      `add ${withoutPassword(url)} with --checksum=${checksum}: it is no digest`,
      {
        hint: 'write sha256: and 64 hexadecimal digits in lower case',
      },
    );
  }
  return { kind: 'url', url, unpack, ...(checksum === undefined ? {} : { checksum }) };
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
