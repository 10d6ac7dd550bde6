/**
 * Hostile archives through the real extractor: each ends in words of ours or in a tree that lies wholly inside, and whatever is
 * accepted has the names that another reader finds.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { CoracleError } from '../../lib/errors.js';
import { detectIdMap } from '../../lib/host/id-map.js';
import { applyBytes } from '../../lib/layer/apply.js';
import { expandedBytes } from '../../lib/layer/layer-bytes.js';
import { readTar } from '../../lib/layer/tar-reader.js';
import { type Agent, openAgent } from '../../lib/native/agent.js';
import { importImage } from '../../lib/transfer/import.js';
import { testWith } from '../helpers/declare.js';
import { findProgram, missingProgram, temporaryDirectory } from '../helpers/host.js';
import { testStores } from '../image/store-fixture.js';
import { missingAgent } from '../layer/layer-fixture.js';
import { chunked } from '../layer/tar-builder.js';
import { complaintAbout, fuzzRuns, fuzzSeed, fuzzTime, randomFrom, stagedNames } from './seeded.js';
import { hostileTar } from './tar-mutation.js';

const limits = {
  entries: 1000,
  path: 4096,
  header: 64 * 1024,
  xattr: 64 * 1024,
  depth: 256,
  bytes: 8 * 1024 * 1024,
  ratio: 200,
  ratioAfter: 1024 * 1024,
};

/** A directory that links of the archives lead to. */
class Outside {
  readonly path: string;

  constructor(directory: string) {
    this.path = join(directory, 'outside');
    mkdirSync(this.path);
    writeFileSync(join(this.path, 'sentinel'), 'untouched', { mode: 0o644 });
  }

  expectUntouched(t: ExecutionContext<unknown>, what: string): void {
    const sentinel = join(this.path, 'sentinel');
    const { mode, nlink } = statSync(sentinel);
    t.deepEqual([mode & 0o7777, nlink, readFileSync(sentinel, 'utf8')], [0o644, 1, 'untouched'], what);
    t.deepEqual(readdirSync(this.path), ['sentinel'], what);
  }
}

const largestPiece = 2000;

/** An agent that is replaced once something failed in it, as an import has one of its own. */
class Agents {
  readonly idMap = detectIdMap({ env: process.env });
  readonly #root: string;
  #agent: Agent | undefined;

  constructor(root: string) {
    this.#root = root;
  }

  /** Applies an archive to a directory of its own. */
  async apply(name: string, bytes: Buffer, size: number): Promise<void> {
    mkdirSync(join(this.#root, name));
    this.#agent ??= openAgent({
      idMap: this.idMap,
      roots: [{ path: this.#root, writable: true }],
      memory: 3 * largestPiece,
    });
    const agent = this.#agent;
    try {
      const layer = await agent.open(0, name, { writable: true });
      const handle = await agent.stack([layer], { writable: true });
      // by turns in memory that is shared, and by the pipe
      const memory = size % 2 === 0 ? agent.memory?.subarray(0, 3 * size) : undefined;
      const pieces = expandedBytes(chunked(bytes, size), { compression: 'none', memory, block: size });
      await applyBytes(pieces, { agent, handle, idMap: this.idMap }, { limits });
      await agent.release(handle);
      await agent.release(layer);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#agent?.close();
    this.#agent = undefined;
  }
}

testWith(
  [missingAgent()],
  `S24: whatever an archive holds stays inside (FUZZ_SEED=${fuzzSeed})`,
  async (t) => {
    t.timeout(fuzzTime);
    const directory = temporaryDirectory(t);
    const outside = new Outside(directory);
    const root = join(directory, 'root');
    mkdirSync(root);
    const agents = new Agents(root);
    t.teardown(() => agents.close());
    const random = randomFrom(fuzzSeed);
    let [runs, taken] = [0, 0];
    for (const run of fuzzRuns(150)) {
      runs = run + 1;
      const bytes = hostileTar(random, outside.path.slice(1));
      const begun = Date.now();
      try {
        await agents.apply(String(runs), bytes, random(largestPiece) + 1);
        taken++;
      } catch (error) {
        const complaint = complaintAbout(error);
        if (complaint !== undefined) {
          t.fail(`archive ${runs}: ${complaint}\n${bytes.toString('base64')}`);
          return;
        }
      }
      outside.expectUntouched(t, `archive ${runs}`);
      t.true(Date.now() - begun < 20_000, `archive ${runs}: ${Date.now() - begun} ms`);
    }
    t.deepEqual(readdirSync(directory).sort(), ['outside', 'root']);
    t.is(readdirSync(root).length, runs);
    t.true(taken > runs / 20, `${taken} of ${runs} taken`);
    t.log(`${runs} archives, ${taken} taken`);
  },
);

testWith(
  [missingAgent()],
  `S23, S24: a store stays whole, whatever is imported (FUZZ_SEED=${fuzzSeed})`,
  async (t) => {
    t.timeout(fuzzTime);
    const stores = testStores(t);
    const outside = new Outside(temporaryDirectory(t));
    const random = randomFrom(fuzzSeed + 1);
    let [runs, taken] = [0, 0];
    for (const run of fuzzRuns(30)) {
      runs = run + 1;
      const bytes = hostileTar(random, outside.path.slice(1));
      try {
        await importImage(stores, chunked(bytes, 700), {});
        taken++;
      } catch (error) {
        const complaint = complaintAbout(error);
        if (complaint !== undefined) {
          t.fail(`archive ${runs}: ${complaint}\n${bytes.toString('base64')}`);
          return;
        }
      }
      outside.expectUntouched(t, `archive ${runs}`);
      t.is(stagedNames(stores.paths.staging).length, 0, `archive ${runs}`);
    }
    for (const entry of stores.images.entries()) stores.images.resolve(entry.descriptor.digest);
    t.log(`${runs} archives, ${taken} taken`);
  },
);

const script = `
import json, sys, tarfile
def names(path):
    try:
        with tarfile.open(path, errorlevel=0) as archive:
            return [[m.name.encode('utf-8', 'surrogateescape').decode('latin-1').rstrip('/'), m.isreg() and m.size or 0] for m in archive]
    except Exception as error:
        return str(error)
print(json.dumps([names(path) for path in sys.argv[1:]]))
`;

testWith(
  [missingProgram('python3')],
  `S24: what is accepted has the names that Python's tarfile finds (FUZZ_SEED=${fuzzSeed})`,
  async (t) => {
    const directory = temporaryDirectory(t);
    const random = randomFrom(fuzzSeed + 2);
    const accepted: { readonly file: string; readonly names: readonly (readonly [string, number])[] }[] = [];
    for (let run = 0; run < 20_000 && accepted.length < 300; run++) {
      const bytes = hostileTar(random, '/outside');
      const names = await namesOf(bytes);
      // unlike Go it applies global headers, and all headers before an entry instead of the last one
      if (names === undefined || names.length === 0 || isReadOtherwise(bytes)) continue;
      const file = join(directory, `${run}.tar`);
      writeFileSync(file, bytes);
      accepted.push({ file, names });
    }
    const text = execFileSync(
      findProgram('python3') ?? 'python3',
      ['-c', script, ...accepted.map(({ file }) => file)],
      { encoding: 'utf8', maxBuffer: 1e8 },
    );
    const theirs: unknown = JSON.parse(text);
    t.true(Array.isArray(theirs) && theirs.length === accepted.length);
    let compared = 0;
    for (const [index, { file, names }] of accepted.entries()) {
      const other: unknown = Array.isArray(theirs) ? theirs[index] : undefined;
      // it gives up silently at the first header that it cannot read
      if (!Array.isArray(other) || other.length === 0) continue;
      compared++;
      t.deepEqual(
        other,
        names.slice(0, other.length),
        `${file}: ${readFileSync(file).toString('base64').slice(0, 4000)}`,
      );
    }
    t.true(compared > accepted.length / 2, `${compared} of ${accepted.length} compared`);
  },
);

/** Names and sizes as ours has them, in Python's form; undefined where the archive is refused. */
async function namesOf(bytes: Buffer): Promise<readonly (readonly [string, number])[] | undefined> {
  const names: (readonly [string, number])[] = [];
  try {
    for await (const { path, size } of readTar(chunked(bytes), limits)) {
      names.push([path.toString('latin1').replace(/\/+$/, ''), size]);
    }
    return names;
  } catch (error) {
    if (error instanceof CoracleError && error.code === 'INVALID') return undefined;
    throw error;
  }
}

function isReadOtherwise(bytes: Buffer): boolean {
  let flags = '';
  for (let at = 0; at < bytes.length; at += 512) {
    if (bytes.toString('latin1', at + 257, at + 262) === 'ustar')
      flags += String.fromCharCode(bytes[at + 156] ?? 0);
  }
  return /g|x[xLK]*x/.test(flags);
}
