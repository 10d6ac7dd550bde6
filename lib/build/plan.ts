/** What a build will do, as data: the stages the target needs, each with its base, its steps and its final config. */
import type { SourceContent } from '../dockerfile/instructions.js';
import type { SourceRange, Warning } from '../dockerfile/source.js';
import type { ImageRecord } from '../image/image-record.js';
import type { ContainerConfig } from '../oci/container-config.js';
import type { Platform } from '../oci/platform.js';
import type { ModeChange } from './file-mode.js';
import type { GitReference } from './git-reference.js';
import type { RunCommand } from './run-command.js';
import type { MountSource, RunMount } from './run-mount.js';
import type { Times } from './times.js';

/** Where COPY --from, or FROM, takes its files. */
export type Source =
  /** The context of the build, or the one of a name. */
  | { readonly kind: 'context'; readonly name?: string }
  | { readonly kind: 'stage'; readonly index: number }
  | { readonly kind: 'image'; readonly image: ImageRecord; readonly reference: string };

type StepCommon = {
  /** Unique in the plan and stable for equal Dockerfiles. */
  readonly id: string;
  /** `[build 2/5] RUN make`. */
  readonly name: string;
  readonly range: SourceRange;
  /** What the image's history says made it. */
  readonly createdBy: string;
  /** Seconds since the epoch that no file of its layer is later than, and that files from the context get. */
  readonly filesTime?: number;
};

export type RunStep = StepCommon & {
  readonly kind: 'run';
  readonly command: RunCommand;
  /** `NAME=value`; part of the step's identity. */
  readonly env: readonly string[];
  /** Proxy settings: given to the process, left out of identity and history. */
  readonly proxies: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly network: 'default' | 'none' | 'host';
  /** Whose programs it runs. */
  readonly platform: Platform;
  readonly security: 'sandbox' | 'insecure';
  /** Where the build sets it by BUILDKIT_SANDBOX_HOSTNAME. */
  readonly hostname?: string;
  readonly mounts: readonly RunMount[];
};

export type CopyStep = StepCommon & {
  readonly kind: 'copy';
  readonly from: Source;
  readonly sources: readonly StepSource[];
  readonly contents: readonly SourceContent[];
  /** Absolute; a trailing slash says that it is a directory. */
  readonly destination: string;
  /** `user[:group]`. */
  readonly chown?: string;
  readonly chmod?: ModeChange;
  /** Patterns as of .dockerignore, relative to each source. */
  readonly excludes: readonly string[];
  /** The layer does not depend on what is below: made on nothing, then put on top. */
  readonly link: boolean;
};

/** One thing that COPY or ADD names. */
export type StepSource =
  | {
      readonly kind: 'path';
      readonly pattern: string;
      /** Archives are unpacked. */
      readonly unpack: boolean;
      /** With --parents: what to take below `pattern`, and its directories. */
      readonly include?: string;
    }
  | {
      readonly kind: 'url';
      readonly url: string;
      /** `sha256:...` of the content. */
      readonly checksum?: string;
      readonly unpack: boolean;
    }
  | { readonly kind: 'git'; readonly repository: GitReference };

export type WorkdirStep = StepCommon & {
  readonly kind: 'workdir';
  /** Absolute. */
  readonly path: string;
  /** Whoever USER named before; owns what is made. */
  readonly user: string;
};

/** An instruction that changes the config alone. */
export type ConfigStep = StepCommon & { readonly kind: 'config' };

export type Step = RunStep | CopyStep | WorkdirStep | ConfigStep;

export type StageBase =
  | { readonly kind: 'scratch' }
  | { readonly kind: 'image'; readonly image: ImageRecord; readonly reference: string }
  | { readonly kind: 'stage'; readonly index: number };

export type PlannedStage = {
  readonly index: number;
  /** Its name, or `stage-N`. */
  readonly label: string;
  /** What its programs and its image are for. */
  readonly platform: Platform;
  readonly base: StageBase;
  /** Identifies the FROM line among the steps shown. */
  readonly fromId: string;
  readonly fromName: string;
  readonly fromRange: SourceRange;
  readonly steps: readonly Step[];
  readonly config: ContainerConfig;
  readonly author: string | undefined;
  readonly times: Times;
};

export type BuildPlan = {
  /** Only the stages the target needs, by index. */
  readonly stages: ReadonlyMap<number, PlannedStage>;
  readonly target: number;
  /** What the build is for. */
  readonly platform: Platform;
  readonly warnings: readonly Warning[];
};

/** The stages whose results `stage` reads while it is made. */
export function dependencies(stage: PlannedStage): readonly number[] {
  const read = stage.steps.flatMap(stagesOf);
  return stage.base.kind === 'stage' ? [stage.base.index, ...read] : read;
}

/** The stages that a step reads files of, beside its own. */
export function stagesOf(step: Step): readonly number[] {
  const sources = step.kind === 'copy' ? [step.from] : step.kind === 'run' ? mountSources(step) : [];
  return sources.flatMap((source) => (source.kind === 'stage' ? [source.index] : []));
}

function mountSources(step: RunStep): readonly MountSource[] {
  return step.mounts.flatMap((mount) => ('from' in mount ? [mount.from] : []));
}
