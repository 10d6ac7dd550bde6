/** A docker-registry on a free loopback port with an empty store, logging to a file: nobody reads a pipe meanwhile. */
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../helpers/host.js';
import type { Bench } from './case.js';
import { waitFor } from './command.js';

/** Starts it for the rest of the bench. Returns `127.0.0.1:PORT`. @throws when there is no docker-registry. */
export function startRegistry(bench: Bench): string {
  const program = findProgram('docker-registry');
  if (program === undefined) throw new Error('start registry: no docker-registry on this machine');
  const directory = mkdtempSync(join(bench.workspace, 'registry-'));
  const [config, log] = [join(directory, 'config.json'), join(directory, 'log')];
  const configuration = {
    version: 0.1,
    log: { level: 'info', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(directory, 'storage') } },
    http: { addr: '127.0.0.1:0', secret: 'not a secret in a bench' },
  };
  writeFileSync(config, JSON.stringify(configuration)); // JSON is YAML
  const descriptor = openSync(log, 'w');
  const child = spawn(program, ['serve', config], {
    stdio: ['ignore', 'ignore', descriptor],
    env: { PATH: process.env.PATH, OTEL_TRACES_EXPORTER: 'none' },
  });
  closeSync(descriptor);
  bench.atEnd(() => void child.kill('SIGKILL'));
  const port = waitFor(
    `a listening docker-registry in ${log}`,
    () => /listening on 127\.0\.0\.1:(\d+)/.exec(readFileSync(log, 'utf8'))?.[1],
  );
  return `127.0.0.1:${port}`;
}
