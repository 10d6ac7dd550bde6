/** `coracle build`. */
import {
  type BuildRequest,
  type BuildResult,
  CoracleError,
  coracleVersion,
  familiarReference,
  parseNetwork,
  parseReference,
} from '../lib/index.js';
import { defineCommand } from './command.js';
import { interruptible } from './interrupt.js';
import { buildCacheOptions, readBuildCache } from './options/build-cache.js';
import { answerCall, readCall } from './options/build-call.js';
import { buildOutputOptions, buildOutputRequest, usesStandardOutput } from './options/build-output.js';
import { refusedOfRuns, runOptions, runSettings } from './options/build-runs.js';
import { readPullPolicy } from './options/pull-policy.js';
import { registryAccess, registryOptions, retryOptions, trustOptions } from './options/registry.js';
import { readAssignments, writeTextFile } from './options/texts.js';
import { buildProgress, type ProgressMode } from './progress/build-progress.js';
import { printLine, readInput, say, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'build',
  summary: 'Build an image from a Dockerfile',
  operands: 'CONTEXT',
  count: [0, 1],
  completes: 'files',
  examples: [
    ['coracle build -t hello .', 'From ./Dockerfile, named localhost/hello:latest'],
    [
      'coracle build -f deploy/Dockerfile --target test --build-arg VERSION=3 .',
      'One stage, with an argument',
    ],
    ['coracle build -q - < Dockerfile', 'A Dockerfile that needs no files; prints the id only'],
    ['tar c . | coracle build -', 'An archive, compressed or not, as the context'],
    ['coracle build https://example.org/project.git#v2:docker', 'A directory of a git repository'],
  ],
  options: [
    { name: 'tag', short: 't', kind: 'list', value: 'NAME', summary: 'Name of the image; may be repeated' },
    {
      name: 'file',
      short: 'f',
      kind: 'string',
      value: 'FILE',
      summary: 'Dockerfile, its URL, or - for standard input (default: CONTEXT/Dockerfile)',
    },
    {
      name: 'build-context',
      kind: 'list',
      value: 'NAME=VALUE',
      summary: 'Files or image that FROM NAME and --from=NAME mean; may be repeated',
    },
    {
      name: 'ignorefile',
      kind: 'string',
      value: 'FILE',
      summary: "Instead of the context's .dockerignore",
    },
    { name: 'build-arg', kind: 'list', value: 'NAME[=VALUE]', summary: 'Value of an ARG' },
    { name: 'target', kind: 'string', value: 'STAGE', summary: 'Stage to build (default: the last one)' },
    ...buildCacheOptions,
    { name: 'label', kind: 'list', value: 'NAME[=VALUE]', summary: 'Label of the image' },
    { name: 'iidfile', kind: 'string', value: 'FILE', summary: "Write the image's id to a file" },
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'Print only the id' },
    {
      name: 'progress',
      kind: 'string',
      value: 'KIND',
      choices: ['auto', 'tty', 'plain', 'rawjson', 'quiet'],
      summary: 'How to show what happens (default: auto)',
    },
    {
      name: 'pull',
      kind: 'optional',
      bare: 'always',
      value: 'POLICY',
      choices: ['always', 'missing', 'newer', 'never', 'true', 'false'],
      summary: 'When to ask the registry for base images (default: missing)',
    },
    {
      name: 'network',
      kind: 'string',
      value: 'MODE|NAME',
      summary: 'Network of RUN steps: none, host, pasta, slirp4netns, or one of network create',
    },
    {
      name: 'jobs',
      short: 'j',
      kind: 'number',
      value: 'N',
      summary: 'Steps at a time (default: the number of processors, 2 at least)',
    },
    {
      name: 'source-date-epoch',
      kind: 'string',
      value: 'SECONDS',
      aliases: ['timestamp'],
      summary:
        "Time of the image and its newest file, or context, or a stage (default: the base image's time)",
    },
    {
      name: 'reproducible',
      kind: 'toggle',
      summary: 'Record no clock: the same files give the same digest anywhere (default: true)',
    },
    {
      name: 'rewrite-timestamp',
      kind: 'toggle',
      summary: 'Make no file later than the image (default: as --reproducible)',
    },
    ...buildOutputOptions,
    ...runOptions,
    { name: 'check', kind: 'switch', summary: 'Check the Dockerfile, build nothing; same as --call=check' },
    {
      name: 'call',
      kind: 'string',
      value: 'METHOD',
      summary: 'build, or check, outline or targets[,format=json]: what to do (default: build)',
    },
    ...registryOptions,
    ...retryOptions,
    ...trustOptions,
  ],
  refused: {
    ...refusedOfRuns,
    'steps leave no containers': 'rm force-rm',
    'this version has no builders': 'builder',
    'this version does not sign': 'sign-by',
    'this version runs without hooks': 'hooks-dir',
  },
  async handler(values, [context], { open }) {
    const quiet = values.quiet || values.progress === 'quiet';
    const call = readCall(values.call, values.check);
    const progress = buildProgress(
      call === undefined ? readMode(values.progress ?? process.env.BUILDKIT_PROGRESS, values.quiet) : 'quiet',
    );
    const source = chooseSource(context, values.file);
    const outputs = buildOutputRequest(values);
    if (call !== undefined) {
      return await interruptible((signal) => {
        const request = {
          ...source,
          contexts: readContexts(values['build-context']),
          ignoreFile: values.ignorefile,
          buildArgs: readAssignments('--build-arg', values['build-arg'], process.env),
          target: values.target,
          pull: readPullPolicy(values.pull),
          access: registryAccess(values),
          signal,
        };
        return answerCall(open(), request, call);
      }).catch((error: unknown) => {
        throw asBuildFailure(error);
      });
    }
    try {
      const result = await interruptible((signal) =>
        open().build({
          ...source,
          contexts: readContexts(values['build-context']),
          ignoreFile: values.ignorefile,
          ...outputs,
          tags: values.tag,
          buildArgs: readAssignments('--build-arg', values['build-arg'], process.env),
          labels: {
            ...readAssignments('--label', values.label, undefined),
            ...(values['identity-label'] === true ? { 'dev.coracle.version': coracleVersion } : {}),
          },
          target: values.target,
          ...readBuildCache(values),
          ...(values.network === undefined ? {} : parseNetwork(values.network)),
          ...runSettings(values),
          jobs: values.jobs,
          sourceDateEpoch: values['source-date-epoch'] ?? process.env.SOURCE_DATE_EPOCH,
          reproducible: values.reproducible,
          rewriteTimestamp: values['rewrite-timestamp'],
          pull: readPullPolicy(values.pull),
          access: registryAccess(values),
          signal,
          onEvent: progress.onEvent,
        }),
      );
      const id = result.id;
      if (values.iidfile !== undefined) writeTextFile('--iidfile', values.iidfile, id);
      progress.close();
      if (values['metadata-file'] !== undefined)
        writeTextFile(
          '--metadata-file',
          values['metadata-file'],
          `${JSON.stringify(result.metadata, null, 2)}\n`,
        );
      if (quiet && !usesStandardOutput(outputs.outputs)) printLine(id);
      else if (values.progress !== 'rawjson') say(visible(summary(result)));
      return 0;
    } catch (error) {
      throw asBuildFailure(error);
    } finally {
      progress.close();
    }
  },
});

function summary({ id, image, cached, steps }: BuildResult): string {
  const names = image.references.map((reference) => ` as ${familiarReference(parseReference(reference))}`);
  return `built ${id}${names.join(',')} (${cached} of ${steps} steps cached)`;
}

function readMode(text: string | undefined, quiet: boolean): ProgressMode {
  if (quiet) return 'quiet';
  switch (text) {
    case 'tty':
    case 'plain':
    case 'rawjson':
    case 'quiet':
      return text;
    case 'auto':
    case '':
    case undefined:
      return 'auto';
    default:
      // The option's own values are checked before; what is left is the environment.
      throw new CoracleError('USAGE', `read BUILDKIT_PROGRESS "${text}": not a way to show progress`, {
        hint: 'auto, tty, plain, rawjson or quiet',
      });
  }
}

/** `-` as the context is an archive or a Dockerfile, as its content says; as `-f` it is the Dockerfile of a context. */
function chooseSource(
  context: string | undefined,
  file: string | undefined,
): Pick<BuildRequest, 'context' | 'dockerfile' | 'dockerfileContent'> {
  if (context === undefined && file === undefined) {
    throw new CoracleError('USAGE', 'coracle build: needs exactly 1 argument, got 0', {
      hint: 'usage: coracle build [OPTIONS] CONTEXT, where CONTEXT is mostly a dot',
    });
  }
  if (context === '-' && file === '-')
    throw new CoracleError('USAGE', 'build -: standard input cannot be both the context and the Dockerfile');
  const named = file === undefined ? {} : { dockerfile: file };
  if (context === '-') return { context: process.stdin, ...named };
  if (file === '-') return { context: context ?? '.', dockerfileContent: readInput() };
  return { context: context ?? '.', ...named };
}

/** `--build-context NAME=VALUE`, any number of them. */
function readContexts(values: readonly string[]): Readonly<Record<string, string>> {
  const pairs = values.map((value) => {
    const [, name = '', text = ''] = /^([^=]+)=(.+)$/s.exec(value) ?? [];
    if (name !== '') return [name, text] as const;
    throw new CoracleError('USAGE', `read --build-context ${value}: expected NAME=VALUE`, {
      hint: 'VALUE is a directory, docker-image://REFERENCE, oci-layout://PATH, a git repository or a URL',
    });
  });
  return Object.fromEntries(pairs);
}

/** docker's exit code for a build that failed, whatever the reason; wrong usage keeps its own. */
function asBuildFailure(error: unknown): unknown {
  if (!(error instanceof CoracleError) || error.code === 'USAGE' || error.exitCode === 130) return error;
  const { code, message, hint, excerpt } = error;
  return new CoracleError(code, message, {
    cause: error.cause,
    exitCode: 1,
    ...(hint === undefined ? {} : { hint }),
    ...(excerpt === undefined ? {} : { excerpt }),
  });
}
