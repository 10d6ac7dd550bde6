/**
 * How an image was built, as SLSA provenance with BuildKit's extensions. No secret is ever in it: of secrets and agents it
 * knows the ids alone, and the values of build arguments and labels are only in `mode=max`, which says so.
 * https://docs.docker.com/build/metadata/attestations/slsa-definitions/
 */
import type { ImageRecord } from '../image/image-record.js';
import { digestHex } from '../oci/digest.js';
import { present } from '../oci/guards.js';
import { formatPlatform, hostPlatform, type Platform } from '../oci/platform.js';
import type { ProvenanceOptions } from './attest-options.js';
import { packageUrl, sha256Hex } from './attestation.js';
import type { BuildOptions } from './options.js';
import type { BuildPlan, PlannedStage } from './plan.js';
import { proxyArguments } from './scope.js';

export type ProvenanceInput = {
  readonly options: ProvenanceOptions;
  readonly build: Pick<BuildOptions, 'buildArgs' | 'labels' | 'target'>;
  readonly plan: BuildPlan;
  readonly target: number;
  /** URI of a context that was fetched. */
  readonly context: string | undefined;
  /** The Dockerfile: its name and its text. */
  readonly file: { readonly name: string; readonly text: string };
  readonly invocation: { readonly id: string; readonly started: Date; readonly finished: Date };
};

/** URI of the predicate's type. */
export const provenanceTypes = {
  v1: 'https://slsa.dev/provenance/v1',
  'v0.2': 'https://slsa.dev/provenance/v0.2',
} as const;

const buildTypes = {
  v1: 'https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md',
  'v0.2': 'https://mobyproject.org/buildkit@v1',
} as const;
const extension = 'https://mobyproject.org/buildkit@v1#';

/** The predicate, pure. */
export function provenance(input: ProvenanceInput): unknown {
  return input.options.version === 'v1' ? slsa1(input) : slsa02(input);
}

function slsa1(input: ProvenanceInput): unknown {
  const { options, context, file, invocation } = input;
  return {
    buildDefinition: {
      buildType: buildTypes.v1,
      externalParameters: {
        configSource: { ...present('uri', context), path: file.name },
        parameters: parameters(input),
        ...buildConfig(input),
      },
      internalParameters: { environment: environment() },
      resolvedDependencies: materials(input),
    },
    runDetails: {
      builder: { id: options.builderId },
      metadata: {
        invocationId: invocation.id,
        startedOn: invocation.started.toISOString(),
        finishedOn: invocation.finished.toISOString(),
        ...extensions(input),
        [`${extension}completeness`]: completeness(input),
        [`${extension}reproducible`]: options.reproducible,
      },
    },
  };
}

function slsa02(input: ProvenanceInput): unknown {
  const { options, context, file, invocation } = input;
  return {
    builder: { id: options.builderId },
    buildType: buildTypes['v0.2'],
    materials: materials(input),
    invocation: {
      configSource: { ...present('uri', context), entryPoint: file.name },
      parameters: parameters(input),
      environment: environment(),
    },
    ...buildConfig(input),
    metadata: {
      buildInvocationID: invocation.id,
      buildStartedOn: invocation.started.toISOString(),
      buildFinishedOn: invocation.finished.toISOString(),
      completeness: completeness(input),
      reproducible: options.reproducible,
      ...extensions(input),
    },
  };
}

function environment(): unknown {
  return { platform: formatPlatform(hostPlatform()) };
}

/** Files of the context are no materials with digests, as in BuildKit. */
function completeness({ options }: ProvenanceInput): unknown {
  return { parameters: options.mode === 'max', environment: true, materials: false };
}

function parameters({ options, build, context, plan, target }: ProvenanceInput): unknown {
  const secrets = mountIds(plan, target, 'secret');
  const ssh = mountIds(plan, target, 'ssh');
  return {
    frontend: 'dockerfile.v0',
    ...(options.mode === 'max' ? { args: buildArguments(build) } : {}),
    ...(secrets.length === 0 ? {} : { secrets }),
    ...(ssh.length === 0 ? {} : { ssh }),
    ...(context === undefined ? { locals: [{ name: 'context' }, { name: 'dockerfile' }] } : {}),
  };
}

function buildArguments({ buildArgs = {}, labels = {}, target }: ProvenanceInput['build']): unknown {
  const prefixed = (prefix: string, values: Readonly<Record<string, string>>): [string, string][] =>
    Object.entries(values).map(([name, value]) => [`${prefix}:${name}`, value]);
  const named = [...prefixed('build-arg', withoutProxies(buildArgs)), ...prefixed('label', labels)];
  return Object.fromEntries(target === undefined ? named : [...named, ['target', target]]);
}

/** Proxies belong to the machine that builds, and their addresses may hold passwords. */
function withoutProxies(values: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !proxyArguments.includes(name)));
}

/** The steps, in `mode=max`. */
function buildConfig({ options, plan, target }: ProvenanceInput): Readonly<Record<string, unknown>> {
  if (options.mode === 'min') return {};
  const steps = stagesOf(plan, target).flatMap((stage) =>
    stage.steps.map(({ id, createdBy }) => ({ id, op: { description: createdBy } })),
  );
  return { buildConfig: { llbDefinition: steps } };
}

function extensions({ options, file }: ProvenanceInput): Readonly<Record<string, unknown>> {
  if (options.mode === 'min') return {};
  const data = Buffer.from(file.text).toString('base64');
  const infos = [
    { filename: file.name, language: 'Dockerfile', data, digest: { sha256: sha256Hex(file.text) } },
  ];
  return { [`${extension}metadata`]: { source: { infos } } };
}

/** The images the result was made of, by name and digest. */
function materials({ plan, target }: ProvenanceInput): readonly unknown[] {
  const found = new Map<string, unknown>();
  const add = (reference: string, image: ImageRecord, platform: Platform): void => {
    const uri = packageUrl(image.reference ?? reference, platform);
    found.set(uri, { uri, digest: { sha256: digestHex(image.descriptor.digest) } });
  };
  for (const stage of stagesOf(plan, target)) {
    for (const source of sourcesOf(stage)) {
      if (source.kind === 'image') add(source.reference, source.image, stage.platform);
    }
  }
  return [...found.values()];
}

type ImageSource = { readonly kind: 'image'; readonly image: ImageRecord; readonly reference: string };
type StageSource = { readonly kind: 'stage'; readonly index: number };

/** Every stage or image a stage reads, wherever in its steps it is named. */
function sourcesOf(stage: PlannedStage): readonly (ImageSource | StageSource)[] {
  const found: (ImageSource | StageSource)[] = [];
  const look = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(look);
    if (isImageSource(value) || isStageSource(value)) found.push(value);
    else if (isRecord(value)) Object.values(value).forEach(look);
  };
  look([stage.base, stage.steps]);
  return found;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !ArrayBuffer.isView(value);
}

function isImageSource(value: unknown): value is ImageSource {
  return (
    isRecord(value) && value.kind === 'image' && typeof value.reference === 'string' && isRecord(value.image)
  );
}

function isStageSource(value: unknown): value is StageSource {
  return isRecord(value) && value.kind === 'stage' && typeof value.index === 'number';
}

/** The stages the target is made of, lowest index first. */
export function stagesOf(plan: BuildPlan, target: number): readonly PlannedStage[] {
  const needed = new Set<number>();
  const visit = (index: number): void => {
    const stage = plan.stages.get(index);
    if (stage === undefined || needed.has(index)) return;
    needed.add(index);
    for (const source of sourcesOf(stage)) if (source.kind === 'stage') visit(source.index);
  };
  visit(target);
  return [...needed].sort((one, other) => one - other).flatMap((index) => plan.stages.get(index) ?? []);
}

/** Ids of the secrets or agents that RUN steps mount: never a value. */
function mountIds(plan: BuildPlan, target: number, kind: 'secret' | 'ssh'): readonly unknown[] {
  const ids = new Set<string>();
  const look = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(look);
    if (!isRecord(value) || isImageSource(value)) return;
    if ((value.kind === kind || value.type === kind) && typeof value.id === 'string') ids.add(value.id);
    else Object.values(value).forEach(look);
  };
  for (const { steps } of stagesOf(plan, target)) look(steps);
  return [...ids].sort().map((id) => ({ id }));
}
