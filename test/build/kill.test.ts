/** kill -9 at random moments of a build of several stages: what stays is the cache, and it is whole. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openCache } from '../../lib/build/cache-units.js';
import { countReferences } from '../../lib/image/sweep.js';
import { plainEnvironment } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { Builder, missingForBuilds, writeFiles } from './builder.js';

const text = `FROM localhost/busybox AS one
COPY tree /tree
RUN for i in $(seq 40); do echo $i >/tree/made-$i; done
FROM localhost/busybox AS two
RUN for i in $(seq 40); do echo $i >/two-$i; done
RUN rm -r /var && mkdir /var
FROM localhost/busybox
COPY --from=one /tree /one
COPY --from=two /two-40 /var /two/
RUN cat /one/made-40 /one/round >/end
`;

const rounds = 12;
const longest = 900;

testWith(
  missingForBuilds,
  'kill -9 at random moments leaves nothing but a cache that is whole',
  async (t) => {
    const builder = await Builder.open(t);
    const context = builder.context({ Dockerfile: text, 'tree/round': '' });
    await builder.close();
    const env = {
      ...plainEnvironment(),
      HOME: builder.directory,
      CORACLE_NATIVE_DIR: process.env.CORACLE_NATIVE_DIR,
    };
    const program = join(import.meta.dirname, 'build-process.js');
    const moments: number[] = [];
    for (let round = 0; round < rounds; round++) {
      writeFiles(context, { 'tree/round': `round ${round}\n` });
      const child = spawn(process.execPath, [program, builder.directory, context, 'overlay'], {
        env,
        stdio: 'ignore',
      });
      const moment = Math.floor(Math.random() * longest);
      moments.push(moment);
      await sleep(moment);
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
    t.log(`killed after ${moments.join(', ')} ms`);
    const next = await Builder.open(t, { directory: builder.directory });
    const { snapshots } = next.stores;
    for (const record of openCache(next.stores).list()) {
      const top = record.snapshot === undefined ? undefined : snapshots.get(record.snapshot);
      for (const id of top?.lowers ?? [])
        t.true(existsSync(snapshots.layerPath(id)), `${record.instruction}: ${id}`);
    }
    t.is(snapshots.list().length, snapshots.ids().length);
    t.deepEqual((await countReferences(next.stores, { buildCache: 'keep' })).problems, []);
    const { image } = await next.build(context);
    t.is(await next.text(image, 'end'), `40\nround ${rounds - 1}\n`);
    t.is((await next.below(image, 'one/')).length, 41);
    const clean = await next.build(context, { noCache: true });
    t.is(clean.image.id, image.id);
    await next.close();
    for (const place of [next.stores.paths.staging, next.stores.paths.trash])
      t.deepEqual(existsSync(place) ? readdirSync(place) : [], [], place);
  },
);
