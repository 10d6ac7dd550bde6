/** A document that a fuzzer changes, and ways to write one down. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type StorePaths, storePaths } from '../../lib/host/paths.js';

export type Document = {
  readonly name: string;
  /** One that is right; JSON unless `isText`. */
  readonly right: string;
  readonly isText?: true;
  /** `directory` is there for what is read from a file. */
  readonly read: (text: string, directory: string) => unknown;
};

export const digest = `sha256:${'a'.repeat(64)}`;
export const id = 'a'.repeat(64);
export const time = '2024-01-01T00:00:00Z';
/** One whose text is read as it is. */
export const json = (name: string, right: unknown, read: Document['read']): Document => ({
  name,
  right: JSON.stringify(right),
  read,
});

/** A document that is read from a file of this name. */
export function inFile(
  name: string,
  file: string,
  right: unknown,
  read: (path: string, directory: string) => unknown,
): Document {
  return json(name, right, (text, directory) => {
    const own = join(directory, name.replaceAll(/\W/g, '-'));
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, file), text);
    return read(join(own, file), own);
  });
}

/** One that is read from this file of a store. */
export function inStore(
  name: string,
  file: string,
  right: unknown,
  read: (paths: StorePaths) => unknown,
): Document {
  return json(name, right, (text, directory) => {
    const paths = storePaths(join(directory, name.replaceAll(/\W/g, '-')));
    mkdirSync(dirname(join(paths.root, file)), { recursive: true });
    writeFileSync(join(paths.root, file), text);
    return read(paths);
  });
}

/** An image's config as a value. */
export const platform = { os: 'linux', architecture: 'arm64', variant: 'v8', 'os.features': ['x'] };
const container = {
  User: '1:2',
  ExposedPorts: { '80/tcp': {} },
  Env: ['A=b'],
  Entrypoint: ['/a'],
  Cmd: ['b'],
  Volumes: { '/v': {} },
  WorkingDir: '/w',
  Labels: { l: 'm' },
  StopSignal: 'SIGINT',
  Healthcheck: { Test: ['CMD', 'x'], Interval: 1e9, Retries: 3 },
  OnBuild: ['RUN x'],
  Shell: ['sh'],
};
export const config = {
  created: time,
  author: 'a',
  ...platform,
  config: container,
  rootfs: { type: 'layers', diff_ids: [digest] },
  history: [{ created: time, created_by: 'x', empty_layer: true }],
  other: { deep: [1] },
};
