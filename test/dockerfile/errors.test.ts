import test from 'ava';
import { parseDockerfile, parseTrigger } from '../../lib/dockerfile/parse.js';
import { renderExcerpt } from '../../lib/dockerfile/source.js';
import { CoracleError } from '../../lib/errors.js';

/** Dockerfile, message, and line and column the caret stands at. */
const faults: readonly (readonly [string, RegExp, string, RegExp?])[] = [
  ['', /the file holds no instructions/, '1'],
  ['# only a comment\n', /the file holds no instructions/, '1'],
  ['ARG X=1\n', /has no FROM/, '1:1'],
  ['RUN a\nFROM scratch\n', /RUN stands before the first FROM/, '1:1'],
  ['FROM scratch\nFORM x\n', /unknown instruction FORM/, '2:1', /did you mean FROM\?/],
  ['FROM scratch\n  CPOY a b\n', /unknown instruction CPOY/, '2:3', /did you mean COPY\?/],
  ['FROM scratch\nWHATEVER\n', /unknown instruction WHATEVER/, '2:1', /one of ADD, /],
  ['\\\n', /ends without an instruction/, '1:1'],
  ['FROM\n', /FROM needs an image/, '1:1'],
  ['FROM a b\n', /one or three words/, '1:8'],
  ['FROM a AS b c\n', /one or three words/, '1:8'],
  ['FROM a AS 1b\n', /invalid stage name 1b/, '1:11'],
  ['FROM a AS b/c\n', /invalid stage name b\/c/, '1:11'],
  ['FROM --plat=x a\n', /unknown flag --plat/, '1:6', /--platform/],
  ['FROM scratch\nRUN\n', /RUN needs a command/, '2:1'],
  ['FROM scratch\nRUN []\n', /RUN needs a command/, '2:5'],
  ['FROM scratch\nRUN ["a", 1]\n', /must hold strings only/, '2:5'],
  ['FROM scratch\nRUN ["a\\u0000"]\n', /NUL/, '2:5'],
  ['FROM scratch\nRUN --netwrok=none a\n', /unknown flag --netwrok/, '2:5', /did you mean --network\?/],
  ['FROM scratch\nRUN --network=nope a\n', /invalid --network nope/, '2:5', /default, none, host|none/],
  ['FROM scratch\nRUN --security=on a\n', /invalid --security on/, '2:5'],
  ['FROM scratch\nRUN --network=none --network=none a\n', /duplicate flag --network/, '2:20'],
  ['FROM scratch\nRUN --network a\n', /flag --network needs a value/, '2:5'],
  ['FROM scratch\nRUN --mount=a"b a\n', /RUN needs a command/, '2:1'],
  ['FROM scratch\nRUN --mount=\\"a\\"b a\n', /--mount value/, '2:5'],
  ['FROM scratch\nRUN \\\n  --mount=from=$X,target=/ a\n', /from=\$X cannot hold a variable/, '3:3'],
  ['FROM scratch\nRUN --device=a,b=c x\n', /unexpected b=c/, '2:5'],
  ['FROM scratch\nRUN <<EOF\na\n', /unterminated heredoc EOF/, '2:5', /only EOF/],
  ['FROM scratch\nRUN a \\\n  <<EOF\nEO\n', /unterminated heredoc EOF/, '3:3'],
  ['FROM scratch\nCOPY a\n', /COPY needs a source and a destination/, '2:1'],
  ['FROM scratch\nCOPY ["a"]\n', /COPY needs a source and a destination/, '2:1'],
  ['FROM scratch\nCOPY a <<EOF\nEOF\n', /heredoc as its destination/, '2:8'],
  ['FROM scratch\nCOPY --from=$X a b\n', /--from=\$X cannot hold a variable/, '2:6', /FROM/],
  ['FROM scratch\nCOPY --link=maybe a b\n', /--link is true or false, not "maybe"/, '2:6'],
  ['FROM scratch\nCOPY --link= a b\n', /--link is true or false, not ""/, '2:6'],
  ['FROM scratch\nCOPY --checksum=x a b\n', /unknown flag --checksum/, '2:6'],
  ['FROM scratch\nADD --parents a b\n', /unknown flag --parents/, '2:5'],
  ['FROM scratch\nENV\n', /ENV needs a name and a value/, '2:1'],
  ['FROM scratch\nENV a\n', /ENV a has no value/, '2:1'],
  ['FROM scratch\nENV a=b c\n', /no = in c/, '2:9'],
  ['FROM scratch\nENV a=b =c\n', /name is blank/, '2:9'],
  ['FROM scratch\nARG =c\n', /name is blank/, '2:5'],
  ['FROM scratch\nARG --x a\n', /unknown flag --x/, '2:5', /takes no flags/],
  ['FROM scratch\nSHELL bash\n', /is not a JSON array/, '2:7'],
  ['FROM scratch\nSHELL []\n', /SHELL needs an executable/, '2:7'],
  ['FROM scratch\nVOLUME [""]\n', /VOLUME path is empty/, '2:8'],
  ['FROM scratch\nHEALTHCHECK\n', /HEALTHCHECK needs/, '2:1'],
  ['FROM scratch\nHEALTHCHECK CMD\n', /HEALTHCHECK CMD needs a command/, '2:13'],
  ['FROM scratch\nHEALTHCHECK RUN x\n', /unknown HEALTHCHECK type RUN/, '2:13'],
  ['FROM scratch\nHEALTHCHECK NONE x\n', /takes no arguments/, '2:13'],
  ['FROM scratch\nHEALTHCHECK --interval=5 CMD x\n', /invalid --interval 5/, '2:13'],
  ['FROM scratch\nHEALTHCHECK --timeout=5us CMD x\n', /less than 1ms/, '2:13'],
  ['FROM scratch\nHEALTHCHECK --retries=-1 CMD x\n', /invalid --retries -1/, '2:13'],
  ['FROM scratch\nONBUILD\n', /ONBUILD needs an instruction/, '2:1'],
  ['FROM scratch\nONBUILD ONBUILD RUN x\n', /ONBUILD is not allowed as an ONBUILD trigger/, '2:9'],
  ['FROM scratch\nONBUILD from x\n', /FROM is not allowed as an ONBUILD trigger/, '2:9'],
  ['FROM scratch\nONBUILD MAINTAINER x\n', /MAINTAINER is not allowed/, '2:9'],
  ['FROM scratch\nONBUILD COPY --form=x a b\n', /unknown flag --form/, '2:14', /--from/],
  ['# escape=x\nFROM scratch\n', /invalid escape token x/, '1:1'],
  ['# syntax=a\n# Syntax=b\nFROM scratch\n', /duplicate parser directive syntax/, '2:1'],
  ['FROM scratch\nRUN a\0b\n', /NUL byte/, '2:6'],
];

test('each fault is one INVALID error with a caret at the right place', (t) => {
  for (const [text, message, place, hint] of faults) {
    const error = t.throws(() => parseDockerfile(text, 'web/Dockerfile'), { instanceOf: CoracleError }, text);
    t.is(error.code, 'INVALID', text);
    t.regex(error.message, message, text);
    t.regex(error.message, /^parse web\/Dockerfile:\d+: /, text);
    t.is(error.excerpt?.split('\n')[0], `web/Dockerfile:${place}`, text);
    if (hint !== undefined) t.regex(error.hint ?? '', hint, text);
  }
});

test('bytes that are not UTF-8 are refused with their line', (t) => {
  const bytes = Buffer.concat([Buffer.from('FROM scratch\nENV a=\ufffd b='), Buffer.from([0xff, 0x0a])]);
  const error = t.throws(() => parseDockerfile(bytes, 'Dockerfile'), { instanceOf: CoracleError });
  t.regex(error.message, /^parse Dockerfile:2: the line is not valid UTF-8$/);
});

test('a trigger of an image is one instruction that is allowed there', (t) => {
  for (const text of ['', 'FROM x', 'ONBUILD RUN x', 'MAINTAINER me', 'RUN a\nRUN b', 'NOPE']) {
    const error = t.throws(
      () => parseTrigger(text, 'ONBUILD of base', '\\'),
      { instanceOf: CoracleError },
      text,
    );
    t.regex(error.message, /^parse ONBUILD of base:\d: /);
  }
});

test('an excerpt shows the line before, the range and a caret', (t) => {
  const lines = ['FROM a', '# x', '\tRUN --bad \\', '  more', 'CMD x'];
  const text = renderExcerpt('Dockerfile', lines, { startLine: 3, endLine: 4, startColumn: 6 });
  t.is(text, ['Dockerfile:3:6', '2 | # x', '3 |  RUN --bad \\', '  |      ^', '4 |   more'].join('\n'));
});

test('an excerpt shows no control characters and no endless lines', (t) => {
  const lines = [`${'x'.repeat(500)}\u001b[31m`, ...Array.from({ length: 50 }, () => 'y')];
  const text = renderExcerpt('Dockerfile', lines, { startLine: 1, endLine: 51, startColumn: 501 });
  t.false(text.includes('\u001b'));
  t.true(text.split('\n').length < 15);
  t.true(text.split('\n').every((line) => line.length < 200));
  const [, shown = '', caret = ''] = text.split('\n');
  t.is(shown[caret.indexOf('^')], '\ufffd');
});
