/**
 * How RUN steps of another platform are executed here: by an emulator the kernel knows, else by one that the step's own user
 * namespace gets. Asked only when such a step must be executed.
 */
import { release } from 'node:os';
import { CoracleError } from '../errors.js';
import {
  type BinfmtEntry,
  elfHeader,
  matchesEntry,
  qemuProgram,
  readBinfmt,
  registrationLine,
} from '../host/binfmt.js';
import { findProgram } from '../host/id-map.js';
import type { Environment } from '../host/paths.js';
import { formatPlatform, hostPlatform, matchesPlatform, type Platform } from '../oci/platform.js';

/** What this host has of emulators. */
export type EmulationFacts = {
  readonly entries: readonly BinfmtEntry[];
  /** `6.18.1-amd64`. */
  readonly kernel: string;
  /** Where a program is, undefined where it is not. */
  readonly find: (name: string) => string | undefined;
};

/** Since this kernel, user namespaces have registrations of their own. https://docs.kernel.org/admin-guide/binfmt-misc.html */
const namespacedSince = [6, 7] as const;

/** Reads them. */
export function emulationFacts(env: Environment): EmulationFacts {
  return { entries: readBinfmt(), kernel: release(), find: (name) => findProgram(name, env) };
}

/**
 * The registration a step for `platform` needs for itself; undefined where the kernel runs its programs anyway.
 * @throws HOST naming the package that is missing.
 */
export function emulatorFor(platform: Platform, facts: EmulationFacts): string | undefined {
  if (matchesPlatform(platform, hostPlatform())) return undefined;
  const start = elfHeader(platform.architecture);
  if (platform.os !== 'linux' || start === undefined)
    throw cannotRun(platform, 'there is no emulator for it');
  const found = facts.entries.filter((entry) => matchesEntry(entry, start));
  if (found.some(({ flags }) => flags.includes('F'))) return undefined;
  const program = facts.find(qemuProgram(platform.architecture));
  if (program === undefined) throw cannotRun(platform, reasonOf(found));
  if (!isNamespaced(facts.kernel))
    throw cannotRun(platform, `${reasonOf(found)}, and Linux ${facts.kernel} lets only root add one`);
  const line = registrationLine(platform.architecture, program);
  if (line === undefined) throw cannotRun(platform, `${program} cannot be registered by that name`);
  return line;
}

function reasonOf([fixed]: readonly BinfmtEntry[]): string {
  if (fixed === undefined) return 'the kernel knows no emulator for it';
  return `its emulator ${fixed.interpreter} is registered without the flag F, so images cannot see it`;
}

function isNamespaced(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map(Number);
  return major > namespacedSince[0] || (major === namespacedSince[0] && minor >= namespacedSince[1]);
}

function cannotRun(platform: Platform, reason: string): CoracleError {
  return new CoracleError(
    'HOST',
    `run a step for ${formatPlatform(platform)} on ${formatPlatform(hostPlatform())}: ${reason}`,
    {
      hint: `install the package qemu-user-static (${qemuProgram(platform.architecture)}; before Linux 6.7 with binfmt-support), or build with FROM --platform=$BUILDPLATFORM and no RUN in stages for other platforms`,
    },
  );
}
