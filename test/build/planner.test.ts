import test from 'ava';
import type { BuildPlan, PlannedStage, RunStep, Step } from '../../lib/build/plan.js';
import { planBuild } from '../../lib/build/planner.js';
import { parseDockerfile } from '../../lib/dockerfile/parse.js';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import type { ContainerConfig } from '../../lib/oci/container-config.js';

import { formatPlatform, hostPlatform } from '../../lib/oci/platform.js';
import { imageWith } from './planned.js';

const platform = { os: 'linux', architecture: 'amd64' };
async function plan(
  text: string,
  options: { buildArgs?: Record<string, string>; target?: string; network?: 'host' } = {},
  base: ContainerConfig = {},
): Promise<BuildPlan> {
  return planBuild({
    dockerfile: parseDockerfile(text, 'Dockerfile'),
    options,
    platform,
    resolveImage: async (reference) => {
      if (reference === 'missing')
        throw new CoracleError('NOT_FOUND', `open image ${reference}: not in the store`);
      return imageWith(base);
    },
  });
}

function target(planned: BuildPlan): PlannedStage {
  const stage = planned.stages.get(planned.target);
  if (stage === undefined) throw new Error('the target was not planned');
  return stage;
}

function runs(stage: PlannedStage): readonly RunStep[] {
  return stage.steps.filter((step): step is RunStep => step.kind === 'run');
}

function kinds(steps: readonly Step[]): readonly string[] {
  return steps.map((step) => step.kind);
}

/** What a stage on an image without PATH gets. */
const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

test('instructions fold into the config of the image', async (t) => {
  const stage = target(
    await plan(`FROM base
ENV A=1 B="two words"
LABEL org.example.name=$A
WORKDIR /srv
WORKDIR app
USER 1000:1000
EXPOSE 80 8000-8001/udp
VOLUME /data
STOPSIGNAL SIGINT
ENTRYPOINT ["/app"]
CMD echo hi
HEALTHCHECK --interval=5s CMD true
`),
  );
  t.deepEqual(stage.config, {
    Env: [path, 'A=1', 'B=two words'],
    Labels: { 'org.example.name': '1' },
    WorkingDir: '/srv/app',
    User: '1000:1000',
    ExposedPorts: { '80/tcp': {}, '8000/udp': {}, '8001/udp': {} },
    Volumes: { '/data': {} },
    StopSignal: 'SIGINT',
    Entrypoint: ['/app'],
    Cmd: ['/bin/sh', '-c', 'echo hi'],
    Healthcheck: { Test: ['CMD-SHELL', 'true'], Interval: 5_000_000_000 },
  });
});

test('ENTRYPOINT drops the CMD of the base but not one of its own stage', async (t) => {
  const base = { Cmd: ['/base'] };
  t.is(target(await plan('FROM base\nENTRYPOINT ["/app"]\n', {}, base)).config.Cmd, undefined);
  const own = target(await plan('FROM base\nCMD ["x"]\nENTRYPOINT ["/app"]\n', {}, base));
  t.deepEqual(own.config.Cmd, ['x']);
});

test('a RUN sees ENVs and declared ARGs, the image only ENVs', async (t) => {
  const stage = target(await plan('FROM base\nARG V=1\nENV W=$V\nRUN build\n', { buildArgs: { V: '2' } }));
  t.deepEqual(runs(stage)[0]?.env, [path, 'V=2', 'W=2']);
  t.deepEqual(stage.config.Env, [path, 'W=2']);
  t.is(runs(stage)[0]?.createdBy, 'RUN |1 V=2 /bin/sh -c build');
});

test('a global ARG reaches FROM, and a stage only where it is declared again', async (t) => {
  const stage = target(await plan('ARG TAG=base\nFROM $TAG\nRUN echo "$TAG"\nARG TAG\nRUN echo "$TAG"\n'));
  t.deepEqual(
    runs(stage).map((step) => step.env),
    [[path], [path, 'TAG=base']],
  );
});

test('a stage FROM a stage goes on with its ARGs, and an ENV of the name wins', async (t) => {
  const stage = target(await plan('FROM base AS a\nARG V=1\nENV W=2\nFROM a\nRUN x\n'));
  t.deepEqual(runs(stage)[0]?.env, [path, 'V=1', 'W=2']);
  t.deepEqual(stage.config.Env, [path, 'W=2']);
});

test('history shows every declared ARG in front of RUN, an unset one empty', async (t) => {
  const stage = target(await plan('FROM base\nARG A B=1\nENV B=2\nRUN x\n'));
  t.is(runs(stage)[0]?.createdBy, 'RUN |2 A= B=2 /bin/sh -c x');
});

test('the predefined ARGs know the platform and the target, and build arguments replace them', async (t) => {
  const text =
    'FROM base AS one\nARG TARGETSTAGE TARGETARCH BUILDOS TARGETOSVERSION\nRUN x\nFROM base\nARG TARGETSTAGE\nRUN y\n';
  const first = target(await plan(text, { target: 'one', buildArgs: { TARGETARCH: 'riscv64' } }));
  t.deepEqual(runs(first)[0]?.env, [
    path,
    'TARGETSTAGE=one',
    'TARGETARCH=riscv64',
    'BUILDOS=linux',
    'TARGETOSVERSION=',
  ]);
  t.deepEqual(runs(target(await plan(text)))[0]?.env, [path, 'TARGETSTAGE=default']);
});

test('--from of a later stage, or of the stage itself, is refused at its line', async (t) => {
  for (const [name, reason] of [
    ['later', /after this stage/],
    ['self', /this stage itself/],
    ['7', /no earlier stage/],
  ] as const) {
    const text = `FROM base AS self\nCOPY --from=${name} a b\nFROM base AS later\nCOPY --from=self a b\n`;
    const error = await t.throwsAsync(plan(text), { instanceOf: CoracleError });
    t.regex(error?.message ?? '', reason);
    t.regex(error?.excerpt ?? '', /^Dockerfile:2:1\n/);
  }
});

test('proxy arguments reach the process but neither its identity nor the history', async (t) => {
  const stage = target(
    await plan('FROM base\nRUN x\n', { buildArgs: { http_proxy: 'http://proxy.invalid' } }),
  );
  const [step] = runs(stage);
  t.deepEqual(step?.proxies, ['http_proxy=http://proxy.invalid']);
  t.deepEqual(step?.env, [path]);
  t.notRegex(step?.createdBy ?? '', /proxy/);
});

test('only the stages that the target needs are planned', async (t) => {
  const planned = await plan(
    'FROM a AS used\nFROM missing AS unused\nRUN never\nFROM b\nCOPY --from=used /x /x\n',
  );
  t.deepEqual([...planned.stages.keys()].sort(), [0, 2]);
});

test('a target may be named by name or index', async (t) => {
  const text = 'FROM a AS one\nFROM b AS two\n';
  t.is((await plan(text, { target: 'ONE' })).target, 0);
  t.is((await plan(text, { target: '1' })).target, 1);
  const error = await t.throwsAsync(plan(text, { target: 'three' }), { instanceOf: CoracleError });
  t.regex(error?.hint ?? '', /one, two/);
});

test('triggers of the base run first and are not passed on', async (t) => {
  const stage = target(await plan('FROM base\nRUN second\n', {}, { OnBuild: ['RUN first', 'ENV T=1'] }));
  t.deepEqual(kinds(stage.steps), ['run', 'config', 'run']);
  t.deepEqual(runs(stage)[1]?.env, [path, 'T=1']);
  t.is(stage.config.OnBuild, undefined);
});

test('ONBUILD adds a trigger to the config and does nothing else', async (t) => {
  const stage = target(await plan('FROM base\nONBUILD RUN make\n'));
  t.deepEqual(stage.config.OnBuild, ['RUN make']);
  t.deepEqual(kinds(stage.steps), ['config']);
});

test('heredocs become a script, a program of their own, or go back to the shell', async (t) => {
  const stage = target(
    await plan('FROM base\nRUN <<EOF\na\nb\nEOF\nRUN <<EOF\n#!/bin/x\nc\nEOF\nRUN cat <<EOF >/f\nd\nEOF\n'),
  );
  t.deepEqual(
    runs(stage).map((step) => step.command),
    [
      { args: ['/bin/sh', '-c', 'a\nb\n'], files: [] },
      { args: ['/bin/sh', '-c', '/dev/pipes/EOF'], files: [{ name: 'EOF', data: '#!/bin/x\nc\n' }] },
      { args: ['/bin/sh', '-c', 'cat <<EOF >/f\nd\nEOF'], files: [] },
    ],
  );
});

test('SHELL changes RUN, CMD and ENTRYPOINT in shell form', async (t) => {
  const stage = target(await plan('FROM base\nSHELL ["/bin/ash", "-ec"]\nRUN a\nCMD b\n'));
  t.deepEqual(runs(stage)[0]?.command.args, ['/bin/ash', '-ec', 'a']);
  t.deepEqual(stage.config.Cmd, ['/bin/ash', '-ec', 'b']);
});

test('steps are numbered from FROM on, config left out, stages named', async (t) => {
  const planned = await plan('FROM a AS build\nENV X=1\nRUN make\nFROM b\nCOPY --from=build /x /\n');
  const stage = planned.stages.get(0);
  t.is(stage?.fromName, '[build 1/2] FROM a');
  t.is(stage?.steps.at(-1)?.name, '[build 2/2] RUN make');
  t.is(target(planned).steps.at(-1)?.name, '[stage-1 2/2] COPY --from=build /x /');
});

test('build arguments nobody declares are warned about', async (t) => {
  const { warnings } = await plan('FROM base\n', { buildArgs: { TYPO: '1' } });
  t.regex(warnings.at(-1)?.message ?? '', /TYPO/);
});

const refused = test.macro(async (t, text: string, code: ErrorCode, message: RegExp, line: number) => {
  const error = await t.throwsAsync(plan(text), { instanceOf: CoracleError });
  t.is(error?.code, code);
  t.regex(error?.message ?? '', message);
  t.regex(error?.excerpt ?? '', new RegExp(`^Dockerfile:${line}\\b`));
});

test(
  'a device is refused by name',
  refused,
  'FROM a\nRUN --device=vendor.com/x y\n',
  'UNSUPPORTED',
  /RUN --device/,
  2,
);
test(
  'insecure steps are refused',
  refused,
  'FROM a\nRUN --security=insecure x\n',
  'UNSUPPORTED',
  /--security=insecure/,
  2,
);
test(
  'the host network must be allowed',
  refused,
  'FROM a\nRUN --network=host x\n',
  'UNSUPPORTED',
  /--network=host/,
  2,
);
test(
  'a foreign frontend is refused',
  refused,
  '# syntax=example.invalid/front\nFROM a\n',
  'UNSUPPORTED',
  /example\.invalid\/front/,
  1,
);
test('a missing base points at its FROM', refused, 'FROM a\nFROM missing\n', 'NOT_FOUND', /missing/, 2);
test(
  'a stage index that is no stage is refused',
  refused,
  'FROM a\nCOPY --from=7 x y\n',
  'INVALID',
  /stage 7/,
  2,
);
test('several sources need a directory', refused, 'FROM a\nCOPY a b c\n', 'INVALID', /must end with \//, 2);
test('a stage is planned for the platform its FROM names, one on another stage for that one', async (t) => {
  const { stages } = await plan(
    'FROM --platform=$BUILDPLATFORM a AS x\nFROM --platform=linux/s390x a AS y\nFROM y\nCOPY --from=x / /\n',
  );
  const platforms = [...stages.values()].map((stage) => [stage.label, formatPlatform(stage.platform)]);
  t.deepEqual(platforms.sort(), [
    ['stage-2', 'linux/s390x'],
    ['x', formatPlatform(hostPlatform())],
    ['y', 'linux/s390x'],
  ]);
});
