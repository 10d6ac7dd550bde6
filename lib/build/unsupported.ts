/** Instructions and flags that are understood but not carried out: refused by name, at their place in the file. */
import type { Flag, StageInstruction } from '../dockerfile/instructions.js';
import { type BuildSource, instructionError } from './build-source.js';

/** Flags each instruction carries out; anything else on it is refused. */
const supportedFlags: Readonly<Partial<Record<StageInstruction['kind'], readonly string[]>>> = {
  run: ['mount', 'network', 'security'],
  copy: ['from', 'chown', 'chmod', 'link', 'parents', 'exclude'],
  add: ['chown', 'chmod', 'link', 'exclude', 'unpack', 'checksum', 'keep-git-dir'],
  healthcheck: ['interval', 'timeout', 'start-period', 'start-interval', 'retries'],
};

/**
 * Refuses what this version does not do.
 * @throws UNSUPPORTED with the excerpt, the caret under the flag.
 */
export function refuseUnsupported(instruction: StageInstruction, source: BuildSource): void {
  const allowed = supportedFlags[instruction.kind] ?? [];
  for (const flag of instruction.flags) {
    if (!allowed.includes(flag.name)) throw refused(instruction, flag, source);
  }
}

function refused(instruction: StageInstruction, flag: Flag, source: BuildSource): Error {
  const what = `${instruction.kind.toUpperCase()} --${flag.name}`;
  return instructionError(
    source,
    { range: flag.range },
    'UNSUPPORTED',
    `build ${source.name}: ${what} is not supported`,
    {
      hint: `this version carries out ${(supportedFlags[instruction.kind] ?? []).map((name) => `--${name}`).join(', ') || 'no flags'} on ${instruction.kind.toUpperCase()}`,
    },
  );
}
