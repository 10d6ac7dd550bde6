/** What makes a RUN another one. */
import { type NamedInputs, sha256 } from './cache-key.js';
import type { ResolvedOrigin } from './copy-step.js';
import { contextDigest } from './mount-trees.js';
import type { RunStep } from './plan.js';
import { mountInput, type RunMount } from './run-mount.js';
import { settingsInputs } from './run-settings.js';
import type { BuildSession } from './session.js';

/** The places that a step's mounts take files from. */
export type MountOrigins = ReadonlyMap<RunMount, ResolvedOrigin>;

/** The inputs by name; what mounts show of stages, images and the context is part of them, secrets never are. */
export async function runInputs(
  session: BuildSession,
  step: RunStep,
  origins: MountOrigins,
): Promise<NamedInputs> {
  const mounts: Record<string, string> = {};
  for (const mount of step.mounts) {
    const name = mount.kind === 'secret' ? `secret:${mount.id}:${mount.env ?? ''}` : `mount:${mount.target}`;
    mounts[name] = mountInput(mount);
    const origin = origins.get(mount);
    if (origin !== undefined) mounts[`${name}:files`] = await filesInput(session, mount, origin);
  }
  return {
    command: JSON.stringify(step.command.args),
    files: sha256(JSON.stringify(step.command.files)),
    environment: JSON.stringify([...step.env].sort()),
    directory: step.cwd,
    user: step.user,
    network: step.network,
    ...(step.security === 'sandbox' ? {} : { security: step.security }),
    ...(step.hostname === undefined ? {} : { hostname: step.hostname }),
    ...settingsInputs(session.options),
    ...mounts,
  };
}

async function filesInput(session: BuildSession, mount: RunMount, origin: ResolvedOrigin): Promise<string> {
  if (origin.kind === 'files') return origin.identity;
  return mount.kind === 'bind' || mount.kind === 'cache' ? contextDigest(session, mount) : '';
}
