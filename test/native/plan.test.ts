import { crc32 } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import { CoracleError } from '../../lib/errors.js';
import { encodePlan, type PlanRecord } from '../../lib/native/plan.js';
import { parseStatus, startError } from '../../lib/native/status.js';

const nul = '\0';
const word = fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0'));
const record: fc.Arbitrary<PlanRecord> = fc
  .tuple(fc.constantFrom('arg', 'env', 'mount', 'layer'), fc.array(word, { maxLength: 5 }))
  .map(([operation, args]) => [operation, ...args]);

/** What plan_parse in native/plan/plan.c reads. */
function decode(plan: Buffer): readonly (readonly string[])[] {
  const fields = plan.toString('utf8').split('\0');
  const records: string[][] = [];
  let at = 1;
  while (fields[at] !== 'end') {
    const count = Number(fields[at + 1]);
    records.push([fields[at] ?? '', ...fields.slice(at + 2, at + 2 + count)]);
    at += 2 + count;
  }
  return records;
}

test('a plan holds its records and ends with their checksum', (t) => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 20 }), (records) => {
      const plan = encodePlan(records);
      t.deepEqual(decode(plan), records);
      t.is(plan.subarray(0, 15).toString(), 'coracle-plan 1\0');
      const end = plan.lastIndexOf('end\x001\0');
      t.is(plan.subarray(end).toString(), `end${nul}1${nul}${checksum(plan.subarray(0, end))}${nul}`);
    }),
  );
});

test('a NUL would move every later field: it is refused', (t) => {
  const error = t.throws(() => encodePlan([['env', 'A=b\0arg']]), { instanceOf: CoracleError });
  t.regex(error?.message ?? '', /NUL/);
});

test('status lines become values, and failures errors with the exit code', (t) => {
  t.deepEqual(parseStatus('started 4711'), { kind: 'started', pid: 4711 });
  t.deepEqual(parseStatus('exit 137 9 1'), { kind: 'exit', code: 137, signal: 9, oom: true });
  t.deepEqual(parseStatus('warn rlimit 1 nofile%20%C3%A4 set%20limit%20nofile'), {
    kind: 'warn',
    stage: 'rlimit',
    errno: 1,
    object: 'nofile ä',
    prose: 'set limit nofile',
  });
  const failed = parseStatus('error exec 2 /no%20such 127 execute%20/no%20such:%20gone%0Ahint:%20look');
  t.is(failed.kind, 'error');
  if (failed.kind !== 'error') return;
  const error = startError(failed);
  t.like(error, { code: 'START', exitCode: 127 });
  t.like(error, { message: 'execute /no such: gone', hint: 'look' });
  t.throws(() => parseStatus('gibberish'), { instanceOf: CoracleError });
});

function checksum(bytes: Buffer): string {
  return crc32(bytes).toString(16).padStart(8, '0');
}
