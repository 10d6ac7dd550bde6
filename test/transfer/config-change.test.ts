import test from 'ava';
import { CoracleError } from '../../lib/errors.js';
import { applyChanges } from '../../lib/transfer/config-change.js';

const becomes = test.macro((t, changes: readonly string[], expected: unknown) =>
  t.deepEqual<unknown, unknown>(applyChanges({}, changes), expected),
);
const refuses = test.macro((t, change: string, message: RegExp) => {
  t.is(t.throws(() => applyChanges({}, [change]), { instanceOf: CoracleError, message })?.code, 'USAGE');
});

test('a command as a list', becomes, ['CMD ["a", "b c"]'], { Cmd: ['a', 'b c'] });
test('a command as a line', becomes, ['entrypoint run it'], { Entrypoint: ['/bin/sh', '-c', 'run it'] });
test('an equals sign as podman takes it', becomes, ['CMD=/bin/sh', 'USER=me'], {
  Cmd: ['/bin/sh', '-c', '/bin/sh'],
  User: 'me',
});
test(
  'variables, the last one of a name counts',
  becomes,
  ['ENV A=1 B="two words" C=x\\ y', 'ENV A=3', 'ENV D old form'],
  { Env: ['A=3', 'B=two words', 'C=x y', 'D=old form'] },
);
test('labels', becomes, ['LABEL a=b "c d"="e f"'], { Labels: { a: 'b', 'c d': 'e f' } });
test('ports', becomes, ['EXPOSE 80 53/udp'], { ExposedPorts: { '80/tcp': {}, '53/udp': {} } });
test('volumes', becomes, ['VOLUME /data /log', 'VOLUME ["/more"]'], {
  Volumes: { '/data': {}, '/log': {}, '/more': {} },
});
test('directories build on each other', becomes, ['WORKDIR /a', 'WORKDIR b'], { WorkingDir: '/a/b' });
test('signals and triggers', becomes, ['STOPSIGNAL SIGINT', 'ONBUILD RUN x'], {
  StopSignal: 'SIGINT',
  OnBuild: ['RUN x'],
});

test('an instruction that makes layers', refuses, 'RUN true', /RUN cannot change an imported image/);
test('no value', refuses, 'CMD', /expected INSTRUCTION VALUE/);
test('a list that is no JSON', refuses, 'CMD ["a"', /not valid JSON/);
test('a list of other things', refuses, 'CMD [1]', /not valid JSON/);
test('an open quote', refuses, 'ENV A="b', /quote is not closed/);
test('a variable without a value', refuses, 'ENV A', /A has no value/);
test('a port that is none', refuses, 'EXPOSE 99999', /99999 is no port/);
