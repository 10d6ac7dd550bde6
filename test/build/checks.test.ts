/** Every rule where it strikes and where it does not; cases follow what BuildKit's own tests of the rules show. */
import test from 'ava';
import { IgnoreMatcher, parseIgnoreFile } from '../../lib/build/ignore.js';
import { Planner } from '../../lib/build/planner.js';
import { parseDockerfile } from '../../lib/dockerfile/parse.js';
import { rules } from '../../lib/dockerfile/rules.js';
import { CoracleError } from '../../lib/errors.js';
import type { ContainerConfig } from '../../lib/oci/container-config.js';
import { imageWith } from './planned.js';

type Setting = {
  readonly args?: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly ignore?: string;
  readonly base?: ContainerConfig;
  readonly architecture?: string;
};

function planner(text: string, setting: Setting = {}): Planner {
  const image = imageWith({ Env: ['PATH=/bin'], ...setting.base });
  const config = { ...image.config, architecture: setting.architecture ?? 'amd64' };
  return new Planner({
    dockerfile: parseDockerfile(text, 'Dockerfile'),
    options: { buildArgs: setting.args, target: setting.target },
    platform: { os: 'linux', architecture: 'amd64' },
    ignored: new IgnoreMatcher(parseIgnoreFile(setting.ignore ?? '')),
    resolveImage: async () => ({ ...image, config }),
  });
}

/** `line Rule` of every finding, in the order of lines. */
async function findings(text: string, setting?: Setting): Promise<readonly string[]> {
  const one = planner(text, setting);
  await one.check();
  return one.warnings
    .map(({ rule, range }) => ({ rule, line: range.startLine }))
    .sort((left, right) => left.line - right.line)
    .map(({ rule, line }) => `${line} ${rule}`);
}

const finds = test.macro(async (t, text: string, expected: readonly string[], setting?: Setting) => {
  t.deepEqual(await findings(text, setting), expected);
});

test('there are 22 rules, each under its own name, with a page but for one', (t) => {
  const all = Object.entries(rules);
  t.is(all.length, 22);
  for (const [name, rule] of all) t.is(rule.name, name);
  t.deepEqual(
    all.flatMap(([name, rule]) => ('url' in rule && rule.url !== undefined ? [] : [name])),
    ['InvalidBaseImagePlatform'],
  );
});

test('a stage name in capitals', finds, 'FROM a AS Build\nFROM a AS run\n', ['1 StageNameCasing']);
test('as under FROM', finds, 'FROM a as b\n', ['1 FromAsCasing']);
test('AS under from', finds, 'from a AS b\n', ['1 FromAsCasing']);
test('a keyword in mixed case is one finding', finds, 'From a as b\nFROM a AS c\n', [
  '1 ConsistentInstructionCasing',
]);
test('an empty continuation is found where its instruction ends', finds, 'FROM a\nRUN b \\\n\n  c\n', [
  '4 NoEmptyContinuation',
]);
test('one lower-case keyword among capitals', finds, 'FROM a\ncopy a b\nCOPY c d\n', [
  '2 ConsistentInstructionCasing',
]);
test('one keyword in capitals among lower case', finds, 'from a\nCOPY a b\ncopy c d\n', [
  '2 ConsistentInstructionCasing',
]);
test('keywords in lower case throughout', finds, 'from a as b\nrun c\n', []);
test('two stages of one name', finds, 'FROM a AS b\nFROM a AS B\n', [
  '2 StageNameCasing',
  '2 DuplicateStageName',
]);
test('reserved stage names', finds, 'FROM a AS scratch\nFROM a AS context\nFROM scratch\n', [
  '1 ReservedStageName',
  '2 ReservedStageName',
]);
test('CMD and ENTRYPOINT in shell form', finds, 'FROM a\nCMD b\nENTRYPOINT c\n', [
  '2 JSONArgsRecommended',
  '3 JSONArgsRecommended',
]);
test('shell form after SHELL', finds, 'FROM a AS b\nSHELL ["/x"]\nCMD c\nFROM b\nENTRYPOINT d\n', []);
test('MAINTAINER', finds, 'FROM a\nMAINTAINER me\n', ['2 MaintainerDeprecated']);
test('an ARG that FROM does not know', finds, `ARG TAG=1\nFROM a:\${TAGS:-2}\n`, ['2 UndefinedArgInFrom']);
test('predefined ARGs in FROM', finds, 'FROM --platform=$BUILDPLATFORM a\n', []);
test('an ARG without a value is declared', finds, `ARG SUFFIX\nFROM a\${SUFFIX}\n`, []);
test('a relative first WORKDIR', finds, 'FROM a\nWORKDIR b\nWORKDIR c\n', ['2 WorkdirRelativePath']);
test(
  'a relative WORKDIR after an absolute one, inherited',
  finds,
  'FROM a AS b\nWORKDIR /x\nFROM b\nWORKDIR y\n',
  [],
);
test("the base image's WORKDIR does not count", finds, 'FROM a\nWORKDIR b\n', ['2 WorkdirRelativePath'], {
  base: { WorkingDir: '/srv' },
});
test('a variable nobody set', finds, 'FROM a\nCOPY $foo .\nARG foo=b\nCOPY $foo .\n', ['2 UndefinedVar']);
test("a variable in RUN is the shell's", finds, 'FROM a\nRUN echo $foo\n', []);
test('an ARG without a value is known', finds, 'FROM a\nARG foo\nCOPY x$foo .\n', []);
test(
  'ARGs are inherited by a stage FROM the stage',
  finds,
  'FROM a AS b\nARG foo=c\nFROM b\nCOPY $foo .\n',
  [],
);
test('two CMDs, the first is without effect', finds, 'FROM a\nCMD ["b"]\nRUN c\nCMD ["d"]\n', [
  '2 MultipleInstructionsDisallowed',
]);
test(
  'two ENTRYPOINTs and HEALTHCHECKs',
  finds,
  'FROM a\nENTRYPOINT ["b"]\nENTRYPOINT ["c"]\nHEALTHCHECK CMD d\nHEALTHCHECK NONE\n',
  ['2 MultipleInstructionsDisallowed', '4 MultipleInstructionsDisallowed'],
);
test('one CMD in each of two stages', finds, 'FROM a AS b\nCMD ["c"]\nFROM b\nCMD ["d"]\n', []);
test('the old form of ENV and LABEL', finds, 'FROM a\nENV b c\nLABEL d e\n', [
  '2 LegacyKeyValueFormat',
  '3 LegacyKeyValueFormat',
]);
test('a base image of another platform', finds, 'FROM a\n', ['1 InvalidBaseImagePlatform'], {
  architecture: 'arm64',
});
test('the default platform, spelled out', finds, `FROM --platform=\${TARGETPLATFORM} a\n`, [
  '1 RedundantTargetPlatform',
]);
test(
  'secrets in ARG and ENV',
  finds,
  'FROM a\nARG SECRET_X auth=1\nENV apikey=b flower=c\nENV git_key= PUBLIC_KEY=\nARG tokens\n',
  [
    '2 SecretsUsedInArgOrEnv',
    '2 SecretsUsedInArgOrEnv',
    '3 SecretsUsedInArgOrEnv',
    '4 SecretsUsedInArgOrEnv',
  ],
);
test('a tag that is empty by default', finds, 'ARG V\nFROM a:$V\n', ['2 InvalidDefaultArgInFrom'], {
  args: { V: '1' },
});
test('a default that makes a name', finds, 'ARG V=\nFROM a:stable$V\n', [], { args: { V: '-musl' } });
test('a constant platform', finds, 'FROM --platform=linux/amd64 a\n', ['1 FromPlatformFlagConstDisallowed']);
test('a constant platform in a stage named for it', finds, 'FROM --platform=linux/amd64 a AS my_amd64\n', []);
test(
  'COPY and ADD of what is ignored',
  finds,
  'FROM a\nCOPY b c /\nADD ./b /\nCOPY --from=x b /\n',
  ['2 CopyIgnoredFile', '3 CopyIgnoredFile'],
  { ignore: 'b\n' },
);
test('COPY . where only some is ignored', finds, 'FROM a\nCOPY . .\n', [], { ignore: 'b\n' });
test('COPY . where all is ignored', finds, 'FROM a\nCOPY . .\n', ['2 CopyIgnoredFile'], { ignore: '**\n' });
test('nothing is said where something is taken back in', finds, 'FROM a\nCOPY b .\n', [], {
  ignore: 'b\n!b/c\n',
});
test(
  'descriptions are looked at when asked for',
  finds,
  '# check=experimental=all\n# about it\nARG a=1\n# b the base\nFROM a AS b\n# x\nARG c d\n',
  ['3 InvalidDefinitionDescription', '7 InvalidDefinitionDescription'],
);
test('descriptions are not looked at otherwise', finds, '# about it\n#\nARG a=1\nFROM a\n', []);
test('a protocol in capitals', finds, 'FROM a\nEXPOSE 80/TCP 81/udp\n', ['2 ExposeProtoCasing']);
test('EXPOSE of a host port', finds, 'FROM a\nEXPOSE 127.0.0.1:80:80\nEXPOSE 8080:80\nEXPOSE 1-2\n', [
  '2 ExposeInvalidFormat',
  '3 ExposeInvalidFormat',
]);
test(
  'skip names rules',
  finds,
  '# check=skip=FromAsCasing, MaintainerDeprecated\nFROM a as b\nMAINTAINER c\nCMD d\n',
  ['4 JSONArgsRecommended'],
);
test('skip=all', finds, '# check=skip=all;error=true\nFROM a as b\n', []);
test(
  'the build argument takes the place of the directive',
  finds,
  '# check=skip=all\nFROM a as b\n',
  ['2 FromAsCasing'],
  {
    args: { BUILDKIT_DOCKERFILE_CHECK: '' },
  },
);
test(
  'a target leaves the stages it does not need out',
  finds,
  'FROM a AS b\nENV c d\nFROM a AS e\nENV f g\n',
  ['2 LegacyKeyValueFormat'],
  { target: 'b' },
);
test('findings in triggers of the base are shown at FROM', finds, 'FROM a\n', ['1 LegacyKeyValueFormat'], {
  base: { OnBuild: ['ENV b c'] },
});

test('messages are the words of BuildKit', async (t) => {
  const one = planner('FROM a as b\nENV PATH=$PAHT\nFROM a:$TAGG\nCOPY $x /\n', { args: {} });
  await one.check();
  t.deepEqual(
    one.warnings.map(({ message }) => message),
    [
      "'as' and 'FROM' keywords' casing do not match",
      "FROM argument 'TAGG' is not declared",
      'Default value for ARG a:$TAGG results in empty or invalid base image name',
      "Usage of undefined variable '$PAHT' (did you mean $PATH?)",
      "Usage of undefined variable '$x'",
    ],
  );
});

test('error=true fails the build at the first finding and names the rules', async (t) => {
  const told: string[] = [];
  const input = { ...planner('# check=error=true\nFROM a as b\nCMD x\n').input };
  const failing = new Planner({ ...input, onWarning: ({ rule }) => told.push(rule ?? '') });
  const error = await t.throwsAsync(failing.plan(), { instanceOf: CoracleError });
  t.regex(error?.message ?? '', /lint violation found for rules: FromAsCasing, JSONArgsRecommended$/);
  t.regex(error?.excerpt ?? '', /^Dockerfile:2:1\n/);
  t.deepEqual(told, ['FromAsCasing', 'JSONArgsRecommended']);
});

for (const [value, hint] of [
  ['skp=all', /did you mean skip/],
  ['nothing', /skip=RULE/],
  ['error=maybe', /./],
] as const) {
  test(`# check=${value} is refused at its line`, (t) => {
    const error = t.throws(() => planner(`# check=${value}\nFROM a\n`), { instanceOf: CoracleError });
    t.regex(error?.excerpt ?? '', /^Dockerfile:1:1\n/);
    t.regex(`${error?.hint ?? error?.message}`, hint);
  });
}

test('a foreign frontend is refused by name, also as a build argument', async (t) => {
  const error = await t.throwsAsync(planner('FROM a\n', { args: { BUILDKIT_SYNTAX: 'x/y:1' } }).plan());
  t.regex(error?.message ?? '', /use syntax x\/y:1/);
  await t.notThrowsAsync(
    planner('# syntax=x/y\nFROM a\n', { args: { BUILDKIT_SYNTAX: 'docker/dockerfile:1' } }).plan(),
  );
});
