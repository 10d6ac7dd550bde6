/** Bundles of busybox and the runtime that runs them. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type Outcome, plainEnvironment, type RunOptions, runProgram } from '../helpers/cli.js';
import { repositoryRoot, temporaryDirectory } from '../helpers/host.js';
import { writeBusyboxTar } from '../helpers/image.js';

/** The parts of a config.json that tests change. */
export type Config = {
  ociVersion: string;
  process: Record<string, unknown> & { args: string[] };
  root: { path: string; readonly: boolean };
  mounts: { destination: string; type?: string; source?: string; options?: string[] }[];
  hooks?: Record<string, unknown>;
  annotations?: Record<string, string>;
  linux: Record<string, unknown> & { namespaces: { type: string; path?: string }[] };
};

export type Bundles = {
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  /** Writes the bundle's config.json: the example's, without a terminal, changed. */
  bundle(args: readonly string[], change?: (config: Config) => void): string;
  run(args: readonly string[], options?: RunOptions): Promise<Outcome>;
  /** As `ok` for what leaves a process behind, which keeps the standard streams: they are files. */
  apart(args: readonly string[], options?: RunOptions): Promise<string>;
  /** Standard output of what must succeed. */
  ok(args: readonly string[], options?: RunOptions): Promise<string>;
};

/** The runtime with a directory of its own and an unpacked bundle. Its containers are deleted when the test ends. */
export async function openBundles(t: ExecutionContext<unknown>): Promise<Bundles> {
  const directory = temporaryDirectory(t);
  const [runtime, home, bundle] = ['run', 'home', 'b'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [runtime, home, bundle]) mkdirSync(path, { mode: 0o700 });
  mkdirSync(join(bundle, 'rootfs'), { mode: 0o755 });
  const env = { ...plainEnvironment(), HOME: home, XDG_RUNTIME_DIR: runtime };
  const program = join(repositoryRoot(), 'dist', 'coracle-oci');
  const run: Bundles['run'] = (args, options = {}) =>
    runProgram(program, args, { ...options, env: { ...env, ...options.env } });
  const ok: Bundles['ok'] = async (args, options) => {
    const { code, stdout, stderr } = await run(args, options);
    if (code !== 0) throw new Error(`coracle-oci ${args.join(' ')}: exit ${code}\n${stdout}${stderr}`);
    return stdout;
  };
  const tar = writeBusyboxTar(join(directory, 'busybox.tar'));
  await runProgram('tar', ['-xf', tar, '-C', join(bundle, 'rootfs')]);
  t.teardown(async () => {
    for (const id of (await ok(['list', '-q'])).split('\n'))
      if (id !== '') await ok(['delete', '--force', id]);
  });
  const path = join(bundle, 'config.json');
  await ok(['spec', '--rootless', '--bundle', bundle]);
  const example = readFileSync(path, 'utf8');
  return {
    directory,
    env,
    run,
    ok,
    apart: async (args, options = {}) => {
      const file = join(directory, `streams-${args[0]}`);
      const words = ['-c', `exec "$0" "$@" > ${file} 2>&1 < /dev/null`, program, ...args];
      const { code } = await runProgram('sh', words, { ...options, env: { ...env, ...options.env } });
      const said = readFileSync(file, 'utf8');
      if (code !== 0) throw new Error(`coracle-oci ${args.join(' ')}: exit ${code}\n${said}`);
      return said;
    },
    bundle: (args, change) => {
      const config = JSON.parse(example) as Config;
      config.process.terminal = false;
      config.process.args = [...args];
      change?.(config);
      rmSync(path, { force: true });
      writeFileSync(path, JSON.stringify(config));
      return bundle;
    },
  };
}
