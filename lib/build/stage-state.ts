/** What a stage's instructions have made of its config so far: folds one expanded instruction after the other. */
import { posix } from 'node:path';
import type { Command, ExpandedInstruction, Healthcheck } from '../dockerfile/instructions.js';
import { exposedPorts } from '../dockerfile/ports.js';
import { type ContainerConfig, keySet } from '../oci/container-config.js';
import { parseSignal } from '../sandbox/signals.js';
import { configCommand } from './run-command.js';
import { Scope } from './scope.js';

const defaultPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const defaultShell: readonly string[] = ['/bin/sh', '-c'];

/** The config a stage FROM scratch starts with, as BuildKit has it. */
export const scratchConfig: ContainerConfig = { Env: [defaultPath], WorkingDir: '/' };

/** As BuildKit: a stage on an image without PATH gets the usual one, in its config as well. */
function withPath(env: readonly string[]): readonly string[] {
  return env.some((entry) => entry.startsWith('PATH=')) ? env : [...env, defaultPath];
}

/** Instructions that only change the config. */
export type ConfigInstruction = Exclude<
  ExpandedInstruction,
  { readonly kind: 'run' | 'copy' | 'add' | 'arg' | 'workdir' }
>;

export class StageState {
  readonly scope: Scope;
  author: string | undefined;
  #config: ContainerConfig;
  #hasCommand = false;

  /** `parent` holds the variables of the stage that this one is FROM. */
  constructor(config: ContainerConfig, author: string | undefined, parent?: Scope) {
    // Triggers of the base have been taken over as instructions; they are not inherited a second time.
    const { OnBuild: _triggers, ...inherited } = config;
    this.#config = inherited;
    this.author = author;
    this.scope = parent === undefined ? new Scope(withPath(config.Env ?? [])) : Scope.inherited(parent);
  }

  get config(): ContainerConfig {
    return { ...this.#config, Env: this.scope.environment() };
  }

  get shell(): readonly string[] {
    return this.#config.Shell ?? defaultShell;
  }

  /** Whether SHELL or the base says what runs commands in shell form. */
  get hasShell(): boolean {
    return (this.#config.Shell ?? []).length > 0;
  }

  get user(): string {
    return this.#config.User ?? '';
  }

  get workdir(): string {
    return this.#config.WorkingDir === undefined || this.#config.WorkingDir === ''
      ? '/'
      : this.#config.WorkingDir;
  }

  /** WORKDIR: a relative path stacks on the one before. Returns the absolute path. */
  enter(path: string): string {
    const absolute = posix.resolve(this.workdir, path);
    this.#config = { ...this.#config, WorkingDir: absolute };
    return absolute;
  }

  /** Applies an instruction that makes no files. */
  apply(instruction: ConfigInstruction): void {
    switch (instruction.kind) {
      case 'env':
        for (const { key, value } of instruction.pairs) this.scope.setEnvironment(key, value);
        return;
      case 'label':
        return this.#set({
          Labels: {
            ...this.#config.Labels,
            ...Object.fromEntries(instruction.pairs.map(({ key, value }) => [key, value])),
          },
        });
      case 'user':
        return this.#set({ User: instruction.user });
      case 'expose':
        return this.#set({
          ExposedPorts: keySet([
            ...Object.keys(this.#config.ExposedPorts ?? {}),
            ...instruction.ports.flatMap(exposedPorts),
          ]),
        });
      case 'volume':
        return this.#set({
          Volumes: keySet([...Object.keys(this.#config.Volumes ?? {}), ...instruction.paths]),
        });
      case 'cmd':
        this.#hasCommand = true;
        return this.#set({ Cmd: configCommand(instruction.command, this.shell) });
      case 'entrypoint':
        return this.#setEntrypoint(instruction.command);
      case 'shell':
        return this.#set({ Shell: instruction.args });
      case 'stopsignal':
        parseSignal(instruction.signal);
        return this.#set({ StopSignal: instruction.signal });
      case 'healthcheck':
        return this.#set({ Healthcheck: healthcheckOf(instruction.healthcheck) });
      case 'onbuild':
        return this.#set({ OnBuild: [...(this.#config.OnBuild ?? []), instruction.expression] });
      case 'maintainer':
        this.author = instruction.name;
    }
  }

  /** A new ENTRYPOINT makes the base's CMD meaningless, unless this stage has set one itself. */
  #setEntrypoint(command: Command): void {
    const { Cmd, ...rest } = this.#config;
    this.#config = this.#hasCommand && Cmd !== undefined ? { ...rest, Cmd } : rest;
    this.#set({ Entrypoint: configCommand(command, this.shell) });
  }

  #set(fields: Partial<ContainerConfig>): void {
    this.#config = { ...this.#config, ...fields };
  }
}

function healthcheckOf(healthcheck: Healthcheck | undefined): NonNullable<ContainerConfig['Healthcheck']> {
  if (healthcheck === undefined) return { Test: ['NONE'] };
  const { command, interval, timeout, startPeriod, startInterval, retries } = healthcheck;
  return {
    Test: command.form === 'exec' ? ['CMD', ...command.args] : ['CMD-SHELL', command.script],
    ...(interval === undefined ? {} : { Interval: interval }),
    ...(timeout === undefined ? {} : { Timeout: timeout }),
    ...(startPeriod === undefined ? {} : { StartPeriod: startPeriod }),
    ...(startInterval === undefined ? {} : { StartInterval: startInterval }),
    ...(retries === undefined ? {} : { Retries: retries }),
  };
}
