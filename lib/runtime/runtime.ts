/** The runtime for bundles as one object: what `coracle oci` does. Everything is loaded when it is used. */
import type { ProcessFacts } from '../host/process-facts.js';
import type { BundleProcess } from '../oci/bundle-process.js';
import type { RuntimeConfig } from '../oci/runtime-config.js';
import type { CreateOptions } from './create.js';
import type { BundleExecOptions, BundleExecuted } from './exec.js';
import type { ContainerState } from './records.js';
import type { BundleRunOptions } from './run.js';

export type BundleRuntime = {
  /** What could not be applied. */
  create(id: string, options: CreateOptions): Promise<readonly string[]>;
  start(id: string): Promise<readonly string[]>;
  run(id: string, options: BundleRunOptions, warn: (text: string) => void): Promise<number>;
  exec(id: string, options: BundleExecOptions): Promise<BundleExecuted>;
  state(id: string): Promise<ContainerState>;
  list(): Promise<readonly ContainerState[]>;
  processes(id: string): Promise<readonly ProcessFacts[]>;
  kill(id: string, signal: string, all: boolean): Promise<void>;
  delete(id: string, force: boolean): Promise<readonly string[]>;
  pause(id: string): Promise<void>;
  resume(id: string): Promise<void>;
};

/** The runtime whose containers are recorded below `root`, or below the user's runtime directory. Touches nothing yet. */
export function openBundleRuntime(root: string | undefined): BundleRuntime {
  const place = async (): Promise<string> => (await import('./places.js')).runtimeRoot(root, process.env);
  return {
    create: async (id, options) =>
      (await (await import('./create.js')).createContainer(await place(), id, options, 'detach')).warnings,
    start: async (id) => (await import('./start.js')).startContainer(await place(), id),
    run: async (id, options, warn) => (await import('./run.js')).runBundle(await place(), id, options, warn),
    exec: async (id, options) => (await import('./exec.js')).execInBundle(await place(), id, options),
    state: async (id) => {
      const { containerPlaces } = await import('./places.js');
      return (await import('./records.js')).containerState(containerPlaces(await place(), id));
    },
    list: async () => (await import('./records.js')).listContainers(await place()),
    processes: async (id) => {
      const { containerPlaces } = await import('./places.js');
      const record = (await import('./records.js')).readRecord(containerPlaces(await place(), id));
      const { containerProcesses } = await import('./processes.js');
      return record === undefined ? [] : containerProcesses(record);
    },
    kill: async (id, signal, all) => {
      const { parseSignal } = await import('../sandbox/signals.js');
      (await import('./kill.js')).killContainer(await place(), id, parseSignal(signal), all);
    },
    delete: async (id, force) => (await import('./kill.js')).deleteContainer(await place(), id, force),
    pause: async (id) => (await import('./kill.js')).pauseContainer(await place(), id),
    resume: async (id) => (await import('./kill.js')).resumeContainer(await place(), id),
  };
}

/** A config.json to begin with. */
export async function exampleBundleConfig(rootless: boolean): Promise<RuntimeConfig> {
  return (await import('./spec.js')).exampleConfig(rootless);
}

/** The document of the specification's `features`. */
export async function bundleFeatures(): Promise<object> {
  return (await import('./spec.js')).runtimeFeatures();
}

/** Reads a process of exec from JSON text. @throws INVALID, UNSUPPORTED */
export async function parseBundleProcess(text: string, where: string): Promise<BundleProcess> {
  const { parseJson } = await import('../oci/guards.js');
  return (await import('../oci/bundle-process.js')).parseProcess(parseJson(text, where), where);
}
