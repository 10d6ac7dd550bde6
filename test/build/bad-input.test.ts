/** What a build refuses: each with one clear error that points at its place, before or without any half-made image. */
import { chmodSync, existsSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { BuildOptions } from '../../lib/build/options.js';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import { testWith } from '../helpers/declare.js';
import { Builder, type Files, missingForBuilds } from './builder.js';

type Expected = {
  readonly code: ErrorCode;
  readonly message: RegExp;
  readonly excerpt?: RegExp;
  readonly hint?: RegExp;
};

/** The store holds nothing unfinished. */
function assertClean(t: ExecutionContext<unknown>, builder: Builder): void {
  const { staging, trash } = builder.stores.paths;
  const left = [staging, trash].flatMap((path) => (existsSync(path) ? readdirSync(path) : []));
  const owner = left.filter((name) => !name.endsWith('.lock'));
  t.true(owner.length <= 1, `left behind: ${left.join(' ')}`);
  for (const name of owner) t.deepEqual(readdirSync(join(staging, name)), ['lock'], `left behind in ${name}`);
}

const base = 'FROM localhost/busybox\n';
const rows: readonly (readonly [string, string, Expected, Files?, Partial<BuildOptions>?])[] = [
  [
    'an unknown instruction',
    `${base}COPPY a b\n`,
    { code: 'INVALID', message: /COPPY/i, excerpt: /Dockerfile:2/, hint: /COPY/ },
  ],
  [
    'an unknown flag',
    `${base}COPY --chwon=1 a b\n`,
    { code: 'INVALID', message: /chwon/, excerpt: /Dockerfile:2:6/ },
  ],
  [
    'a device in a RUN',
    `${base}RUN --device=vendor.com/x true\n`,
    { code: 'UNSUPPORTED', message: /RUN --device/, excerpt: /\^/ },
  ],
  ['an empty Dockerfile', '# nothing\n', { code: 'INVALID', message: /holds no instructions/ }],
  ['no FROM', 'RUN true\n', { code: 'INVALID', message: /FROM/, excerpt: /Dockerfile:1/ }],
  [
    'a missing file',
    `${base}COPY nothing /x\n`,
    { code: 'NOT_FOUND', message: /copy nothing: not found/, excerpt: /Dockerfile:2/ },
  ],
  [
    'an ignored file',
    `${base}COPY secret /x\n`,
    { code: 'NOT_FOUND', message: /ignore file leaves it out/ },
    { secret: '', '.dockerignore': 'secret' },
  ],
  [
    'a path out of the context',
    `${base}COPY ../x /x\n`,
    { code: 'INVALID', message: /leads out of the build context/, excerpt: /Dockerfile:2/ },
  ],
  ['a path that only begins inside', `${base}COPY a/../../x /x\n`, { code: 'INVALID', message: /leads out/ }],
  [
    'several sources and a file',
    `${base}COPY a b /x\n`,
    { code: 'INVALID', message: /must end with \// },
    { a: '', b: '' },
  ],
  [
    'a file where a directory must be',
    `${base}COPY a /etc/passwd/\n`,
    { code: 'INVALID', message: /etc\/passwd/ },
    { a: '' },
  ],
  [
    'a directory over a file',
    `${base}COPY a /etc/passwd\n`,
    { code: 'INVALID', message: /etc\/passwd/ },
    { 'a/b': '' },
  ],
  [
    'a file over a directory inside a tree',
    `${base}RUN mkdir -p /d/f\nCOPY a /d\n`,
    { code: 'INVALID', message: /d\/f: it is a directory/ },
    { 'a/f': '' },
  ],
  [
    'a missing base',
    'FROM localhost/missing:1\n',
    { code: 'NOT_FOUND', message: /localhost\/missing/, excerpt: /Dockerfile:1/ },
  ],
  ['a stage that does not exist', `${base}COPY --from=7 a b\n`, { code: 'INVALID', message: /stage 7/ }],
  [
    'a later stage',
    `${base}COPY --from=later a b\nFROM localhost/busybox AS later\n`,
    { code: 'INVALID', message: /later/ },
    {},
    { target: '0' },
  ],
  ['an unknown target', base, { code: 'NOT_FOUND', message: /no such stage/ }, {}, { target: 'none' }],
  [
    'an unknown user of --chown',
    `${base}COPY --chown=nobody-here a /\n`,
    { code: 'NOT_FOUND', message: /nobody-here/ },
    { a: '' },
  ],
  [
    'an owner out of range',
    `${base}COPY --chown=4294967296 a /\n`,
    { code: 'INVALID', message: /4294967296/ },
    { a: '' },
  ],
  ['an unknown user', `${base}USER nobody-here\nRUN true\n`, { code: 'START', message: /nobody-here/ }],
  ['a bad mode', `${base}COPY --chmod=9z a /\n`, { code: 'INVALID', message: /9z/ }, { a: '' }],
  ['a bad tag', base, { code: 'INVALID', message: /UPPER/ }, {}, { tags: ['localhost/UPPER'] }],
  [
    'a failing RUN',
    `${base}RUN echo before\nRUN exit 42\n`,
    { code: 'BUILD', message: /exit code: 42/, excerpt: /Dockerfile:3[\s\S]*RUN exit 42[\s\S]*\^/ },
  ],
  [
    'a RUN ended by a signal',
    `${base}RUN sh -c 'kill -9 $$'; exit $?\n`,
    { code: 'BUILD', message: /exit code: 137/ },
  ],
  ['a command that is not found', `${base}RUN not-a-command\n`, { code: 'BUILD', message: /exit code: 127/ }],
  [
    'a program that is not found',
    `${base}RUN ["/not-a-program"]\n`,
    { code: 'START', message: /not-a-program/, excerpt: /Dockerfile:2/ },
  ],
  [
    'a program that is not executable',
    `${base}RUN ["/etc/passwd"]\n`,
    { code: 'START', message: /etc\/passwd/ },
  ],
  [
    'a shell that is missing',
    'FROM scratch\nRUN true\n',
    { code: 'START', message: /\/bin\/sh/, excerpt: /Dockerfile:2/ },
  ],
  [
    'a damaged archive',
    `${base}ADD a.tar /\n`,
    { code: 'INVALID', message: /./ },
    { 'a.tar': Buffer.concat([damagedTar()]) },
  ],
  [
    'a bad ignore file',
    `${base}COPY . /\n`,
    { code: 'INVALID', message: /dockerignore/ },
    { '.dockerignore': 'a\n[\n' },
  ],
];

/** A tar whose second header does not add up. */
function damagedTar(): Buffer {
  const block = Buffer.alloc(2048, 'x');
  block.fill(0, 0, 512);
  block.write('name', 0);
  block.write('0000644\0 0000000\0 0000000\0 00000000000\0 00000000000\0', 100);
  block.write('ustar\u000000', 257);
  block.write('        ', 148);
  const sum = block.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

for (const [what, text, expected, files, options] of rows) {
  testWith(missingForBuilds, `${what} is refused`, async (t) => {
    const builder = await Builder.open(t);
    const before = builder.stores.images.list().length;
    const error = await builder.fails(t, text, files, options);
    t.is(error.code, expected.code, error.message);
    t.regex(error.message, expected.message);
    if (expected.excerpt !== undefined) t.regex(error.excerpt ?? '', expected.excerpt);
    if (expected.hint !== undefined) t.regex(error.hint ?? '', expected.hint);
    t.is(builder.stores.images.list().length, before);
    assertClean(t, builder);
  });
}

testWith(missingForBuilds, 'a bad tag is found out before any step runs', async (t) => {
  const builder = await Builder.open(t);
  const context = builder.context({ Dockerfile: `${base}RUN touch /x\n` });
  const error = await t.throwsAsync(builder.build(context, { tags: ['localhost/a:b:c'] }), {
    instanceOf: CoracleError,
  });
  t.regex(error?.message ?? '', /a:b:c/);
  t.is((await builder.build(context)).cached, 0);
});

testWith(missingForBuilds, 'a context that is missing or no directory is refused by its name', async (t) => {
  const builder = await Builder.open(t);
  const file = join(builder.directory, 'file');
  writeFileSync(file, '');
  t.like(await t.throwsAsync(builder.build(file)), {
    code: 'INVALID',
    message: `open build context ${file}: it is not a directory`,
  });
  t.like(await t.throwsAsync(builder.build(`${file}-none`)), {
    code: 'NOT_FOUND',
    message: `open build context ${file}-none: no such directory`,
  });
});

testWith(
  missingForBuilds,
  'a Dockerfile that is missing, unreadable or a directory is refused by its path',
  async (t) => {
    const builder = await Builder.open(t);
    const none = builder.context({ a: '' });
    t.like(await t.throwsAsync(builder.build(none)), {
      code: 'NOT_FOUND',
      message: `read Dockerfile ${none}/Dockerfile: no such file`,
    });
    t.like(await t.throwsAsync(builder.build(none, { dockerfile: 'else' })), {
      code: 'NOT_FOUND',
      message: 'read Dockerfile else: no such file',
    });
    const locked = builder.context({ Dockerfile: base });
    chmodSync(join(locked, 'Dockerfile'), 0);
    const error = await t.throwsAsync(builder.build(locked), { instanceOf: CoracleError });
    t.regex(error?.message ?? '', /Dockerfile.*EACCES|permission denied/i);
    const directory = builder.context({ 'Dockerfile/x': '' });
    t.regex((await t.throwsAsync(builder.build(directory)))?.message ?? '', /Dockerfile/);
  },
);

testWith(
  missingForBuilds,
  'a STOPSIGNAL that no container could have is refused where it stands',
  async (t) => {
    const builder = await Builder.open(t);
    const context = builder.context({ Dockerfile: `${base}ARG S=FOO\nSTOPSIGNAL $S\n` });
    const error = await t.throwsAsync(builder.build(context), { instanceOf: CoracleError });
    t.is(error?.message, 'parse signal "FOO": no such signal');
    t.regex(error?.excerpt ?? '', /Dockerfile:3:1/);
  },
);

testWith(missingForBuilds, 'an unreadable file of the context is named', async (t) => {
  const builder = await Builder.open(t);
  const context = builder.context({ Dockerfile: `${base}COPY . /c\n`, 'd/locked': 'x' });
  chmodSync(join(context, 'd/locked'), 0);
  const error = await t.throwsAsync(builder.build(context), { instanceOf: CoracleError });
  t.regex(error?.message ?? '', /d\/locked/);
  writeFileSync(join(context, '.dockerignore'), 'd');
  await t.notThrowsAsync(builder.build(context));
});

testWith(missingForBuilds, 'links that lead around in circles are refused', async (t) => {
  const builder = await Builder.open(t);
  const context = builder.context({ Dockerfile: `${base}COPY loop /c\n` });
  symlinkSync('loop', join(context, 'loop'));
  t.regex((await t.throwsAsync(builder.build(context)))?.message ?? '', /too many symbolic links/);
});

testWith(missingForBuilds, 'after a failed build the steps before the failure are cached', async (t) => {
  const builder = await Builder.open(t);
  await builder.fails(t, `${base}RUN echo 1\nRUN false\n`);
  const { cached, steps } = await builder.make(`${base}RUN echo 1\nRUN true\n`);
  t.deepEqual([cached, steps], [1, 2]);
});

testWith(missingForBuilds, 'one failing stage does not leave another running', async (t) => {
  const builder = await Builder.open(t);
  const text = `${base.trim()} AS a\nRUN sleep 0.5; echo finished\n${base.trim()} AS b\nRUN exit 3\nFROM scratch\nCOPY --from=a /x /\nCOPY --from=b /x /\n`;
  const error = await builder.fails(t, text, {}, { jobs: 2 });
  t.regex(error.message, /exit code: 3/);
  assertClean(t, builder);
});
