/** Looks up what options only name: containers, devices, users, time zones. Loaded where one of them is given. */
import { existsSync, realpathSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import { hostIdMap, toHostId } from '../host/id-map.js';
import type { ContainerConfig } from '../oci/container-config.js';
import { type Accounts, accountsOf, readHostPasswd } from './accounts.js';
import type { UserNamespace } from './inner-map.js';
import type { ContainerRecord } from './record.js';
import type { RunOptions } from './run-options.js';
import type { ContainerStores } from './stores.js';

export type ResolvedOptions = Pick<ContainerRecord, 'sharedNamespaces' | 'userContainer'> & {
  readonly options: RunOptions;
  /** The host name that comes with a namespace. */
  readonly hostname?: string | undefined;
  readonly userNamespace?: UserNamespace | undefined;
  readonly accounts?: Accounts | undefined;
  readonly warnings: readonly string[];
};

/** What a container is made from besides its options. */
export type ResolveFacts = {
  readonly config: ContainerConfig;
  /** Directories of the image, topmost first. */
  readonly layers: () => readonly string[];
  /** Id of the container whose network is used. */
  readonly owner: string | undefined;
};

type Steps = Pick<ContainerStores, 'paths' | 'idMap' | 'env'>;

/** @throws USAGE, NOT_FOUND, HOST, UNSUPPORTED, CONFLICT naming the option */
export async function resolveOptions(
  stores: Steps,
  asked: RunOptions,
  facts: ResolveFacts,
): Promise<ResolvedOptions> {
  let resolved: ResolvedOptions = { options: asked, warnings: [] };
  if (asked.namespaces !== undefined) {
    const { resolveNamespaces } = await import('./shared-namespaces.js');
    const { choices, shared, hostname } = resolveNamespaces(stores, asked.namespaces, asked);
    const sharedNamespaces = Object.keys(shared).length === 0 ? undefined : shared;
    resolved = { ...resolved, options: { ...asked, namespaces: choices }, sharedNamespaces, hostname };
  }
  if (asked.sysctls !== undefined) (await import('./sysctls.js')).checkSysctls(resolved.options);
  if (asked.devices !== undefined) {
    const { resolveDevices } = await import('./devices.js');
    const { options, warnings } = await resolveDevices(resolved.options, asked.devices);
    resolved = { ...resolved, options, warnings };
  }
  if (asked.timezone !== undefined) {
    const timezone = findTimezone(asked.timezone, stores.env.TZDIR);
    resolved = { ...resolved, options: { ...resolved.options, timezone } };
  }
  checkAppArmor(asked);
  return withUser(stores, await withUserNamespace(stores, resolved, facts), facts.config);
}

/** Absolute path of the file that tells the zone. */
function findTimezone(name: string, directory = '/usr/share/zoneinfo'): string {
  const path = name === 'local' ? '/etc/localtime' : join(directory, name);
  if (/^[A-Za-z0-9_+-]+(?:\/[A-Za-z0-9_+-]+)*$/.test(name) && existsSync(path)) return realpathSync(path);
  throw new CoracleError('NOT_FOUND', `use time zone ${name}: ${directory} has no such zone`, {
    hint: 'local, or a name such as Europe/Paris; the package tzdata has them',
  });
}

function checkAppArmor({ security }: RunOptions): void {
  if (security?.apparmor === undefined || existsSync('/sys/kernel/security/apparmor')) return;
  throw new CoracleError('HOST', `use AppArmor profile ${security.apparmor}: this host has no AppArmor`);
}

/** Namespaces are entered by root of their user namespace, so that one comes with them. */
async function withUserNamespace(
  stores: Steps,
  resolved: ResolvedOptions,
  { owner, config, layers }: ResolveFacts,
): Promise<ResolvedOptions> {
  const { options, sharedNamespaces = {} } = resolved;
  const lender = Object.values(sharedNamespaces)[0] ?? owner;
  if (lender === undefined && options.userns === undefined) return resolved;
  const { resolveUserNamespace } = await import('./user-namespace.js');
  const { user, ...found } = resolveUserNamespace(stores, options, { config, layers, lender });
  const process = user === undefined || options.user !== undefined ? options : { ...options, user };
  return { ...resolved, options: process, ...found };
}

function withUser(stores: Steps, resolved: ResolvedOptions, config: ContainerConfig): ResolvedOptions {
  const { options, userNamespace } = resolved;
  const user = options.user ?? '';
  const base = stores.idMap().uid[0]?.host;
  const uid = Number(/^\d+/.exec(user)?.[0] ?? 0);
  const map = userNamespace === undefined ? undefined : hostIdMap(userNamespace.idMap, userNamespace.outer);
  const isCaller = map !== undefined && toHostId(map.uid, uid) === base;
  const accounts = accountsOf(options, {
    user,
    cwd: options.workdir ?? config.WorkingDir ?? '/',
    caller: isCaller ? userInfo().username : undefined,
    hostPasswd: readHostPasswd,
  });
  return accounts === undefined ? resolved : { ...resolved, accounts };
}
