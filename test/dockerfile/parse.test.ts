import test from 'ava';
import { runBody } from '../../lib/dockerfile/heredoc.js';
import type { Instruction, StageInstruction } from '../../lib/dockerfile/instructions.js';
import { parseDockerfile, parseTrigger } from '../../lib/dockerfile/parse.js';

/** The instructions behind `FROM scratch`. */
function parse(text: string): readonly StageInstruction[] {
  return parseDockerfile(`FROM scratch\n${text}`, 'Dockerfile').stages[0]?.instructions ?? [];
}

/** The one instruction of `text`, of the kind asked for. */
function only<Kind extends StageInstruction['kind']>(
  kind: Kind,
  text: string,
): Extract<StageInstruction, { kind: Kind }> {
  const [instruction, second] = parse(text);
  const isKind = (value: Instruction | undefined): value is Extract<StageInstruction, { kind: Kind }> =>
    value?.kind === kind;
  if (!isKind(instruction) || second !== undefined) throw new Error(`expected one ${kind} in ${text}`);
  return instruction;
}

function script(text: string): string {
  const { command } = only('run', text);
  return command.form === 'shell' ? command.script : JSON.stringify(command.args);
}

test('lines continue, and comments and blank lines in them vanish', (t) => {
  t.is(script('RUN a \\\n    b'), 'a     b');
  t.is(script('RUN a \\  \t\n b'), 'a  b');
  t.is(script('RUN a \\\n# note\n  # note\n b'), 'a  b');
  t.is(script('RUN a \\\r\n b\r\n'), 'a  b');
  t.is(script('RUN a \\\\\n'), 'a \\\\');
  t.is(script('  run   a'), 'a');
  t.is(script('RUN echo # not a comment'), 'echo # not a comment');
  t.is(script('RU\\\nN a'), 'a');
  t.is(script('\\\nRUN a'), 'a');
  t.is(script('RUN a \\'), 'a');
});

test('a blank line in a continuation is a warning where the instruction ends, as in BuildKit', (t) => {
  const { warnings, stages } = parseDockerfile('FROM scratch\nRUN a \\\n\n\n  b\n', 'Dockerfile');
  t.is(stages[0]?.instructions.length, 1);
  t.deepEqual(
    warnings.map(({ rule, range }) => [rule, range.startLine]),
    [['NoEmptyContinuation', 5]],
  );
});

test('ranges span continuations and heredoc bodies', (t) => {
  const [first, second] = parse('\n  RUN a \\\n b\nCOPY <<A <<B /\nx\nA\ny\nB\n');
  t.deepEqual(first?.range, { startLine: 3, endLine: 4, startColumn: 3 });
  t.deepEqual(second?.range, { startLine: 5, endLine: 9, startColumn: 1 });
});

test('flags know their place across continued lines', (t) => {
  const run = only('run', 'RUN --network=none \\\n  --mount=target=/x,type=tmpfs true');
  t.deepEqual(run.flags, [
    { name: 'network', value: 'none', range: { startLine: 2, endLine: 2, startColumn: 5 } },
    { name: 'mount', value: 'target=/x,type=tmpfs', range: { startLine: 3, endLine: 3, startColumn: 3 } },
  ]);
});

test('directives count only above everything else', (t) => {
  const directives = (text: string) => parseDockerfile(`${text}\nFROM scratch\n`, 'Dockerfile').directives;
  t.deepEqual(directives('# syntax = docker/dockerfile:1 \n#ESCAPE=`\n# check=skip=all;error=true'), {
    escape: '`',
    syntax: { name: 'syntax', value: 'docker/dockerfile:1', line: 1 },
    check: { name: 'check', value: 'skip=all;error=true', line: 3 },
  });
  t.deepEqual(directives('\n# escape=`'), { escape: '\\' });
  t.deepEqual(directives('# a comment\n# escape=`'), { escape: '\\' });
  t.deepEqual(directives('# other=1\n# escape=`'), { escape: '\\' });
  t.deepEqual(directives('\ufeff# escape=`'), { escape: '`' });
  t.deepEqual(directives('#!/usr/bin/env x\n# syntax=a\n# escape=`'), {
    escape: '\\',
    syntax: { name: 'syntax', value: 'a', line: 2 },
  });
});

test('the escape directive changes the continuation character', (t) => {
  const file = parseDockerfile('# escape=`\nFROM scratch\nRUN dir c:\\ `\n /s\n', 'Dockerfile');
  const [run] = file.stages[0]?.instructions ?? [];
  t.is(run?.original, 'RUN dir c:\\  /s');
});

test('stages carry their base, name, platform and description', (t) => {
  const text =
    'ARG V=1\n# build compiles it\nFROM --platform=$BUILDPLATFORM alpine:$V as Build\nRUN a\nFROM scratch\nCOPY --from=Build /a /\n';
  const file = parseDockerfile(text, 'Dockerfile');
  t.deepEqual(
    file.metaArgs.map((arg) => arg.args),
    [[{ key: 'V', value: '1' }]],
  );
  const [build, last] = file.stages;
  t.is(build?.name, 'build');
  t.is(build?.from.stageNameWritten, 'Build');
  t.is(build?.baseName, 'alpine:$V');
  t.is(build?.platform, '$BUILDPLATFORM');
  t.is(build?.comment, 'compiles it');
  t.is(last?.index, 1);
  t.is(last?.name, undefined);
});

test('comments above an instruction belong to it', (t) => {
  const [arg] = parse('# far\n#\n# NAME who\n# near\nARG NAME=x OTHER');
  t.deepEqual(arg?.comments, ['NAME who', 'near']);
  t.deepEqual(arg?.kind === 'arg' && arg.args, [
    { key: 'NAME', value: 'x', comment: 'who' },
    { key: 'OTHER' },
  ]);
});

test('commands are JSON arrays or text for the shell', (t) => {
  t.deepEqual(only('cmd', 'CMD ["a", "b c"]').command, { form: 'exec', args: ['a', 'b c'] });
  t.deepEqual(only('cmd', 'CMD []').command, { form: 'exec', args: [] });
  t.deepEqual(only('cmd', 'CMD').command, { form: 'shell', script: '', files: [] });
  t.deepEqual(only('entrypoint', "ENTRYPOINT ['a']").command, { form: 'shell', script: "['a']", files: [] });
  t.deepEqual(only('run', 'RUN [ -f x ] && y').command, {
    form: 'shell',
    script: '[ -f x ] && y',
    files: [],
  });
  t.deepEqual(only('cmd', 'CMD ["a"] # no').command, { form: 'shell', script: '["a"] # no', files: [] });
  t.deepEqual(only('cmd', 'CMD [ "a\\u00e9" ,\\\n "b" ]').command, { form: 'exec', args: ['aé', 'b'] });
  t.deepEqual(only('shell', 'SHELL ["bash", "-c"]').args, ['bash', '-c']);
});

test('ENV and LABEL know both forms', (t) => {
  t.deepEqual(only('env', 'ENV a b c').pairs, [{ key: 'a', value: 'b c', legacy: true }]);
  t.deepEqual(only('env', 'ENV a=b c="d e" f=\'g\' h=i\\ j k=').pairs, [
    { key: 'a', value: 'b', legacy: false },
    { key: 'c', value: '"d e"', legacy: false },
    { key: 'f', value: "'g'", legacy: false },
    { key: 'h', value: 'i\\ j', legacy: false },
    { key: 'k', value: '', legacy: false },
  ]);
  t.deepEqual(only('env', 'ENV a b=c').pairs, [{ key: 'a', value: 'b=c', legacy: true }]);
  t.deepEqual(only('label', 'LABEL "a.b"="c\\\n d"').pairs, [
    { key: '"a.b"', value: '"c d"', legacy: false },
  ]);
});

test('the instructions with one value keep the rest of the line', (t) => {
  t.is(only('workdir', 'WORKDIR /a b').path, '/a b');
  t.is(only('user', 'USER  me:us ').user, 'me:us');
  t.is(only('stopsignal', 'STOPSIGNAL SIGQUIT').signal, 'SIGQUIT');
  t.is(only('maintainer', 'MAINTAINER A B <a@b>').name, 'A B <a@b>');
  t.deepEqual(only('expose', 'EXPOSE 80 53/udp $P').ports, ['$P', '53/udp', '80']);
  t.deepEqual(only('volume', 'VOLUME /a /b').paths, ['/a', '/b']);
  t.deepEqual(only('volume', 'VOLUME ["/a b"]').paths, ['/a b']);
});

test('COPY and ADD keep all their flags', (t) => {
  const copy = only(
    'copy',
    'COPY --from=0 --chown=a:b --chmod=u+x --link --parents --exclude=*.o --exclude=x a b /c/',
  );
  t.like(copy, { from: '0', chown: 'a:b', chmod: 'u+x', link: true, parents: true });
  t.deepEqual([copy.sources, copy.destination, copy.excludes], [['a', 'b'], '/c/', ['*.o', 'x']]);
  const add = only(
    'add',
    'ADD --checksum=sha256:00 --keep-git-dir=true --unpack=false --link=FALSE https://x/y /',
  );
  t.like(add, { checksum: 'sha256:00', keepGitDirectory: true, unpack: false, link: false });
  t.is(only('add', 'ADD a /').unpack, undefined);
  t.deepEqual(only('copy', 'COPY ["a b", "<<c", "/d e"]').sources, ['a b', '<<c']);
  t.is(only('copy', 'COPY --chmod="7 55" a /').chmod, '7 55');
  t.deepEqual(only('copy', 'COPY -- --odd /').sources, ['--odd']);
});

test('RUN keeps its flags', (t) => {
  const run = only(
    'run',
    'RUN --mount=from=build,target=/x --mount=type=cache,"target=/a,b" --network=none --security=insecure --device=vendor.com/gpu=all,required make',
  );
  t.like(run, { network: 'none', security: 'insecure' });
  t.deepEqual(run.devices, [{ name: 'vendor.com/gpu=all', required: true }]);
  t.deepEqual(
    run.mounts.map(({ raw, from }) => [raw, from]),
    [
      ['from=build,target=/x', 'build'],
      ['type=cache,target=/a,b', undefined],
    ],
  );
  t.like(only('run', 'RUN x'), { network: 'default', security: 'sandbox', mounts: [], devices: [] });
});

test('HEALTHCHECK durations are nanoseconds', (t) => {
  const text =
    'HEALTHCHECK --interval=5m --timeout=1.5s --start-period=0 --start-interval=2ms --retries=3 CMD curl -f x';
  t.deepEqual(only('healthcheck', text).healthcheck, {
    interval: 300e9,
    timeout: 1.5e9,
    startPeriod: 0,
    startInterval: 2e6,
    retries: 3,
    command: { form: 'shell', script: 'curl -f x', files: [] },
  });
  t.deepEqual(only('healthcheck', 'HEALTHCHECK cmd ["a"]').healthcheck?.command, {
    form: 'exec',
    args: ['a'],
  });
  t.is(only('healthcheck', 'HEALTHCHECK none').healthcheck, undefined);
});

function heredocs(text: string) {
  const { command } = only('run', text);
  return command.form === 'shell' ? command.files : [];
}

test('heredocs are read with their shape', (t) => {
  t.deepEqual(heredocs('RUN <<EOF\na\n# kept\n\nb \\\nEOF\n'), [
    { name: 'EOF', data: 'a\n# kept\n\nb \\\n', expand: true, chomp: false, fd: 0 },
  ]);
  t.deepEqual(heredocs('RUN 3<<-"E F" cat\n\ta\r\n\t\tE F\r\n'), [
    { name: 'E F', data: '\ta\r\n', expand: false, chomp: true, fd: 3 },
  ]);
  t.deepEqual(
    heredocs("RUN x <<A y <<'B'\n1\nA\n2\nB\n").map(({ name, data, expand }) => [name, data, expand]),
    [
      ['A', '1\n', true],
      ['B', '2\n', false],
    ],
  );
  t.deepEqual(
    heredocs('RUN <<E"O"F\nEOF').map(({ name, expand }) => [name, expand]),
    [['EOF', false]],
  );
  t.deepEqual(
    heredocs('RUN <<$X\n$X').map(({ name, expand }) => [name, expand]),
    [['$X', true]],
  );
  for (const none of [
    'RUN cat<<EOF',
    'RUN echo "<<EOF"',
    "RUN echo '<<EOF'",
    'RUN a <<<EOF',
    'RUN a << EOF',
    'RUN ["<<EOF"]',
    'CMD <<EOF',
    'RUN \\<<EOF',
  ]) {
    t.deepEqual(parse(none).length, 1, none);
  }
});

test('a RUN heredoc is a script, a program or the business of the shell', (t) => {
  const body = (text: string) => {
    const { command } = only('run', text);
    if (command.form !== 'shell') throw new Error('not the shell form');
    return runBody(command);
  };
  t.deepEqual(body('RUN a b'), { kind: 'script', script: 'a b' });
  t.deepEqual(body('RUN <<-EOF\n\ta\n\t\tb\n\tEOF'), { kind: 'script', script: 'a\nb\n' });
  t.deepEqual(body('RUN <<EOF\n#!/bin/python\nx\nEOF'), {
    kind: 'file',
    name: 'EOF',
    data: '#!/bin/python\nx\n',
  });
  t.deepEqual(body('RUN <<EOF bash -e\n\tx\nEOF'), { kind: 'script', script: '<<EOF bash -e\n\tx\nEOF' });
  t.deepEqual(body('RUN cat <<A - <<B\n1\nA\n2\nB'), { kind: 'script', script: 'cat <<A - <<B\n1\nA\n2\nB' });
});

test('COPY heredocs become inline files', (t) => {
  const copy = only('copy', 'COPY <<-"a.txt" plain <<b.txt /d/\n\tone $X\na.txt\n\ttwo\nb.txt\n');
  t.deepEqual(copy.sources, ['plain']);
  t.deepEqual(copy.contents, [
    { name: 'a.txt', data: 'one $X\n', expand: false },
    { name: 'b.txt', data: '\ttwo\n', expand: true },
  ]);
});

test('ONBUILD holds the raw text and the parsed trigger', (t) => {
  const onbuild = only('onbuild', '# why\nONBUILD  RUN --network=none <<EOF cat\nhi\nEOF\n');
  t.is(onbuild.expression, 'RUN --network=none <<EOF cat\nhi\nEOF');
  t.like(onbuild.trigger, { kind: 'run', network: 'none', original: 'RUN --network=none <<EOF cat' });
  t.deepEqual(onbuild.comments, ['why']);
  const again = parseTrigger(onbuild.expression, 'image', '\\');
  t.is(again.kind === 'run' && again.command.form === 'shell' && again.command.files[0]?.data, 'hi\n');
  t.is(only('onbuild', 'ONBUILD COPY --from=x . /').trigger.kind, 'copy');
});

test('bytes, a byte order mark and a missing last newline are accepted', (t) => {
  const bytes = Buffer.from('\ufeffFROM scratch\r\nENV a=é');
  const file = parseDockerfile(bytes, 'Dockerfile');
  t.deepEqual(file.lines, ['FROM scratch', 'ENV a=é']);
  t.is(file.stages[0]?.instructions[0]?.original, 'ENV a=é');
});
