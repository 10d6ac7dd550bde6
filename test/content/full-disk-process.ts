/** Fills the store's file system with a blob that is too large and tells what became of it. Argument: the store's root. */
import { readdirSync } from 'node:fs';
import { ContentStore } from '../../lib/content/content-store.js';
import { CoracleError } from '../../lib/errors.js';
import { storePaths } from '../../lib/host/paths.js';
import { StagingArea } from '../../lib/host/staging.js';
import { openStoreRoot } from '../../lib/host/store-version.js';
import { fileLocks } from '../../lib/native/lock.js';

const paths = storePaths(process.argv[2] ?? '');
openStoreRoot(paths);
const staging = new StagingArea(paths, fileLocks);
const content = new ContentStore(paths, staging, fileLocks);
const before = await content.put(Buffer.from('before'));

async function* tooMuch(): AsyncGenerator<Uint8Array> {
  for (let count = 0; count < 80; count++) yield Buffer.alloc(65_536, count);
}

const code = await content.ingest(tooMuch()).then(
  () => 'stored',
  (error: unknown) => (error instanceof CoracleError ? error.code : String(error)),
);
staging.close();
const staged = readdirSync(paths.staging);
const readable = (await content.read(before.digest)).toString() === 'before';
const small = (await content.put(Buffer.from('after'))).size;
process.stdout.write(JSON.stringify({ code, staged, readable, small }));
