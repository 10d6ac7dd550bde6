/** What all commands of `coracle oci` share: options that stand before the verb in other runtimes, and how they fail. */
import { appendFileSync } from 'node:fs';
import {
  type BundleRuntime,
  CoracleError,
  ioError,
  openBundleRuntime,
  renderError,
} from '../../lib/index.js';
import { type Command, defineCommand, type OptionSpec, type Refusals, type Values } from '../command.js';
import { say, visible } from '../terminal/output.js';

export const commonOptions = [
  {
    name: 'root',
    kind: 'string',
    value: 'DIR',
    summary: 'Directory of what is known of containers (default: below XDG_RUNTIME_DIR)',
  },
  { name: 'log', kind: 'string', value: 'FILE', summary: 'Append errors and warnings to this file' },
  { name: 'log-format', kind: 'string', choices: ['text', 'json'], summary: 'Format of the log' },
  {
    name: 'log-level',
    kind: 'string',
    choices: ['debug', 'info', 'warning', 'warn', 'error'],
    summary: 'Least weight of what is logged (default: warning)',
  },
  {
    name: 'cgroup-manager',
    kind: 'string',
    choices: ['cgroupfs', 'systemd', 'disabled'],
    summary: 'Who makes cgroups; disabled: nobody, and limits are not applied',
  },
  {
    name: 'systemd-cgroup',
    kind: 'switch',
    summary: 'The same as --cgroup-manager systemd: scopes, linux.cgroupsPath is SLICE:PREFIX:NAME',
  },
] as const satisfies readonly OptionSpec[];

type Common = Values<typeof commonOptions>;

/** Options of other runtimes that are refused in every command but those that have them. */
export function refusedEverywhere(own: readonly OptionSpec[]): Refusals {
  const rootless = own.some(({ name }) => name === 'rootless');
  return {
    ...(rootless ? {} : { 'who calls is found out': 'rootless' }),
    'there is no checkpoint and restore': 'criu',
  };
}

export type OciCall = {
  readonly runtime: BundleRuntime;
  /** Logs what could not be applied; said on standard error where there is no log. */
  readonly warn: (text: string) => void;
  readonly cgroups: 'cgroupfs' | 'systemd' | 'disabled';
};

/** A command whose errors go to the log as well, and end with exit code 1 like those of other runtimes. */
export function defineOciCommand<const T extends readonly OptionSpec[]>(
  command: Omit<Command, 'options' | 'handler'> & {
    readonly options: T;
    readonly handler: (
      values: Values<T>,
      operands: readonly string[],
      call: OciCall,
    ) => Promise<number | undefined>;
  },
): Command {
  return defineCommand({
    ...command,
    options: [...command.options, ...commonOptions],
    refused: { ...command.refused, ...refusedEverywhere(command.options) },
    async handler(raw, operands, { globals }) {
      // The parser fills the names and kinds of both tables, which is what these types say.
      const values = raw as unknown as Values<T> & Common;
      try {
        if (globals['storage-driver'] !== undefined)
          throw new CoracleError('USAGE', 'use --storage-driver: a bundle has its own root file system');
        return await command.handler(values, operands, callOf(values));
      } catch (error) {
        return fail(values, error);
      }
    },
  });
}

function callOf(values: Common): OciCall {
  const manager = values['cgroup-manager'] ?? (values['systemd-cgroup'] ? 'systemd' : 'cgroupfs');
  return {
    runtime: openBundleRuntime(values.root),
    cgroups: manager === 'disabled' || manager === 'systemd' ? manager : 'cgroupfs',
    warn: (text) => {
      if (values['log-level'] === 'error') return;
      if (values.log === undefined) say(visible(`warning: ${text}`));
      else log(values, 'warning', text);
    },
  };
}

function fail(values: Common, error: unknown): number {
  const known = error instanceof CoracleError;
  const text = known ? error.message : renderError(error);
  say(visible(renderError(error)));
  if (values.log !== undefined) log(values, 'error', text);
  return known ? (error.exitCode ?? 1) : 1;
}

/** Lines as runc writes them: podman and containerd read them. */
function log(values: Common, level: 'warning' | 'error', msg: string): void {
  const time = new Date().toISOString();
  const line =
    values['log-format'] === 'json'
      ? JSON.stringify({ level, msg, time })
      : `time=${JSON.stringify(time)} level=${level} msg=${JSON.stringify(msg)}`;
  const path = values.log ?? '';
  try {
    appendFileSync(path, `${line}\n`, { mode: 0o600 });
  } catch (failure) {
    say(visible(renderError(ioError(`write log ${path}`, failure))));
  }
}

/** How many of our descriptors from 3 on the process gets; the launcher counted them. */
export function readPreserved(count: number | undefined): number {
  const given = Number(process.env.CORACLE_DESCRIPTORS ?? 0);
  if (count === undefined) return 0;
  if (count < 0 || count > 16)
    throw new CoracleError('USAGE', `use --preserve-fds ${count}: it may be 0 to 16`);
  if (count > given)
    throw new CoracleError('USAGE', `use --preserve-fds ${count}: descriptor ${3 + given} is not open`);
  return count;
}

/** Options of `create` and `run`. */
export const bundleOptions = [
  { name: 'bundle', short: 'b', kind: 'string', value: 'DIR', summary: 'The bundle (default: where we are)' },
  {
    name: 'console-socket',
    kind: 'string',
    value: 'SOCKET',
    summary: "Gets the descriptor of the terminal's master",
  },
  { name: 'pid-file', kind: 'string', value: 'FILE', summary: "Gets the process's pid" },
  {
    name: 'preserve-fds',
    kind: 'number',
    value: 'N',
    summary: 'Give the process N more descriptors of the caller, from 3 on',
  },
] as const satisfies readonly OptionSpec[];

export const bundleRefused = {
  'the root is always left by pivot_root': 'no-pivot',
  'processes always get a keyring of their own': 'no-new-keyring',
};

/** Absolute, for a native program that works elsewhere. */
export function absolute(path: string | undefined): string | undefined {
  return path === undefined || path.startsWith('/') ? path : `${process.cwd()}/${path}`;
}

export function bundleRequest(values: Values<typeof bundleOptions>, call: OciCall) {
  return {
    bundle: values.bundle ?? process.cwd(),
    consoleSocket: absolute(values['console-socket']),
    pidFile: absolute(values['pid-file']),
    preserveFds: readPreserved(values['preserve-fds']),
    cgroups: call.cgroups,
  };
}
