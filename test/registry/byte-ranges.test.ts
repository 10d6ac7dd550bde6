/** Answers with several parts, whatever pieces they come in. */
import test, { type ExecutionContext } from 'ava';
import { CoracleError } from '../../lib/errors.js';
import { partsBoundary, readParts } from '../../lib/registry/byte-ranges.js';

const answer = [
  '\r\n--B\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 2-4/20\r\n\r\ncde\r\n',
  '--B\r\ncontent-range: bytes 10-13/20\r\n\r\n--B!\r\n--B--\r\n',
].join('');

async function* inPieces(text: string, size: number): AsyncGenerator<Buffer, void> {
  for (let at = 0; at < text.length; at += size) yield Buffer.from(text.slice(at, at + size));
}

async function collect(text: string, size: number): Promise<Record<number, string>> {
  const bytes: Record<number, string> = {};
  for await (const piece of readParts(inPieces(text, size), 'B')) {
    for (const [at, byte] of [...piece.bytes].entries())
      bytes[piece.position + at] = String.fromCharCode(byte);
  }
  return bytes;
}

const parts = { 2: 'c', 3: 'd', 4: 'e', 10: '-', 11: '-', 12: 'B', 13: '!' };

for (const size of [1, 3, 7, 1000]) {
  test(`parts come out at their places in pieces of ${size}`, async (t) => {
    t.deepEqual(await collect(answer, size), parts);
  });
}

test('an answer that ends early gives what it has', async (t) => {
  t.deepEqual(await collect(answer.slice(0, answer.indexOf('de\r')), 5), { 2: 'c' });
});

const refuses = test.macro(async (t: ExecutionContext, text: string) => {
  const error = await t.throwsAsync(collect(text, 50), { instanceOf: CoracleError });
  t.is(error?.code, 'REGISTRY');
});

test('a part without a place is refused', refuses, '--B\r\nX: y\r\n\r\nabc\r\n--B--');
test(
  'a part that ends before it begins is refused',
  refuses,
  '--B\r\nContent-Range: bytes 9-2/20\r\n\r\nabc',
);
test('a line without an end is refused', refuses, `--B\r\n${'x'.repeat(10_000)}`);
test('headers without an end are refused', refuses, `--B\r\n${'X: y\r\n'.repeat(100)}`);
test('an answer without its boundary is refused', refuses, 'x\r\n'.repeat(100));

test('a boundary is read in quotes and without', (t) => {
  t.is(partsBoundary('multipart/byteranges; boundary=abc'), 'abc');
  t.is(partsBoundary('Multipart/Byteranges; charset=x; boundary="a b"'), 'a b');
  t.is(partsBoundary('application/octet-stream'), undefined);
  t.is(partsBoundary(undefined), undefined);
});
