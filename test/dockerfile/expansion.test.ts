import test from 'ava';
import { type ArgumentSource, expandFrom, expandInstruction } from '../../lib/dockerfile/expansion.js';
import type { ExpandedInstruction } from '../../lib/dockerfile/instructions.js';
import { parseDockerfile } from '../../lib/dockerfile/parse.js';
import { exposedPorts } from '../../lib/dockerfile/ports.js';
import { CoracleError } from '../../lib/errors.js';

const variables = new Map([
  ['X', 'value'],
  ['SPACED', 'a b'],
  ['PORTS', '80 443/tcp'],
]);

function expand(text: string, argumentSource?: ArgumentSource) {
  const file = parseDockerfile(`FROM scratch\n${text}`, 'Dockerfile');
  const instruction = file.stages[0]?.instructions[0];
  if (instruction === undefined) throw new Error('no instruction');
  return expandInstruction(
    instruction,
    (name) => variables.get(name),
    file.directives.escape,
    argumentSource,
  );
}

const expanded = (text: string): ExpandedInstruction => expand(text).instruction;

test('the fields that BuildKit expands are expanded', (t) => {
  t.like(expanded('ENV a$X="<$X>" b=\'$X\''), {
    pairs: [
      { key: 'avalue', value: '<value>' },
      { key: 'b', value: '$X' },
    ],
  });
  t.like(expanded('LABEL l=$X'), { pairs: [{ key: 'l', value: 'value' }] });
  t.like(expanded('WORKDIR "/$X y"'), { path: '/value y' });
  t.like(expanded('USER $X'), { user: 'value' });
  t.like(expanded('STOPSIGNAL $X'), { signal: 'value' });
  t.like(expanded('VOLUME /$X /y'), { paths: ['/value', '/y'] });
  t.like(expanded('EXPOSE $PORTS 53/udp'), { ports: ['80', '443/tcp', '53/udp'] });
  t.like(expanded('COPY --chown=$X --chmod=$X "$X" /$SPACED'), {
    chown: 'value',
    chmod: 'value',
    sources: ['value'],
    destination: '/a b',
  });
  t.like(expanded('ADD --checksum=$X a b'), { checksum: 'value' });
});

test('the fields that BuildKit leaves alone are left alone', (t) => {
  t.like(expanded('COPY --exclude=$X a b'), { excludes: ['$X'] });
  t.like(expanded('CMD echo $X'), { command: { script: 'echo $X' } });
  t.like(expanded('RUN echo $X'), { command: { script: 'echo $X' } });
  t.like(expanded('SHELL ["$X"]'), { args: ['$X'] });
  t.like(expanded('ONBUILD ENV a=$X'), { expression: 'ENV a=$X' });
  t.like(expanded('MAINTAINER $X'), { name: '$X' });
});

test('one value holds for the whole of an ENV, but ARG sees what stands before', (t) => {
  t.like(expanded('ENV X=new Y=$X'), { pairs: [{ value: 'new' }, { value: 'value' }] });
  t.like(expanded('ARG X=new Y=$X Z'), { args: [{ value: 'new' }, { value: 'new' }, { key: 'Z' }] });
});

test('a build argument replaces a default before it is looked at', (t) => {
  const given: ArgumentSource = (name, hasDefault) =>
    name === 'A' ? 'given' : hasDefault ? undefined : 'global';
  const { instruction } = expand(`ARG A=\${NONE:?needed} B=<$A> C D=$C`, given);
  t.deepEqual(instruction.kind === 'arg' && instruction.args, [
    { key: 'A', value: 'given' },
    { key: 'B', value: '<given>' },
    { key: 'C', value: 'global' },
    { key: 'D', value: 'global' },
  ]);
  t.throws(() => expand(`ARG A=\${NONE:?needed}`), { instanceOf: CoracleError, message: /NONE: needed/ });
});

test('variables that are not set are reported', (t) => {
  t.deepEqual(expand(`ENV a=$NO b=\${NO}$X c=\${WAY-x}`).unmatched, ['NO', 'WAY']);
  t.deepEqual(expand('RUN --mount=target=/$NO true').unmatched, ['NO']);
});

test('heredoc bodies expand with literal quotes unless the word was quoted', (t) => {
  t.like(expanded('COPY <<E /\n"$X" \'$X\' \\$X\nE'), { contents: [{ data: '"value" \'value\' $X\n' }] });
  t.like(expanded('COPY <<"E" /\n"$X"\nE'), { contents: [{ data: '"$X"\n' }] });
});

test('mounts are typed after expansion', (t) => {
  const mounts = (flags: string) => {
    const { instruction } = expand(`RUN ${flags} true`);
    return instruction.kind === 'run' ? instruction.mounts : [];
  };
  t.deepEqual(mounts('--mount=target=/$X'), [{ type: 'bind', target: '/value', readOnly: true }]);
  t.deepEqual(mounts('--mount=type=bind,from=a,src=b,dst=c,rw'), [
    { type: 'bind', from: 'a', source: 'b', target: 'c', readOnly: false },
  ]);
  t.deepEqual(mounts('--mount=type=cache,id=$X,target=/c,sharing=LOCKED,mode=0700,uid=1,gid=2,ro=1'), [
    {
      type: 'cache',
      id: 'value',
      target: '/c',
      sharing: 'locked',
      mode: 0o700,
      uid: 1,
      gid: 2,
      readOnly: true,
    },
  ]);
  t.deepEqual(mounts('--mount=type=tmpfs,target=/t,size=64m'), [
    { type: 'tmpfs', target: '/t', sizeBytes: 64 * 1024 ** 2, readOnly: false },
  ]);
  t.deepEqual(
    mounts('--mount=type=secret,target=/etc/key,required --mount=type=secret,id=a,env=KEY,mode=0440'),
    [
      { type: 'secret', id: 'key', target: '/etc/key', required: true, readOnly: true },
      { type: 'secret', id: 'a', env: 'KEY', mode: 0o440, required: false, readOnly: true },
    ],
  );
  t.deepEqual(mounts('--mount=type=ssh,required=false'), [{ type: 'ssh', required: false, readOnly: true }]);
  t.deepEqual(mounts('--mount=\\"target=/a,b\\",readonly=false'), [
    { type: 'bind', target: '/a,b', readOnly: false },
  ]);
});

test('bad mounts are refused by name', (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['type=bnid', /unsupported type bnid/],
    ['type=cache,sharing=mine', /unsupported sharing mine/],
    ['tagret=/x', /unknown key tagret/],
    ['target', /key target needs a value/],
    ['type=bind,mode=1', /mode is not allowed for a bind mount/],
    ['type=bind,required', /required is not allowed for a bind mount/],
    ['type=cache,mode=9', /invalid mode 9/],
    ['type=cache,uid=-1', /invalid uid -1/],
    ['type=cache,gid=4294967296', /invalid gid/],
    ['ro=maybe', /invalid readonly maybe/],
    ['type=tmpfs,size=big', /invalid size big/],
    ['type=secret', /needs an id/],
    ['type=secret,id=a,source=b', /same thing/],
    ['type=secret,from=a', /from is not allowed/],
    [`target=\${X:?}\${NO:?gone}`, /NO: gone/],
  ];
  for (const [mount, message] of cases) {
    t.throws(() => expand(`RUN --mount=${mount} true`), { instanceOf: CoracleError, message }, mount);
  }
});

test('FROM expands with what it is given', (t) => {
  const from = parseDockerfile(`FROM --platform=$P img:\${V:-1} AS x\n`, 'f').stages[0]?.from;
  if (from === undefined) throw new Error('no stage');
  const result = expandFrom(from, (name) => (name === 'P' ? 'linux/arm64' : undefined), '\\');
  t.like(result.instruction, { base: 'img:1', platform: 'linux/arm64', stageName: 'x' });
  t.deepEqual(result.unmatched, ['V']);
  t.throws(() => expandFrom({ ...from, base: '$NO' }, () => undefined, '\\'), { instanceOf: CoracleError });
});

test('exposed ports are keys of the image config', (t) => {
  t.deepEqual(exposedPorts('80'), ['80/tcp']);
  t.deepEqual(exposedPorts('53/UDP'), ['53/udp']);
  t.deepEqual(exposedPorts('127.0.0.1:8080:80/tcp'), ['80/tcp']);
  t.deepEqual(exposedPorts('7000-7002/sctp'), ['7000/sctp', '7001/sctp', '7002/sctp']);
  for (const bad of ['', 'a', '80/x', '65536', '80-79', '80-', '-80', '80/', '123456']) {
    t.throws(() => exposedPorts(bad), { instanceOf: CoracleError }, bad);
  }
});
