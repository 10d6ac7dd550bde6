import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { DirectoryChanges } from '../../lib/host/directory-changes.js';
import { temporaryDirectory } from '../helpers/host.js';

test('a change ends the wait at once', async (t) => {
  const directory = temporaryDirectory(t);
  const changes = new DirectoryChanges(directory, undefined);
  const waited = changes.wait(60_000);
  writeFileSync(join(directory, 'file'), '');
  await waited;
  changes.close();
  t.pass();
});

test('a directory that is gone, before or while it is watched, is waited for in short steps', async (t) => {
  const directory = join(temporaryDirectory(t), 'gone');
  const never = new DirectoryChanges(directory, undefined);
  await never.wait(60_000);
  never.close();
  const parent = temporaryDirectory(t);
  const changes = new DirectoryChanges(parent, undefined);
  const waited = changes.wait(60_000);
  rmSync(parent, { recursive: true });
  await waited;
  changes.close();
  t.pass();
});

test('who stops ends the wait', async (t) => {
  const stop = new AbortController();
  const changes = new DirectoryChanges(temporaryDirectory(t), stop.signal);
  const waited = changes.wait(60_000);
  stop.abort();
  await waited;
  changes.close();
  t.pass();
});
