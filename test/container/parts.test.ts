import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { humanDuration } from '../../lib/container/ages.js';
import { parseDetachKeys } from '../../lib/container/detach-keys.js';
import { inspectContainer } from '../../lib/container/inspect.js';
import { portsText, statusText, summarizeContainer } from '../../lib/container/listing.js';
import { notBefore, parseLogLine } from '../../lib/container/log-line.js';
import { type LogOptions, readLogs } from '../../lib/container/logs.js';
import { checkName, releaseName, reserveName } from '../../lib/container/names.js';
import { lastingEnvironment, mergeCommand, mergeProcess } from '../../lib/container/process.js';
import type { ContainerRecord } from '../../lib/container/record.js';
import { readExit } from '../../lib/container/records.js';
import { parseRunFlags } from '../../lib/container/run-flags.js';
import { deriveState, recordLost, type StateFacts } from '../../lib/container/state.js';
import type { ContainerStatus, ContainerView, ExitRecord, LiveRecord } from '../../lib/container/view.js';
import { CoracleError } from '../../lib/errors.js';
import { storePaths } from '../../lib/host/paths.js';
import { temporaryDirectory } from '../helpers/host.js';

const exit: ExitRecord = {
  code: 3,
  signal: 0,
  oom: false,
  error: '',
  stage: '',
  errno: 0,
  started: '2026-01-01T00:00:00.000000001Z',
  finished: '2026-01-01T00:00:05.5Z',
  stopped: false,
  restarts: 0,
};
const live: LiveRecord = {
  supervisor: 10,
  supervisorStart: 5,
  boot: 'b',
  pid: 11,
  pidStart: 6,
  started: '2026-01-01T00:01:00Z',
  restarts: 1,
  paused: false,
};
const record: ContainerRecord = {
  version: 1,
  id: 'c'.repeat(64),
  name: 'web',
  created: '2026-01-01T00:00:00.000Z',
  imageId: 'd'.repeat(64),
  imageReference: 'docker.io/library/web:1',
  imageDigest: `sha256:${'e'.repeat(64)}`,
  driver: 'overlay',
  options: { ulimits: [{ name: 'nofile', soft: 1, hard: 2 }] },
  process: { args: ['serve', '--all'], env: ['A=b'], cwd: '/', user: '', tty: false, interactive: false },
  entrypoint: ['serve'],
  command: ['--all'],
  capabilities: [0],
  network: 'pasta',
  ports: [{ protocol: 'tcp', hostAddress: '0.0.0.0', hostPort: 8080, containerPort: 80 }],
  exposed: ['80/tcp', '443/tcp'],
  volumes: [{ name: 'data', destination: '/data', readonly: false, copy: true, anonymous: false }],
  labels: { a: 'b' },
  hostname: 'box',
  stopSignal: 15,
  stopTimeout: 10,
  autoRemove: false,
  log: undefined,
};
const view: ContainerView = { record, directory: '/s/c', status: 'running', live, exit: undefined };

const derives = test.macro(
  (t, facts: Partial<StateFacts>, status: ContainerStatus, lost?: Partial<ExitRecord>) => {
    const none: StateFacts = {
      held: false,
      live: undefined,
      exit: undefined,
      begun: false,
      boot: 'b',
      isAlive: () => true,
    };
    const state = deriveState({ ...none, ...facts });
    t.is(state.status, status);
    t.is(state.lost?.code, lost?.code);
  },
);
test('without any record a container was created', derives, {}, 'created');
test('a held lock with a live record is running', derives, { held: true, live }, 'running');
test('a held lock without one is starting', derives, { held: true }, 'starting');
test(
  'a held lock with the record of a dead supervisor is starting',
  derives,
  { held: true, live, isAlive: () => false },
  'starting',
);
test('a free lock with an exit record is exited', derives, { exit }, 'exited');
test('a free lock with a live record was a killed supervisor', derives, { live }, 'exited', { code: 137 });
test(
  'a live record of another boot was a machine that went down',
  derives,
  { live: { ...live, boot: 'a' } },
  'exited',
  { code: 255 },
);
test('a live record newer than the exit was a killed supervisor', derives, { live, exit }, 'exited', {
  code: 137,
});
test('a supervisor killed before it reported is told too', derives, { begun: true }, 'exited', { code: 137 });

test('arguments merge as docker does', (t) => {
  const config = { Entrypoint: ['e'], Cmd: ['c'] };
  t.deepEqual(mergeCommand({}, config, 'i'), { entrypoint: ['e'], command: ['c'] });
  t.deepEqual(mergeCommand({ command: ['x'] }, config, 'i'), { entrypoint: ['e'], command: ['x'] });
  t.deepEqual(mergeCommand({ entrypoint: ['n'] }, config, 'i'), { entrypoint: ['n'], command: [] });
  t.deepEqual(mergeCommand({ entrypoint: [], command: ['x'] }, config, 'i'), {
    entrypoint: [],
    command: ['x'],
  });
  t.is(t.throws(() => mergeCommand({}, {}, 'i'), { instanceOf: CoracleError })?.code, 'USAGE');
});

test('S28: environment: defaults, then the image without what is no assignment, then the options', (t) => {
  const line = { entrypoint: ['e'], command: [] };
  const merged = mergeProcess(
    { env: ['B=3', 'C='], tty: true },
    { Env: ['PATH=/p', 'B=2', 'HOME', '*', '=x'], WorkingDir: 'w/../v' },
    line,
    'box',
  );
  t.deepEqual(merged.env, ['PATH=/p', 'HOSTNAME=box', 'container=coracle', 'TERM=xterm', 'B=3', 'C=']);
  t.is(merged.cwd, '/v');
  for (const options of [{ workdir: 'x' }, { env: ['novalue'] }, { user: '-1' }]) {
    t.is(t.throws(() => mergeProcess(options, {}, line, 'box'), { instanceOf: CoracleError })?.code, 'USAGE');
  }
});

test('S41: a name is reserved by one, released by its owner only', (t) => {
  const paths = storePaths(temporaryDirectory(t));
  t.is(reserveName(paths, 'a'.repeat(64), 'web'), 'web');
  t.is(
    t.throws(() => reserveName(paths, 'b'.repeat(64), 'web'), { instanceOf: CoracleError })?.code,
    'CONFLICT',
  );
  releaseName(paths, 'web', 'b'.repeat(64));
  t.throws(() => reserveName(paths, 'b'.repeat(64), 'web'));
  releaseName(paths, 'web', 'a'.repeat(64));
  t.is(reserveName(paths, 'b'.repeat(64), 'web'), 'web');
  t.regex(reserveName(paths, 'c'.repeat(64), undefined), /^[a-z]+_[a-z]+/);
  for (const bad of ['', '-a', 'a/b', '.x', 'x'.repeat(129)])
    t.throws(() => checkName(bad), { instanceOf: CoracleError });
});

test('durations read as docker prints them', (t) => {
  const second = 1000;
  const rows: readonly (readonly [number, string])[] = [
    [0, 'Less than a second'],
    [second, '1 second'],
    [59 * second, '59 seconds'],
    [60 * second, 'About a minute'],
    [150 * second, '2 minutes'],
    [3600 * second, 'About an hour'],
    [47 * 3600 * second, '47 hours'],
    [48 * 3600 * second, '2 days'],
    [20 * 86400 * second, '2 weeks'],
    [90 * 86400 * second, '3 months'],
    [800 * 86400 * second, '2 years'],
  ];
  for (const [milliseconds, text] of rows) t.is(humanDuration(milliseconds), text);
});

test('a line of ps', (t) => {
  const now = Date.parse('2026-01-01T00:04:00Z');
  t.is(statusText(view, now), 'Up 3 minutes');
  t.is(statusText({ ...view, status: 'exited', live: undefined, exit }, now), 'Exited (3) 3 minutes ago');
  t.is(statusText({ ...view, status: 'created' }, now), 'Created');
  const summary = summarizeContainer(view, now);
  t.deepEqual(
    [summary.createdAgo, summary.ports, summary.pid],
    ['4 minutes ago', '0.0.0.0:8080->80/tcp', 11],
  );
  const port = (hostPort: number, containerPort: number) =>
    ({ protocol: 'tcp', hostAddress: '::', hostPort, containerPort }) as const;
  t.is(
    portsText([port(8001, 81), port(8000, 80), port(9000, 90)]),
    '[::]:8000-8001->80-81/tcp, [::]:9000->90/tcp',
  );
});

test('inspect has the fields that scripts read', (t) => {
  const found = JSON.parse(
    JSON.stringify(
      inspectContainer(view, {
        volumes: {
          get: (name) => ({
            version: 1,
            name,
            created: '',
            anonymous: false,
            directory: '/v',
            data: '/v/data',
          }),
        },
        networks: { pasta: { IPAddress: '10.0.2.100' } },
      }),
    ),
  );
  t.is(found.Id, record.id);
  t.is(found.State.Running, true);
  t.is(found.State.Pid, 11);
  t.deepEqual(found.NetworkSettings.Ports, {
    '443/tcp': null,
    '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }],
  });
  t.deepEqual(found.Config.Cmd, ['--all']);
  t.deepEqual(found.Mounts, [
    {
      Type: 'volume',
      Name: 'data',
      Source: '/v/data',
      Destination: '/data',
      Driver: 'local',
      Mode: '',
      Options: ['nosuid', 'nodev', 'rbind'],
      RW: true,
      Propagation: 'rprivate',
    },
  ]);
  t.is(found.Config.StopSignal, 'SIGTERM');
});

test('detach keys are read as docker writes them', (t) => {
  t.deepEqual([...parseDetachKeys('ctrl-p,ctrl-q')], [16, 17]);
  t.deepEqual([...parseDetachKeys('ctrl-],a,ctrl-@')], [29, 97, 0]);
  t.deepEqual([...parseDetachKeys('')], []);
  t.throws(() => parseDetachKeys('ctrl-'), { instanceOf: CoracleError });
});

test('log lines of both formats, torn ones passed over', (t) => {
  const plain = (text: string) => parseLogLine(Buffer.from(`${text}\n`), 'k8s-file');
  t.is(plain('2026-01-01T00:00:00.5Z stderr F hello ')?.data.toString(), 'hello \n');
  t.is(plain('2026-01-01T00:00:00.5Z stdout P part')?.data.toString(), 'part');
  t.is(plain('2026-01-01T00:0'), undefined);
  t.is(
    parseLogLine(Buffer.from('{"log":"a\\n","stream":"stderr","time":"T"}'), 'json-file')?.stream,
    'stderr',
  );
  t.is(parseLogLine(Buffer.from('{"log":"a'), 'json-file'), undefined);
  t.true(notBefore('2026-01-01T00:00:00.5Z', '2026-01-01T00:00:00.499999999Z'));
  t.false(notBefore('2026-01-01T00:00:00Z', '2026-01-01T00:00:00.1Z'));
});

async function collect(of: ContainerView, options: LogOptions): Promise<string> {
  let text = '';
  for await (const entry of readLogs(of, options)) text += entry.data.toString();
  return text;
}

test('logs are read across rotations, from the end, between times', async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'log');
  const line = (second: number, text: string): string => `2026-01-01T00:00:0${second}.0Z stdout F ${text}\n`;
  writeFileSync(`${path}.2`, line(1, 'one'));
  writeFileSync(`${path}.1`, `${line(2, 'two')}2026-01-01T00:00:03.0Z stdout P thr\n`);
  writeFileSync(path, `2026-01-01T00:00:03.1Z stdout F ee\n${line(4, 'four')}`);
  const logged = {
    ...view,
    directory,
    record: { ...record, log: { driver: 'k8s-file', path, maxSize: 0, maxFiles: 3 } },
  } as const;
  t.is(await collect(logged, {}), 'one\ntwo\nthree\nfour\n');
  t.is(await collect(logged, { tail: 2 }), 'three\nfour\n');
  t.is(await collect(logged, { tail: 0 }), '');
  t.is(await collect(logged, { since: '2026-01-01T00:00:02Z', until: '2026-01-01T00:00:02.5Z' }), 'two\n');
  await t.throwsAsync(collect(view, {}), { instanceOf: CoracleError });
});

test('run flags become options', (t) => {
  const options = parseRunFlags(
    {
      volume: ['./src:/src:ro'],
      tmpfs: ['/t'],
      publish: ['8080-8081:80-81'],
      network: ['pasta'],
      addHost: ['db:10.0.0.1', 'me:host-gateway', 'six:[::1]'],
      securityOpt: ['seccomp=p.json', 'no-new-privileges', 'unmask=/proc/kcore', 'label=disable'],
      ulimit: ['core=0'],
      env: ['A=1', 'HOST', 'UNSET'],
      envFileTexts: [{ path: 'f', text: '# c\nX=y z\r\nHOST\n\n' }],
      label: ['a=b', 'c'],
      entrypoint: '["x","y"]',
    },
    { cwd: '/w', env: { HOST: 'h' } },
  );
  t.deepEqual(options.env, ['X=y z', 'HOST=h', 'A=1', 'HOST=h']);
  t.deepEqual(options.labels, { a: 'b', c: '' });
  t.deepEqual(options.security, {
    seccomp: { kind: 'file', path: '/w/p.json' },
    noNewPrivileges: true,
    unmask: ['/proc/kcore'],
  });
  t.deepEqual(
    options.extraHosts?.map(({ address }) => address),
    ['10.0.0.1', 'host-gateway', '::1'],
  );
  t.deepEqual(options.entrypoint, ['x', 'y']);
  t.is(options.publish?.length, 2);
  t.is(options.mounts?.length, 2);
});

for (const [flags, code] of [
  [{ network: ['ns:/proc/1/ns/net'] }, 'UNSUPPORTED'],
  [{ addHost: ['x'] }, 'USAGE'],
  [{ dns: ['x'] }, 'USAGE'],
  [{ securityOpt: ['no-such=x'] }, 'UNSUPPORTED'],
  [{ env: ['=x'] }, 'USAGE'],
  [{ envFileTexts: [{ path: 'f', text: 'a b=c' }] }, 'USAGE'],
  [{ label: ['=x'] }, 'USAGE'],
  [{ entrypoint: '[1]' }, 'USAGE'],
] as const) {
  test(`run flags ${JSON.stringify(flags)} are refused`, (t) => {
    t.is(
      t.throws(() => parseRunFlags(flags, { cwd: '/', env: {} }), { instanceOf: CoracleError })?.code,
      code,
    );
  });
}

test('the last lines of a large log are read from its end', async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'log');
  const lines = Array.from({ length: 20_000 }, (_, i) => `2026-01-01T00:00:00.0Z stdout F line ${i}\n`);
  writeFileSync(path, lines.join(''));
  const logged = {
    ...view,
    directory,
    record: { ...record, log: { driver: 'k8s-file', path, maxSize: 0, maxFiles: 1 } },
  } as const;
  t.is(await collect(logged, { tail: 2 }), 'line 19998\nline 19999\n');
  t.is((await collect(logged, { tail: 15_000 })).split('\n').length, 15_001);
  t.is((await collect(logged, { tail: 50_000 })).split('\n')[0], 'line 0');
});

test('an image made of a container has no variables that are true of the container alone', (t) => {
  const image = { Env: ['A=1', 'container=coracle'] };
  const line = { entrypoint: [], command: ['sh'] };
  const { env } = mergeProcess({ tty: true, env: ['B=2', 'HOSTNAME=mine'] }, image, line, 'box');
  t.deepEqual(lastingEnvironment(env, 'box', image), [
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'HOSTNAME=mine',
    'container=coracle',
    'A=1',
    'B=2',
  ]);
});

test('-e NAME* takes every variable of the caller that begins so', (t) => {
  const context = { cwd: '/', env: { AB_ONE: '1', AB_TWO: '2', OTHER: '3', ABSENT: undefined } };
  t.deepEqual(parseRunFlags({ env: ['AB*', 'C=*'] }, context).env, ['AB_ONE=1', 'AB_TWO=2', 'C=*']);
});

test('the exit of a lost supervisor is recorded, and a container that is gone by then is no error', (t) => {
  const directory = temporaryDirectory(t);
  recordLost(directory, exit);
  t.deepEqual(readExit(directory), exit);
  t.notThrows(() => recordLost(join(directory, 'gone'), exit));
  mkdirSync(join(directory, 'other', 'exit'), { recursive: true });
  t.throws(() => recordLost(join(directory, 'other'), exit), { code: 'IO' });
});
