/**
 * The journal of events: `events` in the store, a JSON object a line, at most two files of about 1 MiB. Supervisors write to it
 * too (native/PROTOCOL.md 2.7). Each event is one write with O_APPEND, so that writers need no lock; only a rotation does.
 */
import { closeSync, fstatSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { logger } from '../host/log.js';
import type { StorePaths } from '../host/paths.js';
import { withLock } from './lock.js';

export type EventType = 'container' | 'pod' | 'image' | 'volume' | 'network' | 'secret' | 'system';

/** What happened, in podman's words. */
export type EventSubject = {
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  /** Of a container. */
  readonly image?: string | undefined;
  readonly attributes?: Readonly<Record<string, string>> | undefined;
};

const largest = 1 << 20;

/** The journal's file, and the lock of its rotation. The older file is `PATH.1`. */
export function journalFiles(paths: StorePaths): { readonly path: string; readonly lock: string } {
  return { path: paths.events, lock: join(paths.ownLocks, 'events') };
}

/** Appends an event. Where that fails it is lost: what was done is done, and must not be told as a failure. */
export function writeEvent(paths: StorePaths, type: EventType, status: string, subject: EventSubject): void {
  const event = { time: new Date().toISOString(), type, status, ...subject };
  try {
    // The newline in front ends what a writer that died left of a line.
    append(paths, `\n${JSON.stringify(event)}\n`);
  } catch (error) {
    logger().warn({ error, event }, 'event not written');
  }
}

function append(paths: StorePaths, line: string): void {
  const descriptor = openSync(paths.events, 'a', 0o600);
  try {
    writeSync(descriptor, line);
    const { size, ino } = fstatSync(descriptor);
    if (size >= largest) rotate(paths, ino);
  } finally {
    closeSync(descriptor);
  }
}

/** Only one of those who saw the full file moves it. */
function rotate(paths: StorePaths, ino: number): void {
  const { path, lock } = journalFiles(paths);
  withLock(lock, () => {
    if (statSync(path, { throwIfNoEntry: false })?.ino === ino) renameSync(path, `${path}.1`);
  });
}
