/** A tool that can run something at once, for tests of whole journeys. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { type Cli, openCli } from './cli.js';
import { type Missing, missingCli, missingUserNamespaces } from './host.js';
import { missingBusybox, writeBusyboxTar } from './image.js';

/** What every journey needs. */
export const journeyNeeds: readonly Missing[] = [missingCli(), missingUserNamespaces(), missingBusybox()];

/** A tool whose store has the image `busybox`, which runs a shell. */
export async function openCliWithBusybox(t: ExecutionContext<unknown>): Promise<Cli> {
  const cli = openCli(t);
  const tar = writeBusyboxTar(join(cli.directory, 'busybox.tar'));
  await cli.ok(['import', '-c', 'CMD ["sh"]', '-m', 'for tests', tar, 'busybox']);
  return cli;
}

/** Asks `probe` again and again until it gives something. @throws after 15 seconds. */
export async function eventually<T>(probe: () => Promise<T | undefined>): Promise<T> {
  for (const deadline = Date.now() + 15_000; Date.now() < deadline; await sleep(50)) {
    const found = await probe();
    if (found !== undefined) return found;
  }
  throw new Error('wait: it did not happen within 15 seconds');
}
