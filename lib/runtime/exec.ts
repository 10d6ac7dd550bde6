/** One more process in a running container. */
import { CoracleError } from '../errors.js';
import { writeFileAtomic } from '../host/files.js';
import { startBundle } from '../native/bundle.js';
import type { PlanRecord } from '../native/plan.js';
import type { BundleProcess } from '../oci/bundle-process.js';
import { processRecords } from './bundle-plan.js';
import { joinCgroup } from './cgroup-files.js';
import { filterOf, texts } from './create.js';
import { containerPlaces } from './places.js';
import { readConfig, readRecord, statusOf } from './records.js';

export type BundleExecOptions = {
  /** The process, made of that of the container. */
  readonly process: (own: BundleProcess) => BundleProcess;
  readonly consoleSocket?: string | undefined;
  readonly pidFile?: string | undefined;
  readonly detach: boolean;
  readonly preserveFds?: number | undefined;
};

export type BundleExecuted = { readonly code: number; readonly warnings: readonly string[] };

/**
 * Executes it; without `detach` waits for its end.
 * @throws CONFLICT when the container does not run, START when the process could not be executed.
 */
export async function execInBundle(
  root: string,
  id: string,
  options: BundleExecOptions,
): Promise<BundleExecuted> {
  const places = containerPlaces(root, id);
  const record = readRecord(places);
  const status = statusOf(places, record);
  if (record === undefined || status !== 'running')
    throw new CoracleError('CONFLICT', `exec in container ${id}: it is ${status}, not running`);
  const config = readConfig(places);
  const process = options.process(config.process);
  checkTerminal(process, options);
  const records: readonly PlanRecord[] = [
    ['mode', options.detach ? 'detach' : 'child'],
    ...(record.cgroup === '' ? [] : [['hold'] as const]),
    ['target', `${record.pid}`, `${record.startTicks}`],
    ...processRecords(process, {
      console: options.consoleSocket,
      seccompFile: await filterOf(places, config.linux.seccomp),
      preserveFds: options.preserveFds ?? 0,
    }),
  ];
  const start = startBundle('oci-exec', records);
  try {
    if (record.cgroup !== '') {
      joinCgroup(record.cgroup, start.await('held'));
      start.goOn();
    }
    const pid = start.await('started');
    if (options.pidFile !== undefined) writeFileAtomic(options.pidFile, `${pid}`, { mode: 0o644 });
    return { code: await start.ended(), warnings: texts(start.warnings) };
  } finally {
    start.close();
  }
}

function checkTerminal(process: BundleProcess, options: BundleExecOptions): void {
  if (!process.terminal && options.consoleSocket !== undefined)
    throw new CoracleError('USAGE', 'use --console-socket: the process has no terminal');
  if (process.terminal && options.detach && options.consoleSocket === undefined)
    throw new CoracleError('USAGE', 'open terminal: nobody takes it', { hint: 'give --console-socket' });
}
