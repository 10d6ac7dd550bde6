/** `build --call=outline` and `targets`: docker's words and shapes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { openCli } from '../helpers/cli.js';

const dockerfile = `# VERSION of the base
ARG VERSION=1
ARG UNUSED=x
# build compiles everything
FROM scratch AS build
# MODE is debug or release
ARG MODE=release
ARG VERSION
RUN --mount=type=secret,id=npmrc,required --mount=type=cache,target=/root/.npm true
RUN --mount=type=ssh true

FROM scratch AS unrelated
ARG OTHER=1

# final serves
FROM scratch AS final
COPY --from=build / /
`;

test('the outline has what the target and its stages take, the targets are all stages', async (t) => {
  const cli = openCli(t);
  const context = join(cli.directory, 'context');
  mkdirSync(context);
  writeFileSync(join(context, 'Dockerfile'), dockerfile);
  t.is(
    await cli.ok(['build', '--call=outline', '--build-arg', 'MODE=debug', context]),
    `TARGET:        final
DESCRIPTION:   serves

BUILD ARG   VALUE   DESCRIPTION
MODE        debug   is debug or release
VERSION     1       of the base

SECRET   REQUIRED
npmrc    true

SSH       REQUIRED
default

CACHE MOUNT
/root/.npm
`,
  );
  t.is(
    await cli.ok(['build', '--call=targets', context]),
    `TARGET            DESCRIPTION
build             compiles everything
unrelated
final (default)   serves
`,
  );
  t.regex(await cli.ok(['build', '--call=outline', '--target', 'unrelated', context]), /OTHER +1$/m);
  const at = (line: number): object => ({ ranges: [{ start: { line }, end: { line } }] });
  const outlined: unknown = JSON.parse(await cli.ok(['build', '--call=outline,format=json', context]));
  const sources = [Buffer.from(dockerfile.trimEnd()).toString('base64')];
  t.deepEqual(outlined, {
    name: 'final',
    description: 'serves',
    args: [
      { name: 'MODE', description: 'is debug or release', value: 'release', location: at(7) },
      { name: 'VERSION', description: 'of the base', value: '1', location: at(8) },
    ],
    secrets: [{ name: 'npmrc', required: true, location: at(9) }],
    ssh: [{ name: 'default', location: at(10) }],
    cache: [{ ID: '/root/.npm', location: at(9) }],
    sources,
  });
  t.deepEqual(JSON.parse(await cli.ok(['build', '--call=targets,format=json', context])), {
    targets: [
      { name: 'build', description: 'compiles everything', base: 'scratch', location: at(5) },
      { name: 'unrelated', base: 'scratch', location: at(12) },
      { name: 'final', default: true, description: 'serves', base: 'scratch', location: at(16) },
    ],
    sources,
  });
});

test('a single stage without a name is the default target, and a Dockerfile that is none is told', async (t) => {
  const cli = openCli(t);
  const plain = await cli.run(['build', '--call=targets', '-f', '-', cli.directory], {
    input: 'FROM scratch\n',
  });
  t.is(plain.stdout, 'TARGET      DESCRIPTION\n(default)\n');
  const outline = await cli.run(['build', '--call=outline', '-f', '-', cli.directory], {
    input: 'FROM scratch\n',
  });
  t.deepEqual([outline.code, outline.stdout], [0, '\n']);
  const broken = await cli.run(['build', '--call=outline', '-f', '-', cli.directory], {
    input: 'FRMO scratch\n',
  });
  t.is(broken.code, 1);
  t.regex(broken.stderr, /unknown instruction/i);
});
