/** The tools that are compared, each with stores of its own on one file system. */
import { mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { findProgram, repositoryRoot } from '../helpers/host.js';
import { type Command, runCommand } from './command.js';

export type ToolName = 'coracle' | 'podman' | 'buildah' | 'skopeo';

/** One tool over one store. */
export type Store = {
  readonly tool: ToolName;
  readonly directory: string;
  command(...args: readonly string[]): Command;
  /** Standard output of a call that is not measured. */
  run(...args: readonly string[]): string;
};

export type Tool = {
  readonly name: ToolName;
  readonly version: string;
  /** A new, empty store at a path that does not exist yet. */
  open(directory: string): Store;
};

/** The tools of this machine, and for each peer that is missing the reason. */
export type Tools = {
  readonly coracle: Tool;
  readonly podman: Tool | undefined;
  readonly buildah: Tool | undefined;
  readonly skopeo: Tool | undefined;
  readonly skipped: readonly string[];
  /** What calls to podman and buildah were made with. */
  readonly remarks: readonly string[];
};

/** Finds the tools; `workspace` is an empty directory for their homes and runtime directories. */
export function findTools(workspace: string): Tools {
  const home = makeDirectory(join(workspace, 'home'));
  const base = {
    HOME: home,
    PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin`,
    LANG: process.env.LANG ?? 'C.UTF-8',
    USER: process.env.USER ?? '',
    TMPDIR: makeDirectory(join(workspace, 't')),
  };
  const environment = (name: ToolName): Record<string, string> => ({
    ...base,
    XDG_RUNTIME_DIR: makeDirectory(join(workspace, 'r', name)),
  });
  const runtime = findRuntime(environment('podman'), workspace);
  const peer = (name: 'podman' | 'buildah'): Tool | string =>
    runtime.works ? peerTool(name, runtime.name, environment(name)) : runtime.reason;
  const [podman, buildah, skopeo] = [peer('podman'), peer('buildah'), skopeoTool(environment('skopeo'))];
  const missing = [podman, buildah, skopeo].filter((tool) => typeof tool === 'string');
  return {
    coracle: coracleTool(environment('coracle')),
    podman: typeof podman === 'string' ? undefined : podman,
    buildah: typeof buildah === 'string' ? undefined : buildah,
    skopeo: typeof skopeo === 'string' ? undefined : skopeo,
    skipped: [...new Set(missing)],
    remarks: runtime.works ? [runtime.remark] : [],
  };
}

function coracleTool(env: Readonly<Record<string, string>>): Tool {
  const program = join(repositoryRoot(), 'dist', 'coracle');
  const [version = ''] = runCommand({ program, args: ['--version'], env }).split('\n');
  const open = (directory: string): Store =>
    storeOf('coracle', directory, program, ['--root', makeDirectory(directory)], env);
  return { name: 'coracle', version, open };
}

function peerTool(
  name: 'podman' | 'buildah',
  runtime: string,
  env: Readonly<Record<string, string>>,
): Tool | string {
  const program = findProgram(name);
  if (program === undefined) return `no ${name} on this machine`;
  const version = runCommand({ program, args: ['--version'], env }).trim();
  const open = (directory: string): Store =>
    storeOf(name, directory, program, peerFlags(name, directory, runtime), {
      ...env,
      // The cache of blobs known at registries must not outlive the store.
      XDG_DATA_HOME: makeDirectory(join(directory, 'data')),
    });
  return { name, version, open };
}

/** skopeo runs nothing; its store is a place it copies from and to, named by storageLocation. */
function skopeoTool(env: Readonly<Record<string, string>>): Tool | string {
  const program = findProgram('skopeo');
  if (program === undefined) return 'no skopeo on this machine';
  const version = runCommand({ program, args: ['--version'], env }).trim();
  const open = (directory: string): Store =>
    storeOf('skopeo', directory, program, [], {
      ...env,
      XDG_DATA_HOME: makeDirectory(join(directory, 'data')),
    });
  return { name: 'skopeo', version, open };
}

/** How skopeo calls an image of a store of its own (containers-transports(5)). */
export function storageLocation({ directory }: Store, image: string): string {
  return `containers-storage:[overlay@${join(directory, 'store')}+${join(directory, 'run')}]${image}`;
}

function peerFlags(name: 'podman' | 'buildah', directory: string, runtime: string): string[] {
  // podman takes at most 50 characters for this one.
  const runroot = join(dirname(directory), 'R', basename(directory));
  const store = ['--root', join(directory, 'store'), '--runroot', runroot];
  const common = [...store, '--storage-driver', 'overlay', '--log-level', 'error'];
  if (name === 'buildah') return common;
  return [...common, '--cgroup-manager', 'cgroupfs', '--events-backend', 'file', '--runtime', runtime];
}

function storeOf(
  tool: ToolName,
  directory: string,
  program: string,
  flags: readonly string[],
  env: Readonly<Record<string, string>>,
): Store {
  const command = (...args: readonly string[]): Command => ({ program, args: [...flags, ...args], env });
  return { tool, directory, command, run: (...args) => runCommand(command(...args)) };
}

type Runtime =
  | { readonly works: true; readonly name: string; readonly remark: string }
  | { readonly works: false; readonly reason: string };

/** podman's OCI runtime: crun, the faster one, where it works (not with a hybrid cgroup hierarchy), else runc. */
function findRuntime(env: Readonly<Record<string, string>>, workspace: string): Runtime {
  const podman = findProgram('podman');
  if (podman === undefined) return { works: false, reason: 'no podman on this machine' };
  const reasons: string[] = [];
  for (const name of ['crun', 'runc']) {
    const reason = tryRuntime(podman, name, env, join(workspace, `probe-${name}`));
    if (reason === undefined) {
      const version = runCommand({ program: name, args: ['--version'], env }).split('\n')[0] ?? name;
      const because = reasons.length === 0 ? '' : ` (${reasons.join('; ')})`;
      return { works: true, name, remark: `podman's and buildah's runtime: ${version}${because}` };
    }
    reasons.push(reason);
  }
  return { works: false, reason: `podman runs no container here: ${reasons.join('; ')}` };
}

/** Why podman cannot run a container with this runtime. The container is this machine's own /usr. */
function tryRuntime(
  podman: string,
  runtime: string,
  env: Readonly<Record<string, string>>,
  directory: string,
): string | undefined {
  if (findProgram(runtime) === undefined) return `no ${runtime} on this machine`;
  const rootfs = join(directory, 'rootfs');
  mkdirSync(rootfs, { recursive: true });
  const flags = peerFlags('podman', directory, runtime);
  const run = ['run', '--rm', '--network', 'none', '-v', '/bin/busybox:/busybox:ro', '--rootfs', rootfs];
  try {
    runCommand({ program: podman, args: [...flags, ...run, '/busybox', 'true'], env });
    return undefined;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return error.message.trim().split('\n').at(-1) ?? runtime;
  }
}

function makeDirectory(directory: string): string {
  mkdirSync(dirname(directory), { recursive: true });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return directory;
}
