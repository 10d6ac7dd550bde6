/** A pull takes the same memory whatever the size of the image. */
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeHeader, encodeTrailer } from '../../lib/layer/tar-writer.js';
import { journeyNeeds } from '../helpers/busybox.js';
import { openCli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';
import { headerOf } from '../layer/tar-builder.js';

const limit = 150 * 1024;
const pieces = 40;
const pieceBytes = 8 * 1024 * 1024;

/** Some 320 MB that do not compress, in files of 8 MiB. */
async function writeLargeTar(file: string): Promise<void> {
  const stream = createWriteStream(file);
  const block = Buffer.concat(
    Array.from({ length: 4096 }, (_, at) => createHash('sha512').update(`${at}`).digest()),
  );
  for (let piece = 0; piece < pieces; piece++) {
    stream.write(encodeHeader({ ...headerOf({ path: `file-${piece}` }), size: pieceBytes }));
    for (let at = 0; at < pieceBytes; at += block.length) {
      const part = Buffer.from(block);
      part.writeUInt32LE(piece, 0);
      if (!stream.write(part)) await once(stream, 'drain');
    }
  }
  stream.end(encodeTrailer());
  await once(stream, 'close');
}

/** Resident memory of a process and all below it, in KiB. */
function residentTree(top: number): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const parent = /^PPid:\s*(\d+)/m.exec(statusOf(Number(name)))?.[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const isBelow = (pid: number | undefined): boolean =>
    pid !== undefined && pid !== 0 && (pid === top || isBelow(parents.get(pid)));
  return [...parents.keys()].filter(isBelow).reduce((sum, pid) => {
    return sum + Number(/^VmRSS:\s*(\d+)/m.exec(statusOf(pid))?.[1] ?? 0);
  }, 0);
}

/** Empty for a process that is gone. */
function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}

async function highest(child: ChildProcess): Promise<number> {
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, residentTree(child.pid ?? 0));
  }, 25);
  await once(child, 'exit');
  clearInterval(timer);
  return most;
}

testWith(
  [...journeyNeeds, missingRegistry()],
  'a pull of 320 MB stays below 150 MB, all processes together',
  async (t) => {
    const { host } = await startRegistry(t);
    const [from, to] = [openCli(t), openCli(t)];
    const tar = join(from.directory, 'large.tar');
    await writeLargeTar(tar);
    const name = `${host}/large:1`;
    await from.ok(['import', tar, name]);
    await from.ok(['push', '-q', '--compression-level', '1', name]);
    const child = to.start(['pull', '-q', name]);
    const most = await highest(child);
    t.is(child.exitCode, 0);
    t.true(most > 30 * 1024, `${most} KiB`);
    t.true(most < limit, `${most} KiB`);
  },
);
