/** The verbs about what runs in containers: `pause`, `unpause`, `top`, `stats`. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ContainerStore } from '../container/container-store.js';
import { checkHealth, containerProcesses, pauseContainer, unpauseContainer } from '../container/questions.js';
import { type ContainerUsage, sampleUsage, type UsageSample, usageOf } from '../container/stats.js';
import { type ProcessTable, parseTopFormat, processTable } from '../container/top.js';
import { openTree } from '../container/tree.js';
import type { ContainerView } from '../container/view.js';
import { CoracleError } from '../errors.js';
import { readBytes } from '../host/files.js';
import { hostIdMap } from '../host/id-map.js';
import { open } from './containers.js';
import type { StatsRequest } from './requests.js';
import type { AllStores, Session } from './session.js';

export async function pause(session: Session, name: string): Promise<void> {
  const { stores, view } = await open(session, name);
  await pauseContainer(stores, view);
}

export async function unpause(session: Session, name: string): Promise<void> {
  const { stores, view } = await open(session, name);
  await unpauseContainer(stores, view);
}

/** Whether a container does well, asked now. */
export async function checkHealthOf(session: Session, name: string): Promise<boolean> {
  const { stores, view } = await open(session, name);
  return checkHealth(stores, view);
}

/** The processes of a running container by the columns that `format` names. */
export async function top(session: Session, name: string, format: readonly string[]): Promise<ProcessTable> {
  const columns = parseTopFormat(format);
  const { stores, view } = await open(session, name);
  const pids = await containerProcesses(stores, view);
  const wantsNames = columns.some((column) => /^r?(user|group)$/.test(column));
  const accounts = wantsNames ? await accountFiles(stores, view) : { passwd: '', group: '' };
  const host = (file: string): string => readBytes(file)?.toString('latin1') ?? '';
  return processTable(pids, columns, {
    idMap: hostIdMap(view.record.userNamespace?.idMap ?? stores.idMap(), view.record.userNamespace?.outer),
    userName: nameFinder(accounts.passwd),
    groupName: nameFinder(accounts.group),
    hostUserName: nameFinder(host('/etc/passwd')),
    hostGroupName: nameFinder(host('/etc/group')),
  });
}

const accountLimit = 1 << 20;

/** Only regular files, and of them no more than a sane size (S11). */
async function accountFiles(
  stores: AllStores,
  view: ContainerView,
): Promise<{ readonly passwd: string; readonly group: string }> {
  const tree = await openTree(stores, view, 'mounts');
  const read = async (path: string): Promise<string> => {
    const entry = await tree.agent.stat(tree.handle, path, { follow: true });
    if (entry?.type !== 'file' || entry.size > accountLimit) return '';
    return (await tree.agent.read(tree.handle, path, 0, accountLimit)).toString('latin1');
  };
  try {
    return { passwd: await read('etc/passwd'), group: await read('etc/group') };
  } finally {
    await tree.close();
  }
}

/** Names by number from the text of passwd or group; a number without a name is itself. */
function nameFinder(text: string): (id: number) => string {
  const names = new Map<number, string>();
  for (const line of text.split('\n')) {
    const [name = '', , id = ''] = line.split(':');
    if (name !== '' && /^\d+$/.test(id) && !names.has(Number(id))) names.set(Number(id), name);
  }
  return (id) => names.get(id) ?? `${id}`;
}

/** How long the two samples of a single answer are apart. */
const singleInterval = 0.5;

/**
 * What containers use: an answer each interval, or a single one. Those that are named must run; without names all that run
 * count, those that start later too.
 */
export async function* stats(
  session: Session,
  names: readonly string[],
  request: StatsRequest,
): AsyncGenerator<readonly ContainerUsage[]> {
  const stores = await session.allStores();
  let before = await sampleAll(stores, chooseViews(stores, names));
  const seconds = request.stream === false ? singleInterval : (request.interval ?? 1);
  while (request.signal?.aborted !== true) {
    await sleep(seconds * 1000, undefined, { signal: request.signal, ref: true }).catch(ignoreAbort);
    const views = chooseViews(stores, names);
    const now = await sampleAll(stores, views);
    yield views.flatMap((view) => {
      const sample = now.get(view.record.id);
      return sample === undefined ? [] : [usageOf(view, sample, before.get(view.record.id))];
    });
    if (request.stream === false) return;
    before = now;
  }
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error) || error.name !== 'AbortError') throw error;
}

function chooseViews(stores: AllStores, names: readonly string[]): readonly ContainerView[] {
  const store = new ContainerStore(stores.paths);
  if (names.length > 0) return names.map((name) => store.resolve(name));
  return store.list().filter(({ status }) => status === 'running' || status === 'paused');
}

async function sampleAll(
  stores: AllStores,
  views: readonly ContainerView[],
): Promise<ReadonlyMap<string, UsageSample>> {
  const samples = await Promise.all(
    views.map(async (view) => {
      try {
        return [[view.record.id, await sampleUsage(stores, view)] as const];
      } catch (error) {
        // It ended between the listing and the question.
        if (error instanceof CoracleError && error.code === 'CONFLICT') return [];
        throw error;
      }
    }),
  );
  return new Map(samples.flat());
}
