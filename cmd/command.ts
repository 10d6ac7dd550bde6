/** What a command is: one declarative table of options, its operands, and a handler that makes one library call. */
import type { Coracle } from '../lib/index.js';

export type OptionSpec = {
  /** Long name without dashes. */
  readonly name: string;
  readonly short?: string;
  /**
   * `switch` is off unless given; `toggle` distinguishes "not given"; `optional` takes a value only as
   * `--name=value` and reads a bare `--name` as `bare`.
   */
  readonly kind: 'switch' | 'toggle' | 'string' | 'number' | 'list' | 'optional';
  readonly summary: string;
  /** Placeholder for the value in help texts. */
  readonly value?: string;
  /** What a bare `--name` means for kind `optional`. */
  readonly bare?: string;
  readonly choices?: readonly string[];
  /** What completion offers for the value, besides what else is allowed. */
  readonly suggests?: readonly string[];
  /** What completion offers for the value, where it is no choice of a few. */
  readonly completes?: Completes;
  /** Other long spellings that docker or podman users type. */
  readonly aliases?: readonly string[];
  /** Refused by name with this reason: known elsewhere, not here. */
  readonly unsupported?: string;
};

type ValueOf<O extends OptionSpec> = O['kind'] extends 'switch'
  ? boolean
  : O['kind'] extends 'toggle'
    ? boolean | undefined
    : O['kind'] extends 'number'
      ? number | undefined
      : O['kind'] extends 'list'
        ? readonly string[]
        : string | undefined;

/** The values of a table of options, by long name. */
export type Values<T extends readonly OptionSpec[]> = {
  readonly [O in T[number] as O['name']]: ValueOf<O>;
};

/** Why options are refused → their names, apart by blanks; `long,s` has a short form. */
export type Refusals = Readonly<Record<string, string>>;

/** The refused options as a table for the parser. */
export function refusedOptions(refused: Refusals): readonly OptionSpec[] {
  return Object.entries(refused).flatMap(([reason, names]) =>
    names.split(/\s+/).map((word): OptionSpec => {
      const [name = '', short] = word.split(',');
      const common = { name, kind: 'string', summary: reason, unsupported: reason } as const;
      return short === undefined ? common : { ...common, short };
    }),
  );
}

export type RawValue = boolean | string | number | readonly string[] | undefined;
export type RawValues = Readonly<Record<string, RawValue>>;

/** What every handler gets beside its own values. */
export type Context = {
  /** Opens the store named by the global options; once per process. */
  readonly open: () => Coracle;
  readonly globals: Values<typeof globalOptions>;
};

/** What completion offers for an operand or a value. */
export type Completes =
  | 'images'
  | 'artifacts'
  | 'containers'
  | 'running'
  | 'working'
  | 'secrets'
  | 'volumes'
  | 'pods'
  | 'networks'
  | 'files'
  | 'shells'
  | 'nothing';

export type Command = {
  readonly name: string;
  readonly summary: string;
  /** After `coracle NAME [OPTIONS]` in the usage line. */
  readonly operands: string;
  /** Fewest and most operands; the most may be Infinity. */
  readonly count: readonly [number, number];
  /** Options end at the first operand, as in `run IMAGE COMMAND --flag`. */
  readonly stopAtOperand?: boolean;
  readonly completes?: Completes;
  readonly examples: readonly (readonly [command: string, what: string])[];
  readonly options: readonly OptionSpec[];
  /** Options known from docker and podman that are refused by name: reason → names, `long` or `long,s`. */
  readonly refused?: Refusals;
  /** Resolves to the exit code; nothing means 0. */
  readonly handler: (
    values: RawValues,
    operands: readonly string[],
    context: Context,
  ) => Promise<number | undefined>;
};

/** Binds a handler to the types that its own option table gives it. */
export function defineCommand<const T extends readonly OptionSpec[]>(
  command: Omit<Command, 'options' | 'handler'> & {
    readonly options: T;
    readonly handler: (
      values: Values<T>,
      operands: readonly string[],
      context: Context,
    ) => Promise<number | undefined>;
  },
): Command {
  return {
    ...command,
    // The parser fills exactly the names and kinds of `options`, which is what Values<T> says.
    handler: (values, operands, context) => command.handler(values as Values<T>, operands, context),
  };
}

/** Options that may stand before or after the command's name. */
export const globalOptions = [
  { name: 'root', kind: 'string', value: 'DIR', summary: 'Directory of the store' },
  {
    name: 'storage-driver',
    kind: 'string',
    value: 'DRIVER',
    choices: ['overlay', 'fuse-overlayfs', 'copy'],
    summary: 'How root file systems are assembled (default: the best this host has)',
  },
  {
    name: 'imagestore',
    kind: 'string',
    value: 'DIR',
    summary: 'Another store for images and build cache; containers and volumes stay in that of --root',
  },
  {
    name: 'transient-store',
    kind: 'switch',
    summary: 'Keep the records of containers in the runtime directory, for this boot only',
  },
  {
    name: 'storage-opt',
    kind: 'list',
    value: 'NAME=VALUE',
    summary: 'additionalimagestore=DIR: use the images of a store or OCI layout, never write them',
  },
  { name: 'debug', kind: 'switch', summary: 'Log what happens to standard error, show stacks of errors' },
  { name: 'help', short: 'h', kind: 'switch', summary: 'Show this help' },
] as const satisfies readonly OptionSpec[];
