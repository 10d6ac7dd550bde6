/** The same Dockerfile gives the same layers with every storage driver. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fixturePath, temporaryDirectory } from '../helpers/host.js';
import { testWith } from '../helpers/declare.js';
import { Builder, drivers, missingForBuilds, prepareFixture } from './builder.js';

const missing = [...missingForBuilds, ...drivers.flatMap((driver) => driver.missing)];

for (const name of readdirSync(fixturePath('build'))) {
  testWith(missing, `${name}: overlay, fuse-overlayfs and copy make the same layers`, async (t) => {
    const context = join(temporaryDirectory(t), name);
    prepareFixture(name, context);
    const seen = [];
    for (const driver of drivers) {
      const builder = await Builder.open(t, { driver: driver.name });
      const { image } = await builder.build(context);
      seen.push({ config: image.config.config, tree: await builder.tree(image), layers: await builder.layers(image) });
      await builder.close();
    }
    const [overlay, fuse, copy] = seen;
    t.deepEqual(fuse, overlay);
    t.deepEqual(copy, overlay);
  });
}
