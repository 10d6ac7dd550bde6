/** Sets back the times of files that a step wrote. */
import type { Agent, Handle } from '../native/agent.js';

/** Gives every entry of a writable layer that is later than `seconds` since the epoch that time. */
export async function clampTimes(agent: Agent, handle: Handle, seconds: number): Promise<void> {
  const late: Buffer[] = [];
  for await (const event of agent.walk(handle, '.', { raw: true })) {
    if (event.kind !== 'entry' || event.entry.type === 'whiteout') continue;
    const { mtime, path } = event.entry;
    if (mtime.seconds > seconds || (mtime.seconds === seconds && mtime.nanoseconds > 0))
      late.push(Buffer.from(path));
  }
  const mtime = { seconds, nanoseconds: 0 };
  for (const path of late) if (path.length > 0) await agent.setMeta(handle, path, { mtime });
  await agent.sync();
}
