/** `cp`: ends as people write them, opened, and the copy between them. */
import { type CopyOptions, copyBetween, copyIn, copyOut } from '../container/copy.js';
import { openContainerPlace, openHostPlace, type Place } from '../container/copy-place.js';
import { whileThere } from '../container/removed.js';
import type { ContainerView } from '../container/view.js';
import { CoracleError } from '../errors.js';
import { writeOutput } from '../host/output-file.js';
import { decompress } from '../layer/compression.js';
import { openSource } from '../transfer/archive-source.js';
import { open } from './containers.js';
import type { CopyEnd, CopyRequest } from './requests.js';
import type { AllStores, Session } from './session.js';

/** Copies from one end to the other; one of them at least is a container. @throws USAGE, NOT_FOUND, INVALID */
export async function copy(
  session: Session,
  source: CopyEnd,
  destination: CopyEnd,
  request: CopyRequest,
): Promise<void> {
  checkEnds(source, destination);
  const stores = await session.allStores();
  const [from, to] = [await openEnd(session, source), await openEnd(session, destination)];
  await whileBothThere([from, to], () => copyOpened(stores, from, to, request));
}

/** An end whose container, if it is one, was found. */
type OpenedEnd =
  | Exclude<CopyEnd, { kind: 'container' }>
  | (Extract<CopyEnd, { kind: 'container' }> & { readonly view: ContainerView });

async function openEnd(session: Session, end: CopyEnd): Promise<OpenedEnd> {
  return end.kind === 'container' ? { ...end, view: (await open(session, end.container)).view } : end;
}

function whileBothThere(ends: readonly OpenedEnd[], action: () => Promise<void>): Promise<void> {
  const views = ends.flatMap((end) => (end.kind === 'container' ? end.view : []));
  return views.reduce((rest, view) => () => whileThere('copy files of', view, rest), action)();
}

async function copyOpened(
  stores: AllStores,
  source: OpenedEnd,
  destination: OpenedEnd,
  request: CopyRequest,
): Promise<void> {
  const options: CopyOptions = {
    archive: request.archive ?? false,
    followLink: request.followLink ?? false,
    overwrite: request.overwrite ?? false,
    onWarning: request.onWarning ?? (() => undefined),
  };
  const opened: Place[] = [];
  const place = async (end: OpenedEnd, writable: boolean): Promise<Place> => {
    const found = await openPlace(stores, end, writable);
    opened.push(found);
    return found;
  };
  try {
    if (source.kind === 'stream') {
      const to = await place(destination, true);
      await copyIn(decompress(openSource('-'), 'auto'), to, stores.idMap(), options);
    } else if (destination.kind === 'stream') {
      await writeOutput('-', copyOut(await place(source, false), options));
    } else {
      const from = await place(source, false);
      await copyBetween(from, await place(destination, true), stores.idMap(), options);
    }
  } finally {
    for (const one of opened) await one.close();
  }
}

function checkEnds(source: CopyEnd, destination: CopyEnd): void {
  if (source.kind === 'container' || destination.kind === 'container') return;
  throw new CoracleError('USAGE', 'copy files: neither end is a container', {
    hint: 'write one of them as CONTAINER:PATH',
  });
}

function openPlace(stores: AllStores, end: OpenedEnd, writable: boolean): Promise<Place> | Place {
  switch (end.kind) {
    case 'container':
      return openContainerPlace(stores, end.view, end.path);
    case 'host':
      return openHostPlace(stores, end.path, writable);
    case 'stream':
      throw new CoracleError('USAGE', 'copy files: only one end can be a stream');
  }
}
