/** Where a container's output is kept. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { CoracleError } from '../errors.js';
import { addon } from '../native/addon.js';
import type { LogSpec } from '../sandbox/launch-spec.js';
import type { ContainerLog, ContainerRecord } from './record.js';
import type { RunOptions } from './run-options.js';

const journalSocket = '/run/systemd/journal/socket';

/** Undefined for none. `own` is the file in the container's directory. @throws USAGE, HOST where there is no journal. */
export function chooseLog(options: RunOptions, own: string): ContainerLog | undefined {
  const { log } = options;
  const { driver = 'k8s-file', tag } = log ?? {};
  switch (driver) {
    case 'none':
      return undefined;
    case 'journald':
      if (existsSync(journalSocket)) return { driver, path: journalSocket, maxSize: 0, maxFiles: 1, tag };
      throw new CoracleError('HOST', `log to the journal: there is no ${journalSocket}`, {
        hint: 'systemd-journald does not run here; use --log-driver k8s-file, which is the default',
      });
    case 'passthrough':
      checkStreams(options);
      return { driver, path: '/dev/null', maxSize: 0, maxFiles: 1 };
    default: {
      const path = log?.path ?? own;
      if (log?.path !== undefined && !existsSync(dirname(path))) {
        throw new CoracleError('NOT_FOUND', `log to ${path}: there is no directory ${dirname(path)}`);
      }
      return { driver, path, maxSize: log?.maxSize ?? 0, maxFiles: log?.maxFiles ?? 1, tag };
    }
  }
}

/** A terminal in the container's hands could type into the caller's shell. */
function checkStreams({ tty }: RunOptions): void {
  const reason =
    tty === true
      ? 'the container has a terminal of its own'
      : [0, 1, 2].some((fd) => addon().isatty(fd))
        ? 'a standard stream is a terminal'
        : undefined;
  if (reason === undefined) return;
  throw new CoracleError('USAGE', `use --log-driver passthrough: ${reason}`, {
    hint: 'redirect standard input, output and error, as a service has them',
  });
}

/** The log of a start: with what its lines say of the container. */
export function launchLog(record: ContainerRecord): LogSpec | undefined {
  if (record.log === undefined) return undefined;
  const { tag, ...log } = record.log;
  const text = tag === undefined ? undefined : expandTag(tag, record);
  if (log.driver === 'journald') return { ...log, extra: journalFields(record, text) };
  return text === undefined ? log : { ...log, extra: `,"attrs":${JSON.stringify({ tag: text })}` };
}

/** Docker's names for tags of logs. */
function expandTag(tag: string, { id, name, imageId, imageReference = imageId }: ContainerRecord): string {
  const values: Readonly<Record<string, string>> = {
    Name: name,
    ID: id.slice(0, 12),
    FullID: id,
    ImageName: imageReference,
    ImageID: imageId.slice(0, 12),
    ImageFullID: imageId,
  };
  return tag.replace(/\{\{\s*\.(\w+)\s*\}\}/g, (whole, field: string) => values[field] ?? whole);
}

/** podman's fields. */
function journalFields({ id, name, imageReference = '' }: ContainerRecord, tag: string | undefined): string {
  const fields = {
    CONTAINER_ID: id.slice(0, 12),
    CONTAINER_ID_FULL: id,
    CONTAINER_NAME: name,
    IMAGE_NAME: imageReference,
    SYSLOG_IDENTIFIER: tag ?? name,
    ...(tag === undefined ? {} : { CONTAINER_TAG: tag }),
  };
  return Object.entries(fields)
    .map(([field, value]) => `${field}=${value.replaceAll('\n', ' ')}\n`)
    .join('');
}
