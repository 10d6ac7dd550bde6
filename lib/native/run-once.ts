/** Sub-commands of `coracle-sv` that do one thing and end, and say why not on standard error. */
import { closeSync, readSync } from 'node:fs';
import { addon } from './addon.js';
import { nativePath } from './location.js';

/** Runs it to its end; what it complained of, undefined when it did what was asked. */
export function runOnce(
  words: readonly string[],
  fds: readonly (readonly [child: number, parent: number])[] = [],
): string | undefined {
  const [read, write] = addon().pipe();
  try {
    const pid = start(words, [...fds, [2, write]], write);
    const { code = 125 } = addon().waitpid(pid, false) ?? {};
    return code === 0 ? undefined : complaint(read);
  } finally {
    closeSync(read);
  }
}

function start(
  words: readonly string[],
  fds: readonly (readonly [child: number, parent: number])[],
  ours: number,
): number {
  try {
    return addon().spawn(nativePath('coracle-sv'), ['coracle-sv', ...words], [], { fds, cwd: '/' });
  } finally {
    closeSync(ours);
  }
}

/** What the program said, without its name. One read: a program in the background keeps the pipe open. */
function complaint(descriptor: number): string {
  const buffer = Buffer.alloc(4096);
  const text = buffer.toString('utf8', 0, readSync(descriptor, buffer)).trim();
  return text.replace(/^coracle: /, '').split('\n', 1)[0] || 'it failed without a word';
}
