/**
 * What the fuzzers share. `npm test` does the same few runs each time; `FUZZ_SECONDS` makes it longer, and then each run
 * is another one; `FUZZ_SEED` repeats one.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError } from '../../lib/errors.js';

/** A number from 0 to below `limit`. */
export type Random = (limit: number) => number;

const given = process.env.FUZZ_SECONDS;

/** In the titles of tests, so that a failure can be repeated. */
export const fuzzSeed = Number(
  process.env.FUZZ_SEED ?? (given === undefined ? 20_260_101 : Date.now() % 2 ** 31),
);

/** Milliseconds that a test may take beyond what it usually does. */
export const fuzzTime = Number(given ?? 0) * 1000 + 120_000;

/** Numbers of runs: `usual` of them, fewer on a machine that is slow; or as many as `FUZZ_SECONDS` has time for. */
export function* fuzzRuns(usual: number): Generator<number, void> {
  const until = Date.now() + (given === undefined ? 45_000 : Number(given) * 1000);
  for (let run = 0; (given !== undefined || run < usual) && (run === 0 || Date.now() < until); run++)
    yield run;
}

/** mulberry32. */
export function randomFrom(seed: number): Random {
  let state = seed | 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) % limit;
  };
}

/** One of them. */
export function pick<T>(random: Random, choices: readonly T[]): T {
  const at = random(choices.length);
  if (choices.length === 0) throw new Error('pick: nothing to choose from');
  return choices[at] as T;
}

/** What is wrong with an error that hostile input led to; undefined for one of ours, with a code that is not our defect. */
export function complaintAbout(error: unknown): string | undefined {
  if (error instanceof CoracleError && error.code !== 'INTERNAL') return undefined;
  if (!(error instanceof Error)) return String(error);
  return (error.stack ?? error.message).split('\n').slice(0, 5).join('\n');
}

/** Milliseconds that this process has used: a busy machine makes nothing slower by it. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** What lies in the owners' directories below staging, their locks aside. */
export function stagedNames(staging: string): readonly string[] {
  if (!existsSync(staging)) return [];
  return readdirSync(staging)
    .filter((owner) => statSync(join(staging, owner)).isDirectory())
    .flatMap((owner) => readdirSync(join(staging, owner)))
    .filter((name) => name !== 'lock');
}
