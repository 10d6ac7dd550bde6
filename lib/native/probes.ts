/** Experiments on this host by `coracle-sv probe`: a thing is tried, not guessed from versions. A few milliseconds each. */
import { closeSync, readSync } from 'node:fs';
import { CoracleError } from '../errors.js';
import type { IdMap, IdRange } from '../host/id-map.js';
import { addon } from './addon.js';
import { nativePath } from './location.js';
import { errnoName } from './status.js';

/** What can be tried. Those on a directory need its path first, `fuse-overlayfs` also the program's. */
export type ProbeName =
  | 'kernel'
  | 'fuse'
  | 'tun'
  | 'seccomp'
  | 'xattr'
  | 'userns'
  | 'single-userns'
  | 'netns'
  | 'proc'
  | 'overlay'
  | 'owners'
  | 'fuse-overlayfs'
  | 'idmapped';

export type Probe = {
  readonly works: boolean;
  /** What it found, e.g. the kernel's release. */
  readonly detail?: string;
  /** Where it stopped: step, object and errno name, e.g. `overlay: mount: EPERM`. */
  readonly reason?: string;
};

/** Runs a probe. `idMap` is for those inside of a user namespace. @throws INTERNAL when it cannot be run at all. */
export function probe(name: ProbeName, paths: readonly string[] = [], idMap?: IdMap): Probe {
  const map = idMap === undefined ? [] : [idMap.how, ranges(idMap.uid), ranges(idMap.gid)];
  const text = run(['coracle-sv', 'probe', name, ...paths, ...map]);
  const found = /^\{"probe":.*\}$/m.exec(text)?.[0];
  if (found === undefined) throw new CoracleError('INTERNAL', `probe ${name}: no answer`);
  return parse(JSON.parse(found));
}

function ranges(list: readonly IdRange[]): string {
  return list.map(({ container, host, size }) => `${container}:${host}:${size}`).join(',');
}

function parse(answer: unknown): Probe {
  if (typeof answer !== 'object' || answer === null) return { works: false, reason: 'no answer' };
  const text = (key: string): string => {
    const value: unknown = Reflect.get(answer, key);
    return typeof value === 'string' ? value : '';
  };
  const detail = text('detail') === '' ? {} : { detail: text('detail') };
  if ('ok' in answer && answer.ok === true) return { works: true, ...detail };
  const errno = 'errno' in answer && typeof answer.errno === 'number' ? answer.errno : 0;
  const parts = [text('stage'), text('object'), errno === 0 ? '' : errnoName(errno)];
  return { works: false, ...detail, reason: parts.filter((part) => part !== '').join(': ') };
}

function run(argv: readonly string[]): string {
  const [read, write] = addon().pipe();
  try {
    const env = [`PATH=${process.env.PATH ?? ''}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`];
    const pid = addon().spawn(nativePath('coracle-sv'), argv, env, { fds: [[1, write]] });
    closeSync(write);
    const text = readAll(read);
    addon().waitpid(pid, false);
    return text;
  } finally {
    closeSync(read);
  }
}

function readAll(descriptor: number): string {
  const chunks: Buffer[] = [];
  const buffer = Buffer.alloc(4096);
  for (let count = readSync(descriptor, buffer); count > 0; count = readSync(descriptor, buffer)) {
    chunks.push(Buffer.from(buffer.subarray(0, count)));
  }
  return Buffer.concat(chunks).toString('utf8');
}
