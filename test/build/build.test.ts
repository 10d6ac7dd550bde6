/** What a Dockerfile makes, in words: expectations are whole files and whole configs. */
import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { writeTar } from '../../lib/layer/tar-writer.js';
import { testWith } from '../helpers/declare.js';
import { makeTar } from '../helpers/image.js';
import { Builder, missingForBuilds } from './builder.js';

testWith(missingForBuilds, 'heredocs are scripts, programs, inputs and files', async (t) => {
  const builder = await Builder.open(t);
  const { image } = await builder.build(builder.fixture('heredoc-run'));
  const text = (path: string): Promise<string> => builder.text(image, path);
  t.is(await text('plain'), 'one\ntwo\n');
  t.is(await text('quoted'), '$HOME\n');
  t.is(await text('tabs'), 'tabs\n');
  t.is(await text('input'), 'a\n  b 3\n');
  t.is(await text('first'), 'from the first\n');
  t.is(await text('second'), 'from the second\n');
  t.is(await text('script'), '1\nshebang\n');
});

testWith(missingForBuilds, 'heredocs of COPY are files, expanded unless quoted', async (t) => {
  const builder = await Builder.open(t);
  const { image } = await builder.build(builder.fixture('heredoc-copy'));
  t.is(await builder.text(image, 'single'), 'hello world\n');
  t.is(await builder.text(image, 'quoted'), `hello \${NAME}\n`);
  t.is(await builder.text(image, 'directory/one'), 'first\n');
  t.is(await builder.text(image, 'directory/two.txt'), 'second\n');
  t.is(await builder.text(image, 'ran'), 'runs\n');
  const modes = (await builder.tree(image)).filter((line) => /^(bin\/program|empty|single) /.test(line));
  t.deepEqual(
    modes.map((line) => line.split(' ').slice(0, 5).join(' ')),
    ['bin/program file 755 33:33 20', 'empty file 644 0:0 0', 'single file 644 0:0 12'],
  );
});

testWith(
  missingForBuilds,
  'variables are seen from their declaration on, by their own stage and those made from it',
  async (t) => {
    const builder = await Builder.open(t);
    const { image } = await builder.build(builder.fixture('arg-env'));
    t.is(await builder.text(image, 'undeclared'), '[]\n');
    t.is(await builder.text(image, 'declared'), '[1]\n');
    t.is(await builder.text(image, 'values'), `o-2 fallback set \${VERSION} style value with  spaces 2 1\n`);
    t.is(await builder.text(image, 'empty'), 'empty\n');
    t.is(await builder.text(image, 'next-stage'), '[2][o-2][o-2]\n');
    t.like(image.config.config, {
      WorkingDir: '/o-2',
      User: 'www',
      Labels: { 'from-env': 'o-2' },
      ExposedPorts: { '2080/tcp': {} },
    });
  },
);

testWith(
  missingForBuilds,
  'of an ARG and an ENV of one name the later is seen, and only the ENV is kept',
  async (t) => {
    const builder = await Builder.open(t);
    const text = 'FROM localhost/busybox\nARG A=1\nENV A=2\nRUN echo $A\nARG A=3\nRUN echo $A\n';
    const { image, output } = await builder.make(text);
    t.is(output, '2\n3\n');
    t.deepEqual(image.config.config?.Env, ['PATH=/usr/bin:/bin', 'A=2']);
  },
);

testWith(missingForBuilds, '--build-arg beats defaults, and what nobody declared is warned of', async (t) => {
  const builder = await Builder.open(t);
  const text = `ARG TAG=none\nFROM localhost/busybox:\${TAG}\nARG A=default\nARG B\nRUN echo "$A$B$C" > /out\n`;
  const { image, events } = await builder.make(
    text,
    {},
    { buildArgs: { TAG: 'latest', A: 'a', B: 'b', C: 'c' } },
  );
  t.is(await builder.text(image, 'out'), 'ab\n');
  const warnings = events.flatMap((event) => (event.kind === 'warning' ? [event.message] : []));
  t.deepEqual(warnings, ['build arguments were not used: C']);
});

testWith(missingForBuilds, 'only the stages that the target needs are built', async (t) => {
  const builder = await Builder.open(t);
  const text =
    'FROM localhost/busybox AS a\nRUN echo a\nFROM localhost/busybox AS b\nRUN exit 1\nFROM a AS c\nRUN echo c\n';
  t.is((await builder.make(text)).output, 'a\nc\n');
  t.is((await builder.make(text, {}, { target: 'A', noCache: true })).output, 'a\n');
  t.is((await builder.make(text, {}, { target: '0', noCache: true })).steps, 1);
  t.is((await builder.fails(t, text, {}, { target: 'b' })).code, 'BUILD');
});

testWith(
  missingForBuilds,
  'a RUN sees files, environment, directory, user and standard input as documented',
  async (t) => {
    const builder = await Builder.open(t);
    const text = [
      'FROM localhost/busybox',
      'ENV A=1',
      'ARG B=2',
      'WORKDIR /work',
      'USER www',
      'RUN echo "$A $B $PWD $HOME $(id -u):$(id -g) $(umask) [$(cat)] $0 $(hostname)"',
      'RUN ["/bin/echo", "no $expansion"]',
      'RUN env | grep -c -E "^(TERM|CORACLE|USER)" || true',
    ].join('\n');
    const { output } = await builder.make(text);
    t.is(output, '1 2 /work /var/www 33:33 0022 [] /bin/sh buildkitsandbox\nno $expansion\n0\n');
  },
);

testWith(missingForBuilds, 'labels and names of the command line reach the image', async (t) => {
  const builder = await Builder.open(t);
  const { image } = await builder.make(
    'FROM localhost/busybox\nLABEL a=file b=file\nMAINTAINER someone\n',
    {},
    { labels: { b: 'line', c: 'line' }, tags: ['localhost/one', 'localhost/two:v1'] },
  );
  t.deepEqual(image.config.config?.Labels, { a: 'file', b: 'line', c: 'line' });
  t.is(image.config.author, 'someone');
  t.deepEqual([...image.references].sort(), ['localhost/one:latest', 'localhost/two:v1']);
  t.is(builder.stores.images.resolve('localhost/two:v1').id, image.id);
});

testWith(
  missingForBuilds,
  'copied files keep their times where that is asked for, and directories those of their source',
  async (t) => {
    const builder = await Builder.open(t);
    const context = builder.context({
      Dockerfile: 'FROM localhost/busybox\nCOPY . /c\nRUN stat -c "%n %Y" /c/d/f /c/d\n',
      'd/f': 'x',
    });
    for (const name of ['d/f', 'd']) utimesSync(join(context, name), 1, 1_234_567_890.5);
    const { output } = await builder.build(context, { reproducible: false });
    t.is(output, '/c/d/f 1234567890\n/c/d 1234567890\n');
  },
);

testWith(
  missingForBuilds,
  'the history has an entry for each instruction, and says which made layers',
  async (t) => {
    const builder = await Builder.open(t);
    const text =
      'FROM localhost/busybox\nARG V=1\nENV A=b\nRUN echo "$V" > /f\nWORKDIR /new\nWORKDIR /new\nCOPY f /\nCMD x\n';
    const { image } = await builder.make(text, { f: '' });
    const made = (image.config.history ?? []).slice(1);
    t.deepEqual(
      made.map((entry) => [entry.created_by, entry.empty_layer ?? false]),
      [
        ['ARG V=1', true],
        ['ENV A=b', true],
        ['RUN |1 V=1 /bin/sh -c echo "$V" > /f', false],
        ['WORKDIR /new', false],
        ['WORKDIR /new', true],
        ['COPY f /', false],
        ['CMD x', true],
      ],
    );
    t.is(image.config.rootfs.diff_ids.length, 4);
  },
);

testWith(missingForBuilds, 'triggers of a base image run in the stage above, once', async (t) => {
  const builder = await Builder.open(t);
  const parent =
    'FROM localhost/busybox\nONBUILD COPY f /from-trigger\nONBUILD RUN echo triggered\nONBUILD ENV T=1\n';
  const base = await builder.make(parent, {}, { tags: ['localhost/parent'] });
  t.is(base.image.config.config?.OnBuild?.length, 3);
  const child = await builder.make(
    'FROM localhost/parent\nRUN echo own $T\n',
    { f: 'f' },
    { tags: ['localhost/child'] },
  );
  t.is(child.output, 'triggered\nown 1\n');
  t.is(child.image.config.config?.OnBuild, undefined);
  t.is(await builder.text(child.image, 'from-trigger'), 'f');
  const grandchild = await builder.make('FROM localhost/child\nRUN echo grandchild\n');
  t.is(grandchild.output, 'grandchild\n');
});

testWith(missingForBuilds, 'a file system is only made of layers: empty ones count and stay', async (t) => {
  const builder = await Builder.open(t);
  const { image } = await builder.make('FROM scratch\nCOPY f /a/\nCOPY f /a/\nLABEL x=y\n', { f: 'f' });
  t.deepEqual(await builder.tree(image), ['a directory 755 0:0', 'a/f file 644 0:0 1 252f10c83610']);
  const empty = await builder.make('FROM scratch\nLABEL x=y\n');
  t.deepEqual(empty.image.config.rootfs.diff_ids, []);
});

testWith(missingForBuilds, 'a socket is left out of the layer, a fifo beside it is kept', async (t) => {
  const builder = await Builder.open(t);
  const text =
    'FROM localhost/busybox\nRUN mkdir /d && mkfifo /d/fifo && ln -s /d/socket /dev/log && syslogd && sleep 0.3; ls /d\nRUN ls /d\n';
  const { image, output } = await builder.make(text);
  t.regex(output, /^fifo\nsocket\n/);
  t.deepEqual(await builder.below(image, 'd/'), ['fifo fifo 644 0:0']);
});

testWith(
  missingForBuilds,
  'file capabilities come out of archives, through stages and into later layers',
  async (t) => {
    const builder = await Builder.open(t);
    // cap_net_bind_service, permitted and effective: the second revision of the kernel's structure
    const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
    const archive = await capableArchive(capability);
    const text = `FROM localhost/busybox AS a
ADD a.tar /
RUN chmod 700 /bin/capable
FROM localhost/busybox
COPY --from=a /bin/capable /copied
ADD a.tar /
`;
    const { image } = await builder.make(text, { 'a.tar': archive });
    const found = (await builder.tree(image)).filter((line) => /^(copied|bin\/capable) /.test(line));
    const xattr = `security.capability=${capability.toString('hex')}`;
    t.deepEqual(found, [
      `bin/capable file 755 0:0 3 ba7816bf8f01 ${xattr}`,
      `copied file 700 0:0 3 ba7816bf8f01 ${xattr}`,
    ]);
  },
);

async function capableArchive(capability: Buffer): Promise<Buffer> {
  const content = Buffer.from('abc');
  const entry = {
    path: Buffer.from('bin/capable'),
    type: 'file' as const,
    mode: 0o755,
    uid: 0,
    gid: 0,
    size: content.length,
    mtime: { s: 1, ns: 0 },
    linkTarget: Buffer.alloc(0),
    xattrs: new Map([['security.capability', capability]]),
    major: 0,
    minor: 0,
    content: async function* () {
      yield content;
    },
  };
  const chunks: Buffer[] = [];
  for await (const chunk of writeTar(Readable.from([entry]))) chunks.push(chunk);
  return Buffer.concat(chunks);
}

testWith(
  missingForBuilds,
  'an archive of the oldest tar format is unpacked, text with its magic word is not',
  async (t) => {
    const builder = await Builder.open(t);
    const old = makeTar([{ name: 'inner', content: 'x' }]);
    // The format before ustar: no magic, so the checksum is another one.
    old.fill(0, 257, 265);
    old.write('        ', 148);
    const sum = old.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    old.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    const text = Buffer.alloc(1024, 'words ');
    text.write('ustar', 257);
    const { image } = await builder.make('FROM scratch\nADD old.tar /old/\nADD text /text/\n', {
      'old.tar': old,
      text,
    });
    t.deepEqual(
      (await builder.tree(image)).map((line) => line.split(' ')[0]),
      ['old', 'old/inner', 'text', 'text/text'],
    );
  },
);

testWith(missingForBuilds, '20,000 files are copied, and served by the cache', async (t) => {
  const builder = await Builder.open(t);
  const files = Object.fromEntries(
    Array.from({ length: 20_000 }, (_, index) => [`many/d${index % 100}/f${index}`, `content ${index}\n`]),
  );
  const context = builder.context({ ...files, Dockerfile: 'FROM localhost/busybox\nCOPY many /many\n' });
  const { image } = await builder.build(context);
  t.is((await builder.below(image, 'many/')).length, 20_100);
  const again = await builder.build(context);
  t.deepEqual([again.cached, again.image.id], [1, image.id]);
});
