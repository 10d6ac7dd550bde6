/** Fills a small store by each kind of step and tells what became of it. Argument: a directory on a small file system. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError } from '../../lib/errors.js';
import { makeTar } from '../helpers/image.js';
import { Builder } from './builder.js';

const directory = process.argv[2] ?? '';
const teardowns: (() => unknown)[] = [];
const builder = await Builder.open({ teardown: (action) => teardowns.push(action) }, { directory });
const base = 'FROM localhost/busybox\n';

async function codeOf(text: string, files = {}): Promise<string> {
  try {
    await builder.make(text, files);
    return 'built';
  } catch (error) {
    return error instanceof CoracleError ? error.code : String(error);
  }
}

const large = Buffer.alloc(9 << 20, 'x');
const context = builder.context({ Dockerfile: `${base}COPY large /a\nCOPY large /b\n`, large });
const copy = await builder.build(context).then(
  () => 'built',
  (error: unknown) => (error instanceof CoracleError ? error.code : String(error)),
);
writeFileSync(join(context, 'large'), '');
const run = await codeOf(`${base}RUN cat /dev/zero > /zeros\n`);
const add = await codeOf(`${base}ADD a.tar /a/\nADD a.tar /b/\nADD a.tar /c/\n`, {
  'a.tar': makeTar([{ name: 'zeros', content: large.subarray(0, 5 << 20) }]),
});
const staging = readdirSync(builder.stores.paths.staging).flatMap((owner) =>
  readdirSync(join(builder.stores.paths.staging, owner)),
);
const { output } = await builder.make(`${base}RUN echo ok\n`);
process.stdout.write(JSON.stringify({ copy, run, add, staging, small: output }));
for (const teardown of teardowns) await teardown();
