/**
 * Damaged archives: whatever the bytes, the reader ends with entries or with an error of ours, quickly and in
 * bounded memory.
 */
import test from 'ava';
import { CoracleError } from '../../lib/errors.js';
import { defaultTarLimits } from '../../lib/layer/tar-entry.js';
import { TarParser } from '../../lib/layer/tar-parser.js';
import { fuzzRuns, fuzzSeed, fuzzTime, randomFrom } from './seeded.js';
import { hostileTar } from './tar-mutation.js';

const limits = { ...defaultTarLimits, bytes: 64 * 1024 * 1024, entries: 10_000 };

function parse(bytes: Buffer, chunkSize: number): { entries: number; content: number } {
  const seen = { entries: 0, content: 0 };
  let expected = 0;
  const parser = new TarParser(
    {
      entry: (header) => {
        seen.entries++;
        expected = header.size;
      },
      data: (chunk) => {
        seen.content += chunk.length;
        expected -= chunk.length;
      },
      end: () => {
        if (expected !== 0) throw new Error(`an entry's content is ${expected} bytes off`);
      },
    },
    limits,
  );
  for (let at = 0; at < bytes.length; at += chunkSize) parser.push(bytes.subarray(at, at + chunkSize));
  parser.finish();
  return seen;
}

function outcome(bytes: Buffer, chunkSize: number): string {
  try {
    return JSON.stringify(parse(bytes, chunkSize));
  } catch (error) {
    if (error instanceof CoracleError && error.code === 'INVALID') return error.message;
    throw error;
  }
}

test(`S23, S24: damaged archives end well (FUZZ_SEED=${fuzzSeed})`, (t) => {
  t.timeout(fuzzTime);
  const random = randomFrom(fuzzSeed);
  let runs = 0;
  for (const run of fuzzRuns(3000)) {
    runs = run + 1;
    const bytes = hostileTar(random, '/outside');
    const whole = outcome(bytes, bytes.length + 1);
    t.is(outcome(bytes, random(700) + 1), whole, 'the cut into chunks changes the outcome');
  }
  t.log(`${runs} archives`);
});
