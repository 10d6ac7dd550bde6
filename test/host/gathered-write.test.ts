import { existsSync, readFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { CoracleError } from '../../lib/errors.js';
import { EarlySync, writePieces, writeStream } from '../../lib/host/gathered-write.js';
import { temporaryDirectory } from '../helpers/host.js';

/** A file whose writes take at most `limit` bytes each, as on a nearly full disk. */
function slowFile(limit: number): { readonly file: FileHandle; readonly written: () => string } {
  let text = '';
  const writev = async (pieces: readonly Uint8Array[]): Promise<{ bytesWritten: number }> => {
    const taken = Buffer.concat(pieces).subarray(0, limit);
    text += taken.toString();
    return { bytesWritten: taken.length };
  };
  // only writev is called
  return { file: { writev } as unknown as FileHandle, written: () => text };
}

test('pieces arrive whole and in order, however little each call takes', async (t) => {
  const pieces = ['one', '', 'two', 'three', '', 'four'].map((text) => Buffer.from(text));
  for (let limit = 1; limit < 20; limit++) {
    const { file, written } = slowFile(limit);
    await writePieces(file, pieces);
    t.is(written(), 'onetwothreefour', `${limit}`);
  }
});

test('a stream of many pieces is written, more than one call takes', async (t) => {
  const path = join(temporaryDirectory(t), 'file');
  const file = await open(path, 'wx');
  async function* stream(): AsyncGenerator<Buffer, void> {
    for (let at = 0; at < 5000; at++) yield Buffer.from(`${at},`);
    yield Buffer.alloc(3 * 1024 * 1024, 'x');
    yield Buffer.from('end');
  }
  await writeStream(file, stream(), 'write it');
  await file.close();
  const expected = `${Array.from({ length: 5000 }, (_, at) => `${at},`).join('')}${'x'.repeat(3 * 1024 * 1024)}end`;
  t.true(readFileSync(path, 'utf8') === expected);
});

test("the stream's own error goes through, a failed write is told as such", async (t) => {
  const path = join(temporaryDirectory(t), 'file');
  const file = await open(path, 'wx');
  async function* failing(): AsyncGenerator<Buffer, void> {
    yield Buffer.alloc(2 * 1024 * 1024);
    throw new RangeError('the source broke');
  }
  await t.throwsAsync(writeStream(file, failing(), 'write it'), { instanceOf: RangeError });
  await file.close();
  if (!existsSync('/dev/full')) return;
  const full = await open('/dev/full', 'w');
  async function* endless(): AsyncGenerator<Buffer, void> {
    for (;;) yield Buffer.alloc(1024 * 1024);
  }
  const error = await t.throwsAsync(writeStream(full, endless(), 'write it'), { instanceOf: CoracleError });
  t.is(error?.code, 'NO_SPACE');
  await full.close();
});

test('what fails on its way to the disk early is told at the end, where the kernel tells nothing again', async (t) => {
  const full = new Error('EIO');
  let early = 0;
  const datasync = async (): Promise<void> => {
    early++;
    throw full;
  };
  const sync = new EarlySync({ datasync, sync: async () => undefined } as unknown as FileHandle);
  sync.wrote(1024);
  t.is(early, 0);
  sync.wrote(64 * 1024 * 1024);
  t.is(early, 1);
  await sync.settle();
  t.is(await t.throwsAsync(sync.finish()), full);
});
