/** Attacks on builds that are known from other builders; the numbers are those of the security requirements. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { CoracleError } from '../../lib/errors.js';
import { runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { makeTar, type TarEntry } from '../helpers/image.js';
import { Builder, drivers, missingForBuilds } from './builder.js';

const base = 'FROM localhost/busybox\n';

/** A directory of the host that nothing may reach. */
function sentinel(t: ExecutionContext<unknown>): string {
  const directory = mkdtempSync(join(tmpdir(), 'c-sentinel-'));
  writeFileSync(join(directory, 'secret'), 'of the host');
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

testWith(missingForBuilds, 'S17: links of a stage lead nowhere but into the stage', async (t) => {
  const builder = await Builder.open(t);
  const outside = sentinel(t);
  const text = `${base.trim()} AS evil
RUN ln -s / /root-link && ln -s /etc /etc-link && ln -s ../../../../../../../.. /up && ln -s ${outside} /out && ln -s /proc/self/root /magic
RUN echo of the stage > /etc/hostname-of-stage
${base}COPY --from=evil /etc-link/hostname-of-stage /a
COPY --from=evil /up/etc/hostname-of-stage /b
COPY --from=evil /root-link/root-link/etc/hostname-of-stage /c
`;
  const { image } = await builder.make(text);
  for (const name of ['a', 'b', 'c']) t.is(await builder.text(image, name), 'of the stage\n');
  for (const path of [`${outside}/secret`, '/out/secret', '/magic/etc/passwd', '/up/../../etc/shadow']) {
    const error = await builder.fails(t, `${text}COPY --from=evil ${path} /x\n`);
    t.regex(error.message, /not found/);
  }
});

testWith(missingForBuilds, 'S17: links at the destination are followed inside the image only', async (t) => {
  const builder = await Builder.open(t);
  const outside = sentinel(t);
  const { image } = await builder.make(
    `${base}RUN mkdir -p ${outside} && ln -s ${outside} /out && ln -s ../../../../..${outside} /up\nCOPY f /out/one\nCOPY f /up/two\nADD f.tar /out/\n`,
    { f: 'planted', 'f.tar': makeTar([{ name: 'three', content: 'planted' }]) },
  );
  for (const name of ['one', 'two', 'three']) {
    t.is(await builder.text(image, `${outside.slice(1)}/${name}`), 'planted');
    t.false(existsSync(join(outside, name)));
  }
});

for (const { name, missing } of drivers) {
  testWith(
    [...missingForBuilds, ...missing],
    `S19: a RUN that swaps mount places for links changes nothing outside (${name})`,
    async (t) => {
      const builder = await Builder.open(t, { driver: name });
      const outside = sentinel(t);
      const text = `${base}RUN rm -f /etc/hosts; ln -sf ${outside}/secret /etc/hosts; mv /etc /moved; mkdir /etc; ln -s ${outside} /etc/ssl; rm -rf /dev /proc /sys 2>/dev/null; true
RUN echo again > /again
`;
      await builder.make(text).catch((error: unknown) => {
        if (!(error instanceof CoracleError)) throw error;
      });
      t.is(readFileSync(join(outside, 'secret'), 'utf8'), 'of the host');
      const { image } = await builder.make(
        `FROM scratch\nCOPY --from=localhost/busybox / /\nRUN echo > /f\n`,
      );
      const tree = await builder.tree(image);
      t.false(tree.some((line) => /^etc\/(hosts|hostname|resolv.conf) /.test(line)));
    },
  );
}

testWith(
  missingForBuilds,
  'S20: WORKDIR is made inside the image, whatever links lie on the way',
  async (t) => {
    const builder = await Builder.open(t);
    const outside = sentinel(t);
    const text = `${base}RUN mkdir -p ${outside} && ln -s ${outside} /out && ln -s ../../../../..${outside} /up && ln -s /proc/self/root /magic
WORKDIR /out/made
RUN pwd
WORKDIR /up/made-too
RUN echo > here
VOLUME /out/volume
`;
    const { image, output } = await builder.make(text);
    t.regex(output, /\/made\n$/);
    t.false(existsSync(join(outside, 'made')));
    t.false(existsSync(join(outside, 'made-too')));
    const inside = await builder.below(image, `${outside.slice(1)}/`);
    t.deepEqual(
      inside.map((line) => line.split(' ')[0]),
      ['made', 'made-too', 'made-too/here'],
    );
    for (const directory of ['/proc/self/fd/3', '/proc/self/fd/7']) {
      const error = await builder.fails(
        t,
        `${base}WORKDIR ${directory}\nRUN ls -la ${directory}/ ; pwd; cat ${outside}/secret\n`,
      );
      t.notRegex(error.message, /of the host/);
    }
  },
);

for (const { name, missing } of drivers) {
  testWith(
    [...missingForBuilds, ...missing],
    `S26: names that mean deletions are no way to forge one (${name})`,
    async (t) => {
      const builder = await Builder.open(t, { driver: name });
      const text = `${base}RUN mkdir /d && echo kept > /d/victim\nRUN (touch /d/.wh.victim /d/.wh..wh..opq) 2>/dev/null; true\nRUN ls -a /d\n`;
      const { image } = await builder.make(text);
      t.is(await builder.text(image, 'd/victim'), 'kept\n');
      const error = await builder.fails(t, `${base}ADD a.tar /\n`, {
        'a.tar': makeTar([{ name: 'etc/.wh.passwd' }]),
      });
      t.regex(error.message, /\.wh\./);
    },
  );
}

const hostile: readonly (readonly [string, readonly TarEntry[]])[] = [
  ['a path that climbs', [{ name: '../../../../escaped', content: 'x' }]],
  [
    'a link that climbs and a file through it',
    [
      { name: 'l', type: 'symlink', link: '../../../../../tmp' },
      { name: 'l/escaped', content: 'x' },
    ],
  ],
  ['a hard link to something outside', [{ name: 'h', type: 'hardlink', link: '../../../../etc/passwd' }]],
  ['a hard link to nothing', [{ name: 'h', type: 'hardlink', link: 'nowhere' }]],
  ['a device', [{ name: 'dev', type: 'block' }]],
  ['a forged whiteout', [{ name: 'etc', type: 'character' }]],
  ['a file over the root', [{ name: '.', content: 'x' }]],
];

for (const [what, entries] of hostile) {
  testWith(missingForBuilds, `ADD of an archive with ${what} stays inside or is refused`, async (t) => {
    const builder = await Builder.open(t);
    const before = existsSync('/tmp/escaped');
    const context = builder.context({ Dockerfile: `${base}ADD a.tar /inner/\n`, 'a.tar': makeTar(entries) });
    const error = await builder.build(context).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    t.true(error === undefined || error instanceof CoracleError, String(error));
    t.is(existsSync('/tmp/escaped'), before);
    t.false(existsSync('/escaped'));
  });
}

testWith(missingForBuilds, 'S30: links of the context are copied as links and never lead out', async (t) => {
  const builder = await Builder.open(t);
  const outside = sentinel(t);
  const context = builder.context({ Dockerfile: `${base}COPY tree /tree\n`, 'tree/f': 'f' });
  symlinkSync(`${outside}/secret`, join(context, 'tree/file'));
  symlinkSync(outside, join(context, 'tree/directory'));
  const { image } = await builder.build(context);
  const links = (await builder.below(image, 'tree/')).filter((line) => line.includes('symlink'));
  t.deepEqual(links, [`directory symlink 0:0 -> ${outside}`, `file symlink 0:0 -> ${outside}/secret`]);
  writeFileSync(join(context, 'Dockerfile'), `${base}COPY tree/directory/* /x/\n`);
  t.deepEqual(await builder.below((await builder.build(context)).image, 'x'), []);
  for (const source of ['tree/file', 'tree/directory', 'tree/directory/secret']) {
    writeFileSync(join(context, 'Dockerfile'), `${base}COPY ${source} /x/\n`);
    const error = await t.throwsAsync(builder.build(context), { instanceOf: CoracleError });
    t.regex(error?.message ?? '', /not found in the build context/);
  }
});

testWith(missingForBuilds, 'S30: the ignore file takes nothing back in from outside', async (t) => {
  const builder = await Builder.open(t);
  const context = builder.context({
    '.dockerignore': '**\n!../**\n!/etc/passwd\n!kept\n',
    Dockerfile: `${base}COPY . /c\n`,
    kept: '',
    other: '',
  });
  const { image } = await builder.build(context);
  t.deepEqual(
    (await builder.below(image, 'c/')).map((line) => line.split(' ')[0]),
    ['kept'],
  );
});

const replacements: readonly (readonly [string, (path: string) => void])[] = [
  ['gets other bytes', (path) => writeFileSync(path, 'other bytes')],
  [
    'is replaced by a file of the same size',
    (path) => {
      writeFileSync(`${path}.new`, 'eno');
      renameSync(`${path}.new`, path);
    },
  ],
  [
    'is replaced by a link to the host',
    (path) => {
      rmSync(path);
      symlinkSync('/etc/passwd', path);
    },
  ],
];

for (const [what, change] of replacements) {
  testWith(
    missingForBuilds,
    `S30: a file that ${what} between its hash and its copy ends the build`,
    async (t) => {
      const builder = await Builder.open(t);
      const context = builder.context({ Dockerfile: `${base}COPY d /d\n`, 'd/f': 'one' });
      let starts = 0;
      const building = builder.build(context, {}, (event) => {
        // The second step begins when its inputs are hashed, and nothing is copied yet.
        if (event.kind === 'started' && ++starts === 2) change(join(context, 'd/f'));
      });
      const error = await t.throwsAsync(building, { instanceOf: CoracleError });
      t.regex(error?.message ?? '', /d\/f: it (was replaced|changed)/);
      t.regex(error?.excerpt ?? '', /Dockerfile:2/);
    },
  );
}

testWith(missingForBuilds, 'S33: a foreign frontend is refused, the stock one is built in', async (t) => {
  const builder = await Builder.open(t);
  const error = await builder.fails(t, `# syntax=registry.example/evil:1\n${base}`);
  t.like(error, { code: 'UNSUPPORTED' });
  t.regex(error.excerpt ?? '', /Dockerfile:1/);
  await t.notThrowsAsync(builder.make(`# syntax=docker/dockerfile:1.7\n${base}`));
});

testWith(
  missingForBuilds,
  'S33: a step gets no privileges and no host network unless the builder allows it',
  async (t) => {
    const builder = await Builder.open(t);
    t.is((await builder.fails(t, `${base}RUN --security=insecure true\n`)).code, 'UNSUPPORTED');
    t.is((await builder.fails(t, `${base}RUN --network=host true\n`)).code, 'UNSUPPORTED');
    const { output } = await builder.make(
      `${base}RUN ls /sys/class/net; grep -E "^(CapEff|CapInh|CapAmb|Seccomp):" /proc/self/status; ls /proc/self/fd | wc -l; ls -d /proc/self/fd/[3-9] 2>/dev/null | grep -v fd/3; true\n`,
    );
    t.regex(output, /^lo\nCapInh:\s0+\nCapEff:\s00000000800405fb\nCapAmb:\s0+\nSeccomp:\s2\n/);
  },
);

testWith(missingForBuilds, 'S33: a RUN cannot change the context, and does not see the host', async (t) => {
  const builder = await Builder.open(t);
  const outside = sentinel(t);
  const { output } = await builder.make(
    `${base}RUN <<E\n#!/bin/sh\n{ echo changed > "$0"; } 2>/dev/null || echo read-only\nE\nRUN ls ${outside} ${builder.stores.paths.root} 2>&1 | grep -c "No such"; mount | grep -c ${builder.directory} || true\n`,
  );
  t.regex(output, /read-only\n2\n/);
});

testWith(missingForBuilds, 'S10: only the ids of the user and its groups reach a RUN', async (t) => {
  const builder = await Builder.open(t);
  const { output } = await builder.make(`${base}USER 33\nRUN id -u; id -g; id -G\nUSER 33:44\nRUN id -G\n`);
  t.is(output, '33\n33\n33\n44\n');
  for (const user of ['4294967296', '-1', '2147483648', 'a:b']) {
    const error = await builder.fails(t, `${base}USER ${user}\nRUN true\n`);
    t.true(['INVALID', 'START', 'NOT_FOUND'].includes(error.code), error.message);
  }
});

testWith(missingForBuilds, 'S11: accounts are read from regular files of a sane size alone', async (t) => {
  const builder = await Builder.open(t);
  for (const trick of [
    'rm /etc/passwd; mkfifo /etc/passwd',
    'ln -sf /dev/zero /etc/passwd',
    'truncate -s 2G /etc/passwd',
  ]) {
    const error = await builder.fails(t, `${base}RUN ${trick}\nCOPY --chown=www f /f\n`, { f: '' });
    t.is(error.code, 'NOT_FOUND', error.message);
  }
});

testWith(missingForBuilds, 'the context may hold sockets, and a fifo is refused by name', async (t) => {
  const builder = await Builder.open(t);
  const context = builder.context({ Dockerfile: `${base}COPY . /c\n` });
  mkdirSync(join(context, 'd'));
  await runProgram('mkfifo', [join(context, 'd/pipe')]);
  const error = await t.throwsAsync(builder.build(context), { instanceOf: CoracleError });
  t.regex(error?.message ?? '', /d\/pipe: it is a device or a fifo/);
});
