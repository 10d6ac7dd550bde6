/** `cp`: ends as people write them, opened, and the copy between them. */
import { type CopyOptions, copyBetween, copyIn, copyOut } from '../container/copy.js';
import { openContainerPlace, openHostPlace, type Place } from '../container/copy-place.js';
import { unlessRemoved } from '../container/removed.js';
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
  const options: CopyOptions = {
    archive: request.archive ?? false,
    followLink: request.followLink ?? false,
    overwrite: request.overwrite ?? false,
    onWarning: request.onWarning ?? (() => undefined),
  };
  const opened: Place[] = [];
  const place = async (end: CopyEnd, writable: boolean): Promise<Place> => {
    const found = await openPlace(session, stores, end, writable);
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

async function openPlace(
  session: Session,
  stores: AllStores,
  end: CopyEnd,
  writable: boolean,
): Promise<Place> {
  switch (end.kind) {
    case 'container': {
      const { view } = await open(session, end.container);
      return unlessRemoved('copy files of', view, () => openContainerPlace(stores, view, end.path));
    }
    case 'host':
      return openHostPlace(stores, end.path, writable);
    case 'stream':
      throw new CoracleError('USAGE', 'copy files: only one end can be a stream');
  }
}
