/** COPY and ADD: --parents, --exclude, --chmod, --chown, --link, heredocs, as BuildKit carries them out. */
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { testWith } from '../helpers/declare.js';
import { makeTar } from '../helpers/image.js';
import { Builder, type Files, missingForBuilds } from './builder.js';
import { SharedBuilders } from './shared-builders.js';

const builders = new SharedBuilders();

test.after.always('the stores are removed', () => builders.close());
const base = 'FROM localhost/busybox\n';

/** Paths with their contents below `/o` of what `text` makes, directories with a slash. */
async function made(builder: Builder, text: string, files: Files): Promise<readonly string[]> {
  const { image } = await builder.make(text, files);
  const found = await builder.below(image, 'o/');
  return found.map((line) => line.replace(/ directory .*/, '/').replace(/ (file|symlink) .*/, ''));
}

const tree: Files = {
  'a/b/c/d/foo': '1',
  'a/b/c/d/e/bay': '2',
  'a/b2/c/d/e/bar': '3',
  'a/b/c2/d/e/baz': '4',
  'a/b/c2/d/e2/baz': '5',
  'top.txt': '6',
};

const parents: readonly (readonly [string, string, readonly string[]])[] = [
  [
    'all directories of a file are kept',
    'a/b/c/d/foo /o/',
    ['a/', 'a/b/', 'a/b/c/', 'a/b/c/d/', 'a/b/c/d/foo'],
  ],
  ['those before the pivot are left', 'a/b/./c/d/foo /o/', ['c/', 'c/d/', 'c/d/foo']],
  ['the first pivot counts', 'a/./b/./c/d/foo /o/', ['b/', 'b/c/', 'b/c/d/', 'b/c/d/foo']],
  [
    'a dot at the end means the directory',
    'a/b/c/d/. /o/',
    ['a/', 'a/b/', 'a/b/c/', 'a/b/c/d/', 'a/b/c/d/e/', 'a/b/c/d/e/bay', 'a/b/c/d/foo'],
  ],
  [
    'a wildcard stands for one directory',
    'a/./*/c/d/e /o/',
    [
      'b/',
      'b/c/',
      'b/c/d/',
      'b/c/d/e/',
      'b/c/d/e/bay',
      'b2/',
      'b2/c/',
      'b2/c/d/',
      'b2/c/d/e/',
      'b2/c/d/e/bar',
    ],
  ],
  ['a wildcard before the pivot', 'a/b*/./c/**/e /o/', ['c/', 'c/d/', 'c/d/e/', 'c/d/e/bar', 'c/d/e/bay']],
  [
    'two stars stand for any directories',
    '**/baz /o/',
    [
      'a/',
      'a/b/',
      'a/b/c2/',
      'a/b/c2/d/',
      'a/b/c2/d/e/',
      'a/b/c2/d/e/baz',
      'a/b/c2/d/e2/',
      'a/b/c2/d/e2/baz',
    ],
  ],
  [
    'several sources',
    'a/b/c*/./d/**/baz top.txt /o/',
    ['d/', 'd/e/', 'd/e/baz', 'd/e2/', 'd/e2/baz', 'top.txt'],
  ],
];

for (const [what, words, expected] of parents) {
  testWith(missingForBuilds, `COPY --parents: ${what}`, async (t) => {
    const builder = await builders.get('overlay');
    t.deepEqual(await made(builder, `${base}COPY --parents ${words}\n`, tree), expected);
    const staged = `${base.trim()} AS s\nCOPY a /a\nCOPY top.txt /top.txt\n${base}COPY --from=s --parents ${words}\n`;
    t.deepEqual(await made(builder, staged, tree), expected, 'from a stage');
  });
}

testWith(
  missingForBuilds,
  'COPY --parents keeps the modes of directories and wants a path without wildcards',
  async (t) => {
    const builder = await builders.get('overlay');
    const context = builder.context({ Dockerfile: `${base}COPY --parents p/q/f /o/\n`, 'p/q/f': 'x' });
    chmodSync(join(context, 'p'), 0o700);
    chmodSync(join(context, 'p/q'), 0o2750);
    const { image } = await builder.build(context);
    t.deepEqual((await builder.below(image, 'o/')).slice(0, 2), [
      'p directory 700 0:0',
      'p/q directory 2750 0:0',
    ]);
    const error = await builder.fails(t, `${base}COPY --parents p/none /o/\n`, { 'p/f': '' });
    t.is(error.code, 'NOT_FOUND');
    t.regex(error.excerpt ?? '', /Dockerfile:2/);
  },
);

const pictures: Files = {
  'dir1/101.png': '',
  'dir1/102.txt': '',
  'dir2/201.pdf': '',
  'dir2/202.jpeg': '',
  'dir3/301.mp3': '',
  'dir3/302.mpeg': '',
};
const excludes: readonly (readonly [string, string, readonly string[]])[] = [
  [
    'patterns are relative to the source',
    'COPY --exclude=*/*.png --exclude=*/*.jpeg --exclude=Dockerfile . /o',
    ['dir1/', 'dir1/102.txt', 'dir2/', 'dir2/201.pdf', 'dir3/', 'dir3/301.mp3', 'dir3/302.mpeg'],
  ],
  ['one directory', 'ADD --exclude=*.mp3 dir3/ /o/', ['302.mpeg']],
  [
    'each match of a wildcard is a source',
    'COPY --exclude=*.mp3 --exclude=*.jpeg --exclude=*.p* --exclude=*.txt dir* /o/',
    ['302.mpeg'],
  ],
  ['what is excluded may be taken back in', 'COPY --exclude=* --exclude=!*.txt dir1 /o', ['102.txt']],
  [
    'back in below an excluded directory',
    'COPY --exclude=dir* --exclude=!dir2/201.pdf --exclude=Dockerfile . /o',
    ['dir2/', 'dir2/201.pdf'],
  ],
  ['files of a wildcard by their names', 'COPY --exclude=*.png dir1/* /o/', ['102.txt']],
  ['everything', 'ADD --exclude=* dir* /o', []],
  ['with --parents', 'COPY --parents --exclude=**/*.png dir1 /o/', ['dir1/', 'dir1/102.txt']],
];
for (const [what, line, expected] of excludes) {
  testWith(missingForBuilds, `--exclude: ${what}`, async (t) => {
    const builder = await builders.get('overlay');
    t.deepEqual(await made(builder, `${base}${line}\n`, pictures), expected);
    if (line.startsWith('ADD')) return;
    const staged = `${base.trim()} AS s\nCOPY . /\n${base}${line.replace('COPY', 'COPY --from=s --exclude=bin --exclude=etc --exclude=srv --exclude=usr --exclude=lib* --exclude=tmp --exclude=root --exclude=home')}\n`;
    if (line.includes(' . ')) return;
    t.deepEqual(await made(builder, staged, pictures), expected, 'from a stage');
  });
}

testWith(missingForBuilds, 'what is excluded does not make a step run again', async (t) => {
  const builder = await builders.get('overlay');
  const text = `${base}COPY --exclude=*.log d /o\n`;
  const first = await builder.make(text, { 'd/a': '1', 'd/b.log': '2' });
  const second = await builder.make(text, { 'd/a': '1', 'd/b.log': 'other', 'd/c.log': 'new' });
  t.is(second.cached, 1);
  t.is(second.image.id, first.image.id);
  t.is((await builder.make(text, { 'd/a': 'other' })).cached, 0);
});

testWith(missingForBuilds, 'a pattern without matches is an optional source, and said', async (t) => {
  const builder = await builders.get('overlay');
  const { image, events } = await builder.make(`${base}COPY f nothing* /o/\nCOPY none[0-9] /o2/\n`, {
    f: 'x',
  });
  t.deepEqual(
    (await builder.below(image, 'o')).map((line) => line.replace(/ .*/, '')),
    ['', '/f'],
  );
  t.true(
    events.some((event) => event.kind === 'warning' && /nothing\*: nothing matches/.test(event.message)),
  );
});

testWith(
  missingForBuilds,
  '--chmod takes symbols and variables, and applies them to each file',
  async (t) => {
    const builder = await builders.get('overlay');
    const context = builder.context({
      Dockerfile: `${base}ARG M=go=u,o-w\nCOPY --chmod=u=rwX,go=rX d /o\nCOPY --chmod=+x d/plain /x\nCOPY --chmod=$M d/plain /v\nCOPY --chmod=a-w <<EOT /h\ntext\nEOT\n`,
      'd/plain': 'p',
      'd/run': 'r',
      'd/sub/f': 'f',
    });
    chmodSync(join(context, 'd/plain'), 0o600);
    chmodSync(join(context, 'd/run'), 0o711);
    chmodSync(join(context, 'd/sub'), 0o700);
    const { image } = await builder.build(context);
    const modes = (await builder.tree(image)).flatMap(
      (line) => /^(o\/\S+|[xvh]) \w+ (\d+)/.exec(line)?.slice(1, 3).join(' ') ?? [],
    );
    t.deepEqual(modes, ['h 444', 'o/plain 644', 'o/run 755', 'o/sub 755', 'o/sub/f 644', 'v 664', 'x 711']);
    const error = await builder.fails(t, `${base}COPY --chmod=u+y f /f\n`, { f: '' });
    t.is(error.code, 'INVALID');
    t.regex(error.excerpt ?? '', /Dockerfile:2/);
  },
);

testWith(missingForBuilds, 'heredocs: quoted, tabs stripped, several, mode 0644', async (t) => {
  const builder = await builders.get('overlay');
  const text = `${base}ARG V=1\nCOPY <<one <<-"two" <<'three' /o/\n$V\none\n\t\tx $V\ntwo\n\tkeep $V\nthree\n`;
  const { image } = await builder.make(text);
  t.is(await builder.text(image, 'o/one'), '1\n');
  t.is(await builder.text(image, 'o/two'), 'x $V\n');
  t.is(await builder.text(image, 'o/three'), '\tkeep $V\n');
  t.true((await builder.below(image, 'o/one')).every((line) => line.startsWith(' file 644 0:0')));
});

testWith(missingForBuilds, 'ADD --unpack decides whether archives are unpacked', async (t) => {
  const builder = await builders.get('overlay');
  const files = { 'a.tar': makeTar([{ name: 'in', content: 'x' }]) };
  t.deepEqual(await made(builder, `${base}ADD a.tar /o/\n`, files), ['in']);
  t.deepEqual(await made(builder, `${base}ADD --unpack=false a.tar /o/\n`, files), ['a.tar']);
  t.deepEqual(await made(builder, `${base}ADD --unpack=true a.tar /o/\n`, files), ['in']);
  t.deepEqual(await made(builder, `${base}COPY a.tar /o/\n`, files), ['a.tar']);
});

testWith(
  missingForBuilds,
  'COPY --link follows no link of its destination and makes plain directories',
  async (t) => {
    const builder = await builders.get('overlay');
    const start = `${base}RUN mkdir /real && ln -s /real /linked && ln -s /real/f /file\n`;
    const plain = await builder.make(`${start}COPY f /linked/f\n`, { f: 'x' });
    t.is(await builder.text(plain.image, 'real/f'), 'x');
    const { image } = await builder.make(
      `${start}COPY --link f /linked/f\nADD --link f /file\nCOPY --link f /srv/f\n`,
      { f: 'x' },
    );
    const found = (await builder.tree(image)).filter((line) => /^(linked|real|file|srv)/.test(line));
    t.deepEqual(
      found.map((line) => line.replace(/ 1 \w+$/, '')),
      [
        'file file 644 0:0',
        'linked directory 755 0:0',
        'linked/f file 644 0:0',
        'real directory 755 0:0',
        'srv directory 755 0:0',
        'srv/f file 644 0:0',
      ],
    );
  },
);

testWith(missingForBuilds, 'a linked layer serves above another base without being made again', async (t) => {
  const builder = await Builder.open(t);
  const text = (n: number): string =>
    `${base}RUN echo ${n} > /n\nCOPY --link --chown=7:8 d /o\nRUN cat /n /o/f\n`;
  const files = { 'd/f': 'same', 'd/g/h': 'x' };
  const first = await builder.make(text(1), files);
  const second = await builder.make(text(2), files);
  t.is(first.cached, 0);
  t.is(second.cached, 1, 'the COPY alone');
  t.is(second.output, '2\nsame');
  t.deepEqual(await builder.below(second.image, 'o'), await builder.below(first.image, 'o'));
  const { diff_ids: ours } = second.image.config.rootfs;
  t.is(ours[2], first.image.config.rootfs.diff_ids[2], 'and its layer is the same one');
  t.is((await builder.make(text(2), files)).cached, 3);
  t.is((await builder.make(text(3), { ...files, 'd/f': 'other' })).cached, 0);
});

testWith(missingForBuilds, 'COPY --link with names asks the base whom they mean', async (t) => {
  const builder = await Builder.open(t);
  const text = (uid: number): string =>
    `${base}RUN echo "app:x:${uid}:77::/:" > /etc/passwd\nCOPY --link --chown=app f /o\n`;
  for (const uid of [100, 200]) {
    const { image } = await builder.make(text(uid), { f: 'x' });
    t.regex((await builder.below(image, 'o '))[0] ?? '', new RegExp(`^file 644 ${uid}:77 `));
  }
});

testWith(missingForBuilds, 'COPY of a URL is refused, and says what is for it', async (t) => {
  const builder = await builders.get('overlay');
  const error = await builder.fails(t, `${base}COPY https://example.com/x /x\n`);
  t.is(error.code, 'INVALID');
  t.regex(error.hint ?? '', /ADD/);
});
