/** A manager of units that stands for the user's systemd: it speaks D-Bus to one client at a time and does what the test says. */
import { mkdirSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';

/** What it was asked for. */
export type UnitCall =
  | {
      readonly member: 'StartTransientUnit';
      readonly unit: string;
      readonly properties: Readonly<Record<string, unknown>>;
    }
  | {
      readonly member: 'AttachProcessesToUnit';
      readonly unit: string;
      readonly path: string;
      readonly pids: readonly number[];
    };

/** An error by its name and text; else it is done. */
export type UnitAnswer = { readonly error: string; readonly text: string } | undefined;

/** Listens where `coracle` with this runtime directory looks for the user's systemd. The calls so far, in order. */
export async function openUnitManager(
  t: ExecutionContext<unknown>,
  runtime: string,
  answer: (call: UnitCall) => UnitAnswer,
): Promise<readonly UnitCall[]> {
  const calls: UnitCall[] = [];
  mkdirSync(join(runtime, 'systemd'), { recursive: true });
  const server = createServer((socket) =>
    serve(socket, (call) => {
      calls.push(call);
      return answer(call);
    }),
  );
  t.teardown(() => void server.close());
  await new Promise<void>((resolve) => server.listen(join(runtime, 'systemd', 'private'), resolve));
  return calls;
}

function serve(socket: Socket, answer: (call: UnitCall) => UnitAnswer): void {
  let bytes = Buffer.alloc(0);
  let greeted = false;
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    const begin = greeted ? -1 : bytes.indexOf('BEGIN\r\n');
    if (begin >= 0) {
      greeted = true;
      socket.write(`DATA\r\nOK ${'0'.repeat(32)}\r\n`);
      bytes = bytes.subarray(begin + 'BEGIN\r\n'.length);
    }
    for (
      let size = greeted ? messageSize(bytes) : 0;
      size > 0 && size <= bytes.length;
      size = messageSize(bytes)
    ) {
      const message = bytes.subarray(0, size);
      bytes = bytes.subarray(size);
      const call = readCall(message);
      const failed = answer(call);
      for (const reply of replies(message.readUInt32LE(8), call, failed)) socket.write(reply);
    }
  });
}

const align = (at: number, to: number): number => Math.ceil(at / to) * to;

function messageSize(bytes: Buffer): number {
  return bytes.length < 16 ? 0 : 16 + align(bytes.readUInt32LE(12), 8) + bytes.readUInt32LE(4);
}

/** Values of the types that calls have, one after the other. */
class Reader {
  at = 0;
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  u32(): number {
    this.at = align(this.at, 4) + 4;
    return this.bytes.readUInt32LE(this.at - 4);
  }

  text(): string {
    const length = this.u32();
    this.at += length + 1;
    return this.bytes.toString('utf8', this.at - length - 1, this.at - 1);
  }

  signature(): string {
    const length = this.bytes.readUInt8(this.at);
    this.at += length + 2;
    return this.bytes.toString('utf8', this.at - length - 1, this.at - 1);
  }

  list<T>(alignment: number, read: () => T): T[] {
    const size = this.u32();
    this.at = align(this.at, alignment);
    const items: T[] = [];
    for (const end = this.at + size; this.at < end; ) items.push(read());
    return items;
  }

  variant(): unknown {
    const type = this.signature();
    if (type === 's' || type === 'o') return this.text();
    if (type === 'g') return this.signature();
    if (type === 'b') return this.u32() !== 0;
    if (type === 'u') return this.u32();
    if (type === 'au') return this.list(4, () => this.u32());
    if (type !== 't') throw new Error(`read a call: unknown type ${type}`);
    this.at = align(this.at, 8) + 8;
    return this.bytes.readBigUInt64LE(this.at - 8);
  }
}

function readCall(message: Buffer): UnitCall {
  const header = new Reader(message);
  header.at = 12;
  const fields = header.list(8, () => {
    header.at = align(header.at, 8) + 1;
    return [message.readUInt8(header.at - 1), header.variant()] as const;
  });
  const body = new Reader(message.subarray(message.length - message.readUInt32LE(4)));
  const member = fields.find(([code]) => code === 3)?.[1];
  const unit = body.text();
  if (member === 'AttachProcessesToUnit')
    return { member, unit, path: body.text(), pids: body.list(4, () => body.u32()) };
  if (member !== 'StartTransientUnit') throw new Error(`read a call: unknown member ${String(member)}`);
  body.text();
  const properties = body.list(8, () => {
    body.at = align(body.at, 8);
    return [body.text(), body.variant()] as const;
  });
  return { member, unit, properties: Object.fromEntries(properties) };
}

function replies(serial: number, call: UnitCall, failed: UnitAnswer): readonly Buffer[] {
  const answers = field(5, 'u', u32(serial));
  if (failed !== undefined)
    return [
      message(
        3,
        [answers, field(4, 's', text(failed.error)), field(8, 'g', signature('s'))],
        text(failed.text),
      ),
    ];
  if (call.member === 'AttachProcessesToUnit') return [message(2, [answers], Buffer.alloc(0))];
  const removed = joined(u32(1), text('/job/1'), text(call.unit), text('done'));
  return [
    message(2, [answers, field(8, 'g', signature('o'))], text('/job/1')),
    message(
      4,
      [field(1, 'o', text('/m')), field(3, 's', text('JobRemoved')), field(8, 'g', signature('uoss'))],
      removed,
    ),
  ];
}

type Part = { readonly alignment: number; readonly bytes: Buffer };

const u32 = (value: number): Part => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return { alignment: 4, bytes };
};
const text = (value: string): Part => ({
  alignment: 4,
  bytes: Buffer.concat([u32(Buffer.byteLength(value)).bytes, Buffer.from(`${value}\0`)]),
});
const signature = (value: string): Part => ({
  alignment: 1,
  bytes: Buffer.from(`${String.fromCharCode(value.length)}${value}\0`),
});

function field(code: number, type: string, value: Part): Part {
  const head = Buffer.concat([Buffer.from([code]), signature(type).bytes]);
  return { alignment: 8, bytes: joined({ alignment: 1, bytes: head }, value) };
}

function joined(...parts: readonly Part[]): Buffer {
  let bytes = Buffer.alloc(0);
  for (const part of parts)
    bytes = Buffer.concat([
      bytes,
      Buffer.alloc(align(bytes.length, part.alignment) - bytes.length),
      part.bytes,
    ]);
  return bytes;
}

let serials = 0;

function message(type: number, fields: readonly Part[], body: Part | Buffer): Buffer {
  const content = Buffer.isBuffer(body) ? body : body.bytes;
  const list = joined(...fields);
  const head = Buffer.from([0x6c, type, 0, 1]);
  const numbers = Buffer.concat([content.length, ++serials, list.length].map((value) => u32(value).bytes));
  const padding = Buffer.alloc(align(list.length, 8) - list.length);
  return Buffer.concat([head, numbers, list, padding, content]);
}
