/** The options of `build` that say what it gives: platforms, outputs, names, attestations, and what the image's config gets. */
import {
  type BuildRequest,
  CoracleError,
  parseAnnotation,
  parseAttest,
  parseOutput,
  registryOutput,
  storeOutput,
} from '../../lib/index.js';
import type { OptionSpec, Values } from '../command.js';
import { readAssignments } from './texts.js';

export const platformOptions = [
  {
    name: 'platform',
    kind: 'list',
    value: 'OS/ARCH',
    summary: 'What the image is for; several, also apart by commas, make an index (default: this machine)',
  },
  { name: 'all-platforms', kind: 'switch', summary: 'All that the base images are there for' },
  { name: 'os', kind: 'string', value: 'OS', summary: 'Operating system of the image' },
  { name: 'arch', kind: 'string', value: 'ARCH', summary: 'Architecture of the image' },
  { name: 'variant', kind: 'string', value: 'VARIANT', summary: 'Variant of the architecture' },
  { name: 'from', kind: 'string', value: 'IMAGE', summary: 'Instead of the image that the first FROM names' },
] as const satisfies readonly OptionSpec[];

export const outputOptions = [
  {
    name: 'output',
    short: 'o',
    kind: 'list',
    value: 'type=KIND,…',
    summary: 'Where the result goes: type=local, tar, oci, docker, image, registry; DIR; - for a tar',
  },
  { name: 'push', kind: 'switch', summary: 'The same as --output type=registry' },
  { name: 'load', kind: 'switch', summary: 'The same as --output type=docker: into the store' },
  { name: 'manifest', kind: 'string', value: 'NAME', summary: 'Index that the images become part of' },
  {
    name: 'metadata-file',
    kind: 'string',
    value: 'FILE',
    summary: 'Write digests, names and provenance to a file',
  },
  {
    name: 'format',
    kind: 'string',
    value: 'FORMAT',
    choices: ['oci', 'docker'],
    summary: 'Media types of the image (default: oci)',
  },
  {
    name: 'annotation',
    kind: 'list',
    value: '[LEVEL:]NAME=VALUE',
    summary: 'Annotation; level: manifest, index, manifest-descriptor, index-descriptor, …[PLATFORM]',
  },
  { name: 'squash', kind: 'switch', summary: 'The layers of this build as one' },
  { name: 'squash-all', kind: 'switch', summary: "All layers as one, the base image's too" },
  {
    name: 'layers',
    kind: 'toggle',
    summary: 'A layer for each RUN and COPY; false is --squash (default: true)',
  },
] as const satisfies readonly OptionSpec[];

export const attestOptions = [
  {
    name: 'provenance',
    kind: 'optional',
    bare: 'true',
    value: 'true|false|mode=max,…',
    summary: 'Attest how the image was built (default: false)',
  },
  {
    name: 'sbom',
    kind: 'optional',
    bare: 'true',
    value: 'true|false',
    summary: 'Attest which packages are in the image (default: false)',
  },
  { name: 'attest', kind: 'list', value: 'type=KIND,…', summary: 'The same at length: provenance, sbom' },
] as const satisfies readonly OptionSpec[];

export const configOptions = [
  { name: 'env', kind: 'list', value: 'NAME[=VALUE]', summary: 'Variable of the image' },
  { name: 'unsetenv', kind: 'list', value: 'NAME', summary: 'Variable that the image loses' },
  { name: 'unsetlabel', kind: 'list', value: 'NAME', summary: 'Label that the image loses' },
  { name: 'unsetannotation', kind: 'list', value: 'NAME', summary: 'Annotation that the image loses' },
  { name: 'inherit-labels', kind: 'toggle', summary: 'Take over labels of the base image (default: true)' },
  {
    name: 'inherit-annotations',
    kind: 'toggle',
    summary: 'Take over annotations of the base image (default: false)',
  },
  { name: 'identity-label', kind: 'toggle', summary: 'Label the image with our version (default: false)' },
  { name: 'omit-history', kind: 'switch', summary: 'Record no history' },
] as const satisfies readonly OptionSpec[];

export const buildOutputOptions = [
  ...platformOptions,
  ...outputOptions,
  ...attestOptions,
  ...configOptions,
] as const satisfies readonly OptionSpec[];

type OutputValues = Values<typeof buildOutputOptions>;
type OutputRequest = Pick<
  BuildRequest,
  | 'platforms'
  | 'allPlatforms'
  | 'from'
  | 'outputs'
  | 'manifest'
  | 'format'
  | 'annotations'
  | 'squash'
  | 'attest'
  | 'env'
  | 'unsetEnv'
  | 'unsetLabels'
  | 'unsetAnnotations'
  | 'inheritLabels'
  | 'inheritAnnotations'
  | 'omitHistory'
>;

/** What the library takes. @throws USAGE, UNSUPPORTED */
export function buildOutputRequest(values: OutputValues): OutputRequest {
  return {
    platforms: readPlatforms(values),
    allPlatforms: values['all-platforms'],
    from: values.from,
    outputs: [
      ...values.output.map(parseOutput),
      ...(values.push ? [registryOutput] : []),
      ...(values.load ? [storeOutput] : []),
    ],
    manifest: values.manifest,
    format: values.format === 'docker' ? 'docker' : undefined,
    annotations: values.annotation.flatMap(parseAnnotation),
    squash: values['squash-all'] ? 'all' : values.squash || values.layers === false ? 'new' : undefined,
    attest: parseAttest(values),
    env: readAssignments('--env', values.env, process.env),
    unsetEnv: values.unsetenv,
    unsetLabels: values.unsetlabel,
    unsetAnnotations: values.unsetannotation,
    inheritLabels: values['inherit-labels'],
    inheritAnnotations: values['inherit-annotations'],
    omitHistory: values['omit-history'],
  };
}

function readPlatforms({ platform, os, arch, variant, ...values }: OutputValues): readonly string[] {
  if (values['all-platforms'] && [...platform, os, arch, variant].some((given) => given !== undefined))
    throw new CoracleError('USAGE', 'build: --all-platforms excludes --platform, --os, --arch and --variant');
  const named = platform.flatMap((text) => text.split(',')).filter((text) => text !== '');
  if (os === undefined && arch === undefined && variant === undefined) return named;
  if (named.length > 0)
    throw new CoracleError('USAGE', 'build: --platform excludes --os, --arch and --variant');
  if (variant !== undefined && arch === undefined)
    throw new CoracleError('USAGE', `build: --variant ${variant} needs --arch`);
  return [[os ?? 'linux', arch ?? process.arch, ...(variant === undefined ? [] : [variant])].join('/')];
}

/** Whether something of the result goes to standard output, which then holds nothing else. */
export function usesStandardOutput(outputs: BuildRequest['outputs']): boolean {
  return (outputs ?? []).some(
    (output) => (output.kind === 'tar' || output.kind === 'archive') && output.dest === '-',
  );
}
