import { join } from 'node:path';
import { openStores } from '../../lib/image/stores.js';
import { driverProbes } from '../../lib/session/driver-probes.js';
import { testWith } from '../helpers/declare.js';
import { missingDevice, missingProgram, missingUserNamespaces, temporaryDirectory } from '../helpers/host.js';

const missing = [
  process.getuid?.() === 0 ? undefined : missingUserNamespaces(),
  missingProgram('fuse-overlayfs'),
  missingDevice('/dev/fuse'),
];

testWith(missing, 'both overlay drivers are found to work on a local file system', async (t) => {
  const directory = temporaryDirectory(t);
  const env = { ...process.env, XDG_RUNTIME_DIR: directory };
  const stores = openStores({ root: join(directory, 'store'), env });
  const probes = driverProbes(stores, env);
  t.deepEqual(probes.overlay(), { works: true });
  t.deepEqual(probes.fuse(), { works: true });
  await stores.close();
});
