/**
 * One build in a process of its own, to be killed, interrupted or starved by a test. Arguments: directory of the builder,
 * context, driver. Prints `started STEP` as steps begin and the outcome at the end; SIGINT aborts the build.
 */
import { build } from '../../lib/build/build.js';
import { CoracleError } from '../../lib/errors.js';
import { openStores } from '../../lib/image/stores.js';
import type { StorageDriver } from '../../lib/snapshot/driver.js';

const [directory = '', context = '', asked] = process.argv.slice(2);
const driver: StorageDriver = asked === 'copy' || asked === 'fuse-overlayfs' ? asked : 'overlay';
const stores = openStores({ root: `${directory}/root`, env: { ...process.env, XDG_RUNTIME_DIR: directory } });
const controller = new AbortController();
process.on('SIGINT', () => controller.abort());
const say = (text: string): void => void process.stdout.write(`${text}\n`);

try {
  const { image, cached } = await build(
    { ...stores, env: process.env, cache: `${directory}/cache`, driver: () => driver },
    { context, network: 'none', signal: controller.signal },
    {
      resolveImage: async (name) => stores.images.resolve(name),
      onEvent: (event) => {
        if (event.kind === 'started') say(`started ${event.step}`);
        if (event.kind === 'log') say(Buffer.from(event.data).toString().trim());
      },
    },
  );
  say(`built ${image.id} ${cached} ${image.descriptor.digest}`);
} catch (error) {
  say(`failed ${error instanceof CoracleError ? `${error.code} ${error.message}` : String(error)}`);
  process.exitCode = 1;
}
await stores.close();
