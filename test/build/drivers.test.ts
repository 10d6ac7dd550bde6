/**
 * The same Dockerfile gives the same files after each step, whatever the storage driver. Which markers say so may differ: a
 * directory that was replaced is opaque to the kernel and a row of whiteouts to fuse-overlayfs. Two differences are the drivers'
 * own and kept out of the fixtures: fuse-overlayfs loses the set-group-ID bit of directories that it copies up, and where a RUN
 * changes or removes a name of a file with hard links in a lower layer, the others follow with copy alone. Names end at 250
 * bytes, since fuse-overlayfs wants room for a prefix.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { testWith } from '../helpers/declare.js';
import { fixturePath, temporaryDirectory } from '../helpers/host.js';
import { drivers, missingForBuilds, prepareFixture } from './builder.js';
import { SharedBuilders } from './shared-builders.js';

const missing = [...missingForBuilds, ...drivers.flatMap((driver) => driver.missing)];

const builders = new SharedBuilders();
test.after.always('the stores are removed', () => builders.close());

for (const name of readdirSync(fixturePath('build'))) {
  testWith(missing, `${name}: overlay, fuse-overlayfs and copy make the same files`, async (t) => {
    const context = join(temporaryDirectory(t), name);
    prepareFixture(name, context);
    const seen = [];
    for (const driver of drivers) {
      const builder = await builders.get(driver.name);
      const { image } = await builder.build(context);
      seen.push({ config: image.config.config, trees: await builder.trees(image) });
    }
    const [overlay, fuse, copy] = seen;
    t.deepEqual(fuse, overlay);
    t.deepEqual(copy, overlay);
  });
}
