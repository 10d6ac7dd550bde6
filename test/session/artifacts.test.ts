/** What files of artifacts are called where they are written. */
import test from 'ava';
import { CoracleError } from '../../lib/errors.js';
import { makeDigest } from '../../lib/oci/digest.js';
import { fileName } from '../../lib/session/artifacts.js';
import { guessType } from '../../lib/transfer/artifact.js';

const digest = makeDigest('sha256', 'a'.repeat(64));
const titled = (title: string): string =>
  fileName({
    mediaType: 'text/plain',
    digest,
    size: 1,
    annotations: { 'org.opencontainers.image.title': title },
  });

test('a title is the name, without one it is the digest', (t) => {
  t.is(titled('notes.txt'), 'notes.txt');
  t.is(titled('..notes'), '..notes');
  t.is(fileName({ mediaType: 'text/plain', digest, size: 1 }), `sha256-${'a'.repeat(64)}`);
});

test('titles that are no names of files are refused', (t) => {
  for (const title of [
    '',
    '.',
    '..',
    '../x',
    '/etc/passwd',
    'a/b',
    'a\0b',
    'a\nb',
    '\u001b[2J',
    'x'.repeat(256),
  ]) {
    t.throws(
      () => titled(title),
      { instanceOf: CoracleError, message: /no name of a file/ },
      JSON.stringify(title),
    );
  }
});

test('a type is told from the first bytes', (t) => {
  t.is(guessType(Buffer.from('plain\n')), 'text/plain; charset=utf-8');
  t.is(guessType(Buffer.from([0x1f, 0x8b, 0x08, 0])), 'application/x-gzip');
  t.is(guessType(Buffer.from([0, 1, 2])), 'application/octet-stream');
  t.is(guessType(Buffer.alloc(0)), 'text/plain; charset=utf-8');
});
