/** `RUN --mount` as a plan has it: defaults settled, targets absolute, `from` found. Pure. */
import { posix } from 'node:path';
import type { Mount } from '../dockerfile/instructions.js';
import { CoracleError } from '../errors.js';
import type { CacheMountOwner, CacheSharing } from './cache-mounts.js';
import type { Source } from './plan.js';

/** Where the files of a mount come from; `scratch` has none. */
export type MountSource = Source | { readonly kind: 'scratch' };

type Owned = { readonly mode: number; readonly uid: number; readonly gid: number };

export type RunMount =
  | {
      readonly kind: 'bind';
      readonly target: string;
      readonly from: MountSource;
      /** In the files of `from`, absolute there. */
      readonly source: string;
      readonly readOnly: boolean;
    }
  | {
      readonly kind: 'cache';
      readonly target: string;
      readonly id: string;
      readonly namespace: string;
      readonly sharing: CacheSharing;
      /** What a new cache begins with. */
      readonly from: MountSource;
      readonly source: string;
      readonly owner: CacheMountOwner | undefined;
      readonly readOnly: boolean;
    }
  | {
      readonly kind: 'tmpfs';
      readonly target: string;
      /** Bytes. */
      readonly size: number | undefined;
      readonly readOnly: boolean;
    }
  | (Owned & {
      readonly kind: 'secret';
      readonly id: string;
      /** Absent where the secret goes into a variable alone. */
      readonly target: string | undefined;
      readonly env: string | undefined;
      readonly required: boolean;
    })
  | (Owned & {
      readonly kind: 'ssh';
      readonly id: string;
      readonly target: string;
      readonly required: boolean;
    });

export type MountContext = {
  readonly workdir: string;
  /** BUILDKIT_CACHE_MOUNT_NS. */
  readonly cacheNamespace: string;
  readonly resolveSource: (name: string) => Promise<Source>;
};

const rootOwner = { uid: 0, gid: 0 };
/** The kernel's own, of which everything in the sandbox depends. */
const forbiddenTargets = /^\/(proc|sys)(\/|$)|^\/(dev)?$/;

/** The mounts of one RUN, in its order. @throws INVALID for a target that cannot be, and what finding `from` throws. */
export async function planRunMounts(
  mounts: readonly Mount[],
  context: MountContext,
): Promise<readonly RunMount[]> {
  const planned: RunMount[] = [];
  let agents = 0;
  for (const mount of mounts) {
    const agent = mount.type === 'ssh' ? agents++ : 0;
    planned.push(await planRunMount(mount, agent, context));
  }
  checkTargets(planned);
  return planned;
}

async function planRunMount(mount: Mount, agent: number, context: MountContext): Promise<RunMount> {
  const { workdir } = context;
  switch (mount.type) {
    case 'bind':
      return {
        kind: 'bind',
        target: posix.resolve(workdir, mount.target ?? ''),
        from: await mountSource(mount.from, { kind: 'context' }, context),
        source: posix.join('/', mount.source ?? ''),
        readOnly: mount.readOnly,
      };
    case 'cache': {
      const target = posix.resolve(workdir, mount.target ?? '');
      return {
        kind: 'cache',
        target,
        id: mount.id ?? posix.normalize(mount.target ?? '.'),
        namespace: context.cacheNamespace,
        sharing: mount.sharing ?? 'shared',
        from: await mountSource(mount.from, { kind: 'scratch' }, context),
        source: posix.join('/', mount.source ?? ''),
        owner: cacheOwner(mount),
        readOnly: mount.readOnly,
      };
    }
    case 'tmpfs':
      return {
        kind: 'tmpfs',
        target: posix.resolve(workdir, mount.target ?? ''),
        size: mount.sizeBytes === 0 ? undefined : mount.sizeBytes,
        readOnly: mount.readOnly,
      };
    case 'secret': {
      const { id, env, required } = mount;
      const standard = env === undefined ? `/run/secrets/${posix.basename(id)}` : undefined;
      const target = mount.target === undefined ? standard : posix.resolve(workdir, mount.target);
      return { kind: 'secret', id, target, env, required, ...owned(mount, 0o400) };
    }
    case 'ssh': {
      const target = posix.resolve(workdir, mount.target ?? `/run/buildkit/ssh_agent.${agent}`);
      const id = mount.id ?? 'default';
      return { kind: 'ssh', id, target, required: mount.required, ...owned(mount, 0o600) };
    }
  }
}

async function mountSource(
  from: string | undefined,
  otherwise: MountSource,
  { resolveSource }: MountContext,
): Promise<MountSource> {
  if (from === undefined || from === '') return otherwise;
  return from === 'scratch' ? { kind: 'scratch' } : resolveSource(from);
}

function owned(given: Partial<Owned>, mode: number): Owned {
  return { mode: given.mode ?? mode, uid: given.uid ?? 0, gid: given.gid ?? 0 };
}

function cacheOwner(given: Partial<Owned>): CacheMountOwner | undefined {
  const { mode, uid, gid } = given;
  if (mode === undefined && uid === undefined && gid === undefined) return undefined;
  return { ...rootOwner, ...owned(given, 0o755) };
}

function checkTargets(mounts: readonly RunMount[]): void {
  const seen = new Set<string>();
  for (const target of mounts.flatMap((mount) => mount.target ?? [])) {
    if (forbiddenTargets.test(target)) {
      throw new CoracleError('INVALID', `mount ${target}: nothing can be mounted there`, {
        hint: 'give a target: target=DIRECTORY, below / and outside of /proc and /sys',
      });
    }
    if (seen.has(target)) throw new CoracleError('INVALID', `mount ${target}: two mounts have this target`);
    seen.add(target);
  }
}

/** What of a mount makes a RUN another one; of a secret never more than its name (S32). */
export function mountInput(mount: RunMount): string {
  const { kind, ...rest } = mount;
  const from = 'from' in mount ? { from: mount.from.kind } : {};
  return JSON.stringify([kind, { ...rest, ...from }]);
}
