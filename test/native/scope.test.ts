/** What systemd is asked, by a server that speaks as much of D-Bus as its manager of units. */

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { testWith } from '../helpers/declare.js';
import { repositoryRoot } from '../helpers/host.js';

const program = join(repositoryRoot(), 'dist/native/coracle-sv');
const missing = [existsSync(program) ? undefined : 'dist/native is not built'];

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

const padded = (bytes: Buffer, to: number): Buffer =>
  Buffer.concat([bytes, Buffer.alloc((to - (bytes.length % to)) % to)]);

/** Length, bytes, NUL; at a place that is aligned already, with what aligns the next. */
const text = (value: string): Buffer =>
  padded(Buffer.concat([u32(value.length), Buffer.from(`${value}\0`)]), 4);

/** A field of the header: its code, the type of its value, the value. */
const field = (code: number, type: string, value: Buffer): Buffer =>
  Buffer.concat([Buffer.from([code, 1, type.charCodeAt(0), 0]), value]);

const signature = (value: string): Buffer =>
  field(8, 'g', Buffer.concat([Buffer.from([value.length]), Buffer.from(`${value}\0`)]));

function message(type: number, fields: readonly Buffer[], body: Buffer): Buffer {
  // Each field begins aligned; what aligns the body belongs to nobody.
  const all = Buffer.concat(fields.map((each, i) => (i + 1 < fields.length ? padded(each, 8) : each)));
  const head = [Buffer.from(['l'.charCodeAt(0), type, 0, 1]), u32(body.length), u32(7), u32(all.length)];
  return Buffer.concat([...head, padded(all, 8), body]);
}

const returned = (serial: number): Buffer => message(2, [field(5, 'u', u32(serial))], Buffer.alloc(0));

const refused = (serial: number, name: string, reason: string): Buffer =>
  message(3, [field(4, 's', text(name)), field(5, 'u', u32(serial)), signature('s')], text(reason));

const jobRemoved = (unit: string, result: string): Buffer =>
  message(
    4,
    [
      field(1, 'o', text('/org/freedesktop/systemd1')),
      field(2, 's', text('org.freedesktop.systemd1.Manager')),
      field(3, 's', text('JobRemoved')),
      signature('uoss'),
    ],
    Buffer.concat([u32(1), text('/org/freedesktop/systemd1/job/1'), text(unit), text(result)]),
  );

type Manager = { readonly path: string; readonly asked: () => string };

/** Lets in whoever comes, keeps what is asked, and answers the first call with these messages. */
async function openManager(t: ExecutionContext, answers: readonly Buffer[]): Promise<Manager> {
  const directory = mkdtempSync(join(tmpdir(), 'coracle-scope-'));
  const path = join(directory, 'private');
  const asked: Buffer[] = [];
  const server = createServer((socket: Socket) => {
    socket.once('data', () => {
      socket.write('DATA\r\nOK 0123456789abcdef0123456789abcdef\r\n');
      socket.once('data', () => socket.write(Buffer.concat(answers)));
      socket.on('data', (bytes) => asked.push(bytes));
    });
  });
  await new Promise<void>((listening) => server.listen(path, listening));
  t.teardown(() => {
    server.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return { path, asked: () => Buffer.concat(asked).toString('latin1') };
}

async function scope(words: readonly string[]): Promise<{ readonly code: number; readonly stderr: string }> {
  const child = spawn(program, ['scope', ...words], { stdio: ['ignore', 'inherit', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (bytes: Buffer) => {
    stderr += bytes.toString();
  });
  const code = await new Promise<number>((ended) => child.once('close', (status) => ended(status ?? -1)));
  return { code, stderr };
}

testWith(missing, 'a scope is there when its job is done, and has been told its limits', async (t) => {
  const { path, asked } = await openManager(t, [
    returned(1),
    jobRemoved('other.scope', 'failed'),
    jobRemoved('box.scope', 'done'),
  ]);
  const words = ['box.scope', 'user.slice', `${process.pid}`, 'MemoryMax', '67108864'];
  t.deepEqual(await scope(['make', 'private', path, ...words]), { code: 0, stderr: '' });
  for (const word of ['StartTransientUnit', 'box.scope', 'user.slice', 'MemoryMax', 'DefaultDependencies'])
    t.true(asked().includes(word), word);
});

testWith(missing, 'a scope whose job fails, or that is refused, is none: the reason is told', async (t) => {
  const failed = await openManager(t, [returned(1), jobRemoved('box.scope', 'failed')]);
  const said = await scope(['make', 'private', failed.path, 'box.scope', '-', `${process.pid}`]);
  t.is(said.code, 125);
  t.regex(said.stderr, /box\.scope: the job of systemd has ended as failed/);
  const denied = await openManager(t, [refused(1, 'org.freedesktop.DBus.Error.AccessDenied', 'not you')]);
  const answer = await scope(['make', 'private', denied.path, 'box.scope', '-', `${process.pid}`]);
  t.is(answer.code, 125);
  t.regex(answer.stderr, /box\.scope: not you/);
});

testWith(missing, 'a process joins a scope', async (t) => {
  const { path, asked } = await openManager(t, [returned(1)]);
  t.deepEqual(await scope(['join', 'private', path, 'box.scope', `${process.pid}`]), { code: 0, stderr: '' });
  t.true(asked().includes('AttachProcessesToUnit'));
});

testWith(missing, 'words that are none are refused before anybody is asked', async (t) => {
  const { path, asked } = await openManager(t, []);
  for (const words of [
    ['make', 'private', path, 'box.scope', '-', 'x'],
    ['make', 'private', path, 'box.scope', '-', '1', 'MemoryMax'],
    ['make', 'private', path, 'box.scope', '-', '1', 'MemoryMax', '-1'],
    ['join', 'private', path, 'box.scope', '0'],
    ['break', 'private', path],
  ]) {
    t.is((await scope(words)).code, 125, words.join(' '));
  }
  t.is(asked(), '');
});
