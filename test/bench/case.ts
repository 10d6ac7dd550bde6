/** What a case is: contenders that take turns, and the rows that compare their samples. */
import type { Scale } from './options.js';
import type { Store, Tool, Tools } from './tools.js';

/** What cases share. */
export type Bench = {
  readonly tools: Tools;
  readonly scale: Scale;
  readonly workspace: string;
  /** References and files that several cases start from. */
  readonly inputs: Inputs;
  /** A store below the workspace that nothing was put in yet. */
  freshStore(tool: Tool): Store;
  /** A store with the base image, one per tool for the whole bench. */
  baseStore(tool: Tool): Store;
  /** A line below the table. */
  remark(text: string): void;
  /** A statement that was put to the test. */
  check(title: string, met: boolean, detail: string): void;
  /** Called in reverse order when the bench ends, also by an error. */
  atEnd(action: () => void): void;
};

export type Inputs = {
  /** The busybox image, `localhost/base:1` in every base store. */
  readonly baseTar: string;
  /** A root file system of about 170 MB, and what it is. */
  debian(): { readonly file: string; readonly what: string };
};

export const baseImage = 'localhost/base:1';

/** Writes down one sample. Milliseconds unless the row says otherwise. */
export type Recorder = (measure: string, value: number) => void;

export type Contender = {
  /** Unique in its case; what rows refer to. */
  readonly label: string;
  /** One turn. Round 0 warms up and is not kept. */
  round(record: Recorder, round: number): void;
};

export type Row = {
  readonly title: string;
  readonly measure: string;
  /** Labels of two contenders. */
  readonly ours: string;
  readonly theirs: string;
  readonly unit: 'ms' | 'KiB';
  readonly target?: Target;
};

/** `ratio`: ours divided by theirs. `value`: ours, in the unit of the row. */
export type Target = { readonly of: 'ratio' | 'value'; readonly atMost: number };

export type Case = {
  readonly name: string;
  readonly speed: 'fast' | 'slow';
  /** Makes what all rounds share. Contenders whose tool is missing are left out. */
  open(bench: Bench): Comparison;
};

export type Comparison = {
  readonly contenders: readonly Contender[];
  readonly rows: readonly Row[];
};

/** Rows of one measure: against podman with a target, and against skopeo, which does the same without running anything. */
export function transferRows(title: string, measure: string, atMost?: number): Row[] {
  return [row(title, measure, atMost), against('skopeo', title, measure, atMost)];
}

/** A row of milliseconds of coracle against podman. */
export function row(title: string, measure: string, atMost?: number): Row {
  return against('podman', title, measure, atMost);
}

/** A row of milliseconds of coracle against another contender. */
export function against(theirs: string, title: string, measure: string, atMost?: number): Row {
  const target = atMost === undefined ? {} : { target: { of: 'ratio', atMost } as const };
  return { title, measure, ours: 'coracle', theirs, unit: 'ms', ...target };
}

/** The tools among these that this machine has. */
export function present(...tools: readonly (Tool | undefined)[]): Tool[] {
  return tools.filter((tool) => tool !== undefined);
}
