/** What a build tells while it runs: a typed stream whose consumers are the displays, `rawjson` and the library's users. */
import { findRule } from '../dockerfile/rules.js';
import { renderExcerpt, type SourceRange, type Warning } from '../dockerfile/source.js';
import type { BuildSource } from './build-source.js';

/** Names a step within one build; stable for equal inputs, printed as a digest in rawjson. */
export type StepId = string;

/** One step of the graph: `name` reads like `[build 2/5] RUN make`. */
export type BuildStep = {
  readonly id: StepId;
  readonly name: string;
  /** Steps whose results this one needs. */
  readonly inputs: readonly StepId[];
  /** Absent for internal steps (loading the context, exporting the image). */
  readonly range?: SourceRange;
};

/** Times are milliseconds since the epoch, with fractions. */
export type BuildEvent =
  | { readonly kind: 'planned'; readonly steps: readonly BuildStep[] }
  | { readonly kind: 'started'; readonly step: StepId; readonly time: number }
  | { readonly kind: 'cached'; readonly step: StepId; readonly time: number }
  | {
      readonly kind: 'log';
      readonly step: StepId;
      /** 1 standard output, 2 standard error of the process in the step. */
      readonly stream: 1 | 2;
      readonly data: Uint8Array;
      readonly time: number;
    }
  | {
      /** Bytes or files moved by a step; `id` distinguishes parallel transfers. */
      readonly kind: 'progress';
      readonly step: StepId;
      readonly id: string;
      readonly current: number;
      readonly total?: number;
      readonly time: number;
    }
  | { readonly kind: 'done'; readonly step: StepId; readonly time: number }
  | {
      readonly kind: 'failed';
      readonly step: StepId;
      readonly reason: string;
      /** Another step's failure stopped it. */
      readonly canceled: boolean;
      readonly time: number;
    }
  | {
      readonly kind: 'warning';
      /** BuildKit's rule name where the warning has one. */
      readonly rule?: string;
      readonly message: string;
      /** The rule's page and what it is about. */
      readonly url?: string;
      readonly description?: string;
      readonly range?: SourceRange;
      /** The file the range is in, and its lines. */
      readonly source?: BuildSource;
      /** `file:line`, source lines and caret. */
      readonly excerpt?: string;
    };

export type BuildListener = (event: BuildEvent) => void;

/** The event that tells of a warning, with the lines it is about. */
export function warningEvent(
  warning: Warning,
  source: BuildSource,
): Extract<BuildEvent, { kind: 'warning' }> {
  const rule = warning.rule === undefined ? undefined : findRule(warning.rule);
  return {
    kind: 'warning',
    ...warning,
    ...(rule?.url === undefined ? {} : { url: rule.url }),
    ...(rule === undefined ? {} : { description: rule.description }),
    source,
    excerpt: renderExcerpt(source.name, source.lines, warning.range),
  };
}

/** Passes each warning on once, though the plan of every platform has it. */
export function warningsOnce(tell: (warning: Warning) => void): (warning: Warning) => void {
  const told = new Set<string>();
  return (warning) => {
    const key = JSON.stringify(warning);
    if (told.has(key)) return;
    told.add(key);
    tell(warning);
  };
}
