/** `working run`: a command in a working container, confined as a build's RUN, with the caller's streams. */

import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { ResolvedOrigin } from '../build/copy-step.js';
import type { RunStep } from '../build/plan.js';
import { planRunMounts, type RunMount } from '../build/run-mount.js';
import { runInLayer } from '../build/run-step.js';
import type { BuildSession } from '../build/session.js';
import { isHeld } from '../container/state.js';
import { parseMount } from '../dockerfile/mount.js';
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import { addon } from '../native/addon.js';
import { runForeground } from '../native/supervisor.js';
import type { NetworkMode } from '../network/network-plan.js';
import { hostPlatform } from '../oci/platform.js';
import { launchData, planLaunch } from '../sandbox/launch-plan.js';
import type { LaunchSpec } from '../sandbox/launch-spec.js';
import { outcome, runProcess } from '../sandbox/run-process.js';
import { mountedHere } from './mount.js';
import type { WorkingRecord } from './record.js';
import { claimRun, layerOf } from './workshop.js';

export type WorkingCommand = {
  readonly args: readonly string[];
  /** `NAME=value`; over those of the config. */
  readonly env?: readonly string[] | undefined;
  readonly user?: string | undefined;
  readonly workdir?: string | undefined;
  readonly hostname?: string | undefined;
  /** As RUN has them: `type=cache,target=/c`. */
  readonly mounts?: readonly string[] | undefined;
  /** With our own terminal; `output` and `input` are for commands without one. */
  readonly terminal?: boolean | undefined;
  readonly input?: Readable | undefined;
  readonly onOutput?: ((stream: 1 | 2, chunk: Buffer) => void) | undefined;
  readonly addHistory?: boolean | undefined;
};

export type CommandInput = {
  readonly session: BuildSession;
  readonly record: WorkingRecord;
  readonly request: WorkingCommand;
  readonly network: NetworkMode | undefined;
  readonly resolveImage: (name: string) => Promise<ImageRecord>;
};

/** Runs it to its end; its exit code, 128 + N where signal N ended it. @throws START when it could not be started. */
export async function runWorking(input: CommandInput): Promise<number> {
  const { session, record, request } = input;
  const { stores } = session;
  const { step, origins } = await planStep(input);
  const mounted = mountedHere(stores, record, 'run in');
  const records = await claimRun(stores, record);
  const active = layerOf(stores, record, stores.staging.open().directory('work'));
  let code: number | undefined;
  let failure: unknown;
  await runInLayer(session, step, {
    ...{ active, origins, records, filled: true, mounted },
    // The layer is put in order whatever became of the command.
    process: async (spec) => {
      try {
        code =
          request.terminal === true ? await onTerminal(spec, records, input) : await onPipes(spec, input);
      } catch (error) {
        failure = error;
      }
    },
  });
  if (failure !== undefined) throw failure;
  return code ?? 125;
}

async function onPipes(spec: LaunchSpec, { session, request }: CommandInput): Promise<number> {
  const { code, signal } = await runProcess(spec, {
    onOutput: request.onOutput ?? (() => undefined),
    onWarning: (message) => session.onEvent({ kind: 'warning', message }),
    input: request.input,
    signal: session.options.signal,
  });
  return signal === 0 ? code : 128 + signal;
}

async function onTerminal(spec: LaunchSpec, records: string, { session }: CommandInput): Promise<number> {
  const [rows, columns] = addon().ttySize(0) ?? [24, 80];
  const process = { ...spec.process, tty: { rows, columns }, stdin: 'once' } as const;
  const launch: LaunchSpec = { ...spec, mode: 'foreground', process, signalProxy: true };
  const { code, status } = runForeground(planLaunch(launch), launchData(launch));
  // The supervisor outlives its client by its cleaning, and this directory's files are its own until then.
  while (isHeld(records)) await delay(2);
  if (/^error /m.test(status))
    outcome(status, { onWarning: (message) => session.onEvent({ kind: 'warning', message }) });
  return code;
}

async function planStep({ session, record, request, network, resolveImage }: CommandInput): Promise<{
  readonly step: RunStep;
  readonly origins: ReadonlyMap<RunMount, ResolvedOrigin>;
}> {
  const config = record.config.config ?? {};
  const cwd = request.workdir ?? (config.WorkingDir || '/');
  const images = new Map<string, ImageRecord>();
  const mounts = await planRunMounts(
    (request.mounts ?? []).map((text) => parseMount(text, (word) => word)),
    {
      workdir: cwd,
      cacheNamespace: '',
      resolveSource: async (name) => {
        const image = await resolveImage(name);
        images.set(name, image);
        return { kind: 'image', image, reference: name };
      },
    },
  );
  const line = request.args.join(' ');
  const { os, architecture, variant } = record.config;
  const step: RunStep = {
    kind: 'run',
    id: 'run',
    name: line,
    range: { startLine: 1, endLine: 1 },
    createdBy: line,
    command: { args: request.args, files: [] },
    env: mergeEnv(config.Env ?? [], request.env ?? []),
    proxies: [],
    cwd,
    user: request.user ?? config.User ?? '',
    network: network === 'none' || network === 'host' ? network : 'default',
    platform:
      os === '' ? hostPlatform() : { os, architecture, ...(variant === undefined ? {} : { variant }) },
    security: 'sandbox',
    hostname: request.hostname ?? record.id.slice(0, 12),
    mounts,
  };
  const origins = new Map<RunMount, ResolvedOrigin>();
  for (const mount of mounts) if ('from' in mount) origins.set(mount, originOf(session, mount));
  return { step, origins };
}

function originOf(session: BuildSession, mount: Extract<RunMount, { from: unknown }>): ResolvedOrigin {
  const { from } = mount;
  if (from.kind === 'image') {
    const { image } = from;
    return {
      kind: 'files',
      identity: image.id,
      claim: image.id,
      top: () => session.unpacked(image),
    };
  }
  if (from.kind === 'scratch')
    return { kind: 'files', identity: 'scratch', claim: 'scratch', top: async () => undefined };
  if (from.kind === 'context') return { kind: 'context' };
  throw new CoracleError('INTERNAL', `mount ${mount.target}: stages have no place here`);
}

function mergeEnv(config: readonly string[], own: readonly string[]): readonly string[] {
  const merged = new Map([...config, ...own].map((entry) => [entry.split('=', 1)[0] ?? '', entry]));
  if (!merged.has('PATH'))
    merged.set('PATH', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin');
  return [...merged.values()];
}
