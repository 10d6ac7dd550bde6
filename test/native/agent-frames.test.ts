import test from 'ava';
import { CoracleError } from '../../lib/errors.js';
import {
  FrameReader,
  FrameWriter,
  flushBytes,
  type Reply,
  ReplySplitter,
  replyKinds,
} from '../../lib/native/agent-frames.js';

function frame(kind: number, tag: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt32LE(payload.length + 8, 0);
  header.writeUInt16LE(kind, 4);
  header.writeUInt32LE(tag, 8);
  return Buffer.concat([header, payload]);
}

function dataFrame(tag: number, content: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(content.length, 0);
  return frame(replyKinds.data, tag, Buffer.concat([size, content]));
}

/** Replies to a stream cut into chunks of `size`, the parts of one content joined. */
function split(stream: Buffer, size: number): { kind: number; tag: number; payload: string }[] {
  const splitter = new ReplySplitter();
  const replies: Reply[] = [];
  for (let at = 0; at < stream.length; at += size)
    replies.push(...splitter.push(stream.subarray(at, at + size)));
  const joined: { kind: number; tag: number; payload: string }[] = [];
  for (const { kind, tag, payload } of replies) {
    const last = joined.at(-1);
    const text = payload.toString('latin1');
    if (kind === replyKinds.data && last?.kind === kind && last.tag === tag) last.payload += text;
    else joined.push({ kind, tag, payload: text });
  }
  return joined;
}

test('replies come whole and contents complete, wherever the stream is cut', (t) => {
  const content = Buffer.from('content '.repeat(20));
  const stream = Buffer.concat([
    frame(replyKinds.ok, 1, Buffer.alloc(0)),
    frame(replyKinds.entry, 2, Buffer.from('an entry')),
    dataFrame(2, Buffer.alloc(0)),
    dataFrame(2, content),
    dataFrame(2, content),
    frame(replyKinds.end, 2, Buffer.alloc(0)),
    frame(replyKinds.error, 3, Buffer.from('fields')),
  ]);
  const expected = [
    { kind: replyKinds.ok, tag: 1, payload: '' },
    { kind: replyKinds.entry, tag: 2, payload: 'an entry' },
    { kind: replyKinds.data, tag: 2, payload: `${content}${content}` },
    { kind: replyKinds.end, tag: 2, payload: '' },
    { kind: replyKinds.error, tag: 3, payload: 'fields' },
  ];
  for (let size = 1; size <= stream.length; size++) t.deepEqual(split(stream, size), expected, `${size}`);
});

test('content is handed on before its frame is complete', (t) => {
  const stream = dataFrame(7, Buffer.from('abcdef'));
  const splitter = new ReplySplitter();
  const parts = [...splitter.push(stream.subarray(0, 18)), ...splitter.push(stream.subarray(18))];
  t.deepEqual(
    parts.map(({ payload }) => payload.toString()),
    ['ab', 'cdef'],
  );
});

test('frames that contradict themselves are refused', (t) => {
  const short = Buffer.alloc(12);
  short.writeUInt32LE(7, 0);
  const lying = dataFrame(1, Buffer.from('abc'));
  lying.writeUInt32LE(4, 12);
  const noSize = frame(replyKinds.data, 1, Buffer.alloc(3));
  for (const stream of [short, lying, noSize]) {
    const error = t.throws(() => [...new ReplySplitter().push(stream)], { instanceOf: CoracleError });
    t.is(error?.code, 'INTERNAL');
  }
});

test('numbers come back as they were written, negative times too', (t) => {
  const writer = new FrameWriter();
  const times = [0, 1, -1, 0xffffffff, -0xffffffff, 0x100000000, -0x100000000, -62135596800, 2 ** 53 - 1];
  writer.begin(1, 0, 1);
  for (const time of times) writer.i64(time).u64(Math.abs(time));
  writer.end();
  const reader = new FrameReader(writer.take().subarray(12));
  for (const time of times) {
    t.is(reader.i64(), time);
    t.is(reader.u64(), Math.abs(time));
  }
});

test('a buffer that was given back is used again, one that is still being sent is not', (t) => {
  const writer = new FrameWriter();
  const fill = (text: string): Buffer => {
    writer.begin(1, 0, 1).bytes(text).end();
    return writer.take();
  };
  const [first, second] = [fill('first'), fill('second')];
  t.not(first.buffer, second.buffer);
  writer.recycle(first);
  fill('third');
  t.is(fill('fourth').buffer, first.buffer);
  t.is(second.toString('latin1', 16), 'second');
  const large = fill('x'.repeat(2 * flushBytes));
  writer.recycle(large);
  fill('fifth');
  t.not(fill('sixth').buffer, large.buffer);
  t.is(large.length, 16 + 2 * flushBytes);
});
