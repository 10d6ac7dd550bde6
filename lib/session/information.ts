/** `info`. */

import { statfsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { ContainerStore } from '../container/container-store.js';
import { isActive } from '../container/view.js';
import { CoracleError, hasErrno } from '../errors.js';
import { controllersOf, limitsDirectory, readCgroupFacts } from '../host/cgroup.js';
import { readMachine } from '../host/machine.js';
import { configPath } from '../host/paths.js';
import { selinuxIsOn } from '../host/selinux.js';
import { readNetworkFacts } from '../network/host-facts.js';
import { chooseMode } from '../network/plan-network.js';
import { readRegistries } from '../registry/registries.js';
import type { HostInformation } from './requests.js';
import type { Session } from './session.js';
import { versionInformation } from './version-information.js';

type Limits = Pick<HostInformation['modes'], 'limits' | 'controllers' | 'cgroupVersion'>;

function limitsMode({ env }: Session): Limits {
  const facts = readCgroupFacts(env);
  const place = limitsDirectory(facts);
  const controllers = place === undefined ? [] : controllersOf(place);
  return {
    limits: place === undefined ? 'none' : facts.manager === undefined ? 'cgroup' : 'systemd',
    controllers,
    cgroupVersion: facts.pure ? 2 : 1,
  };
}

/** The store and the modes in use. */
export async function hostInformation(session: Session): Promise<HostInformation> {
  const stores = await session.allStores();
  const { driver, reason } = await session.storageDriver();
  const containers = new ContainerStore(stores.paths).list();
  const ids = stores.idMap();
  return {
    version: versionInformation(),
    host: {
      ...readMachine(),
      user: userName(),
      uid: process.getuid?.() ?? 0,
      selinux: selinuxIsOn(),
    },
    store: {
      root: stores.paths.root,
      ...(stores.paths.imageRoot === stores.paths.root ? {} : { imagesIn: stores.paths.imageRoot }),
      additionalImageStores: stores.paths.additional.map(({ root }) => root),
      transient: stores.paths.transient !== undefined,
      runtime: stores.runtime,
      configuration: configPath(session.env),
      driver,
      ...(reason === undefined ? {} : { driverReason: reason }),
      volumes: stores.paths.volumes,
      ...spaceOf(stores.paths.root),
      containers: containers.length,
      paused: containers.filter(({ status }) => status === 'paused').length,
      running: containers.filter(({ status }) => isActive({ status })).length,
      images: stores.images.list().length,
    },
    registries: await registriesOf(session),
    modes: {
      ids: ids.how,
      idCount: ids.uid.reduce((sum, { size }) => sum + size, 0),
      uids: ids.uid,
      gids: ids.gid,
      ...(ids.reason === undefined ? {} : { idsReason: ids.reason }),
      ...networkMode(session),
      ...limitsMode(session),
    },
  };
}

function spaceOf(directory: string): { readonly allocated: number; readonly used: number } {
  const { bsize, blocks, bfree } = statfsSync(directory);
  return { allocated: bsize * blocks, used: bsize * (blocks - bfree) };
}

async function registriesOf(session: Session): Promise<HostInformation['registries']> {
  const { search, shortNameMode, entries, files } = await readRegistries(session.env);
  return { search, shortNameMode, tables: entries, files };
}

function networkMode(session: Session): { readonly network: string; readonly networkReason?: string } {
  const mode = session.networkMode();
  try {
    const dns = { servers: [], search: [], options: [] };
    return { network: chooseMode({ mode, dns }, readNetworkFacts(session.env)) };
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
    return { network: 'none', networkReason: error.message };
  }
}

function userName(): string {
  try {
    return userInfo().username;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ERR_SYSTEM_ERROR')) return '';
    throw error;
  }
}
