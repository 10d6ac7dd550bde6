/**
 * The typed instructions of a Dockerfile (dialect 1.26). Values that are subject to variable
 * expansion are raw words as written: quotes, escapes and `$` still in them. `expandInstruction`
 * (expansion.ts) turns them into values at the point where the environment is known.
 */
import type { SourceRange, Warning } from './source.js';

/** The character that escapes and that continues lines: `\` or, by directive, a backtick. */
export type EscapeToken = '\\' | '`';

/** A flag as written: `--name=value`, or `--name` with `value` undefined. */
export type Flag = { readonly name: string; readonly value?: string; readonly range: SourceRange };

/** What every instruction has. */
export type InstructionSource = {
  /** The keyword as written, whose letter case some checks look at. */
  readonly keyword: string;
  /** From the keyword to the last line, heredoc bodies included. */
  readonly range: SourceRange;
  /** The logical line: continuations joined, comments gone, trimmed, heredoc bodies not included. */
  readonly original: string;
  /** Comment lines directly above, without `#`, trimmed. */
  readonly comments: readonly string[];
  readonly flags: readonly Flag[];
};

/** A heredoc with its body as written; `chomp` (`<<-`) asks for leading tabs to go. */
export type Heredoc = {
  readonly name: string;
  readonly data: string;
  /** False when any part of the word was quoted: the body is literal. */
  readonly expand: boolean;
  readonly chomp: boolean;
  /** The file descriptor before `<<`; 0 where none is written. */
  readonly fd: number;
};

/** A command line: JSON array, or text for the current SHELL (with the heredocs it refers to, RUN only). */
export type Command =
  | { readonly form: 'exec'; readonly args: readonly string[] }
  | { readonly form: 'shell'; readonly script: string; readonly files: readonly Heredoc[] };

/** `legacy`: written `ENV name value` instead of `name=value`. */
export type KeyValue = { readonly key: string; readonly value: string; readonly legacy: boolean };

export type FromInstruction = InstructionSource & {
  readonly kind: 'from';
  /** Raw: expanded with the global ARGs only. */
  readonly base: string;
  /** Lower case. */
  readonly stageName?: string;
  /** As written, where `stageName` is. */
  readonly stageNameWritten?: string;
  /** The word between base and name as written (`AS`, `as`). */
  readonly asKeyword?: string;
  /** Raw: expanded with the global ARGs only. */
  readonly platform?: string;
};

/** A `--mount` value: raw, since each field is expanded; `from` never is and names a dependency. */
export type MountFlag = { readonly raw: string; readonly from?: string; readonly range: SourceRange };

type MountCommon = { readonly target?: string; readonly readOnly: boolean };
type MountOwner = { readonly mode?: number; readonly uid?: number; readonly gid?: number };

/** A `--mount` of RUN after expansion. Undefined means: not given, the executor's default. */
export type Mount =
  | (MountCommon & { readonly type: 'bind'; readonly from?: string; readonly source?: string })
  | (MountCommon &
      MountOwner & {
        readonly type: 'cache';
        readonly id?: string;
        readonly from?: string;
        readonly source?: string;
        readonly sharing?: 'shared' | 'private' | 'locked';
      })
  | (MountCommon & { readonly type: 'tmpfs'; readonly sizeBytes?: number })
  | (MountCommon &
      MountOwner & {
        readonly type: 'secret';
        /** `id`, `source` or the last part of `target`. */
        readonly id: string;
        readonly required: boolean;
        /** The environment variable to put the secret into; a file is then made only for a `target`. */
        readonly env?: string;
      })
  | (MountCommon & MountOwner & { readonly type: 'ssh'; readonly id?: string; readonly required: boolean });

/** `--device`: a CDI name. */
export type Device = { readonly name: string; readonly required: boolean };

type RunFields = InstructionSource & {
  readonly kind: 'run';
  readonly command: Command;
  readonly network: 'default' | 'none' | 'host';
  readonly security: 'sandbox' | 'insecure';
  readonly devices: readonly Device[];
};
export type RunInstruction = RunFields & { readonly mounts: readonly MountFlag[] };
export type ExpandedRunInstruction = RunFields & { readonly mounts: readonly Mount[] };

/** An inline file of COPY or ADD. `data` is final but for variables, which `expand` asks for. */
export type SourceContent = { readonly name: string; readonly data: string; readonly expand: boolean };

type CopyFields = InstructionSource & {
  readonly sources: readonly string[];
  readonly contents: readonly SourceContent[];
  readonly destination: string;
  readonly chown?: string;
  readonly chmod?: string;
  readonly link: boolean;
  /** `--exclude` patterns; BuildKit does not expand them. */
  readonly excludes: readonly string[];
};
export type CopyInstruction = CopyFields & {
  readonly kind: 'copy';
  /** A stage name, stage index or image; never expanded (a `$` in it is refused). */
  readonly from?: string;
  readonly parents: boolean;
};
export type AddInstruction = CopyFields & {
  readonly kind: 'add';
  readonly checksum?: string;
  readonly keepGitDirectory?: boolean;
  readonly unpack?: boolean;
};

/** `value` undefined: declared without a default. `comment` is its description, from `# NAME text`. */
export type Argument = { readonly key: string; readonly value?: string; readonly comment?: string };

/** Durations are nanoseconds; undefined or 0 means the default. */
export type Healthcheck = {
  readonly interval?: number;
  readonly timeout?: number;
  readonly startPeriod?: number;
  readonly startInterval?: number;
  readonly retries?: number;
  readonly command: Command;
};

export type EnvInstruction = InstructionSource & {
  readonly kind: 'env';
  readonly pairs: readonly KeyValue[];
};
export type LabelInstruction = InstructionSource & {
  readonly kind: 'label';
  readonly pairs: readonly KeyValue[];
};
export type ArgInstruction = InstructionSource & {
  readonly kind: 'arg';
  readonly args: readonly Argument[];
};
export type WorkdirInstruction = InstructionSource & { readonly kind: 'workdir'; readonly path: string };
export type UserInstruction = InstructionSource & { readonly kind: 'user'; readonly user: string };
/** Raw words, sorted; each may expand to several ports. */
export type ExposeInstruction = InstructionSource & {
  readonly kind: 'expose';
  readonly ports: readonly string[];
};
export type VolumeInstruction = InstructionSource & {
  readonly kind: 'volume';
  readonly paths: readonly string[];
};
export type CmdInstruction = InstructionSource & { readonly kind: 'cmd'; readonly command: Command };
export type EntrypointInstruction = InstructionSource & {
  readonly kind: 'entrypoint';
  readonly command: Command;
};
export type ShellInstruction = InstructionSource & {
  readonly kind: 'shell';
  readonly args: readonly string[];
};
export type StopsignalInstruction = InstructionSource & {
  readonly kind: 'stopsignal';
  readonly signal: string;
};
/** `healthcheck` undefined: `HEALTHCHECK NONE`. */
export type HealthcheckInstruction = InstructionSource & {
  readonly kind: 'healthcheck';
  readonly healthcheck?: Healthcheck;
};
export type MaintainerInstruction = InstructionSource & {
  readonly kind: 'maintainer';
  readonly name: string;
};
export type OnbuildInstruction = InstructionSource & {
  readonly kind: 'onbuild';
  /** What the image config holds: the trigger's text with its heredoc bodies. */
  readonly expression: string;
  readonly trigger: TriggerInstruction;
};

/** What ONBUILD may hold. */
export type TriggerInstruction =
  | RunInstruction
  | CopyInstruction
  | AddInstruction
  | EnvInstruction
  | LabelInstruction
  | ArgInstruction
  | WorkdirInstruction
  | UserInstruction
  | ExposeInstruction
  | VolumeInstruction
  | CmdInstruction
  | EntrypointInstruction
  | ShellInstruction
  | StopsignalInstruction
  | HealthcheckInstruction;

/** What a stage holds after its FROM. */
export type StageInstruction = TriggerInstruction | OnbuildInstruction | MaintainerInstruction;
export type Instruction = StageInstruction | FromInstruction;

/** The same instruction with its words expanded. */
export type ExpandedInstruction = Exclude<StageInstruction, RunInstruction> | ExpandedRunInstruction;

export type Stage = {
  readonly index: number;
  /** Lower case; undefined where the stage has no `AS name`. */
  readonly name?: string;
  /** Raw, as in `from.base`. */
  readonly baseName: string;
  /** Raw, as in `from.platform`. */
  readonly platform?: string;
  /** The stage's description, from a comment `# name text` above its FROM. */
  readonly comment?: string;
  readonly from: FromInstruction;
  readonly instructions: readonly StageInstruction[];
};

export type Directive = {
  readonly name: 'escape' | 'syntax' | 'check';
  readonly value: string;
  readonly line: number;
};

export type Directives = {
  readonly escape: EscapeToken;
  readonly syntax?: Directive;
  readonly check?: Directive;
};

export type Dockerfile = {
  readonly fileName: string;
  readonly directives: Directives;
  /** The ARGs before the first FROM. */
  readonly metaArgs: readonly ArgInstruction[];
  readonly stages: readonly Stage[];
  readonly warnings: readonly Warning[];
  /** The physical lines without their line ends, for `renderExcerpt`. */
  readonly lines: readonly string[];
};
