/**
 * The times a build records. By default they come from what is built, never from the clock, so that the same context,
 * arguments and bases give the same digest anywhere: SOURCE_DATE_EPOCH where it is given, else the base image's own time, 0 for
 * `scratch`. https://reproducible-builds.org/docs/source-date-epoch/
 */
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import type { BuildOptions } from './options.js';

/** The times of one stage. */
export type Times = {
  /** RFC 3339: of the image and its history; undefined means the clock. */
  readonly created?: string;
  /** Seconds since the epoch: files from the context get it, and no file is later; undefined leaves times as they are. */
  readonly files?: number;
};

export type TimeOptions = Pick<BuildOptions, 'reproducible' | 'rewriteTimestamp'>;

/** The times of a stage on `base` (undefined for scratch) in a build whose SOURCE_DATE_EPOCH is `epoch`. */
export function timesOnBase(
  epoch: number | undefined,
  base: ImageRecord | undefined,
  options: TimeOptions,
): Times {
  const fixed = options.reproducible !== false || epoch !== undefined;
  const seconds = epoch ?? imageTime(base);
  const rewrites = options.rewriteTimestamp ?? fixed;
  return {
    ...(fixed ? { created: new Date(seconds * 1000).toISOString() } : {}),
    ...(rewrites ? { files: seconds } : {}),
  };
}

/** When an image says it was made, in whole seconds; 0 where it does not say. */
export function imageTime(image: ImageRecord | undefined): number {
  const time = Date.parse(image?.config.created ?? '');
  return Number.isFinite(time) ? Math.max(0, Math.floor(time / 1000)) : 0;
}

/**
 * Reads SOURCE_DATE_EPOCH: seconds, or a name that `timeOf` knows (`context`, a stage). An empty one is none.
 * @throws USAGE for anything else.
 */
export function readEpoch(
  text: string | undefined,
  timeOf: (name: string) => number | undefined | 'unknown',
): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (/^\d{1,11}$/.test(text)) return Number(text);
  const time = timeOf(text);
  if (time !== 'unknown') return time;
  throw new CoracleError(
    'USAGE',
    `read SOURCE_DATE_EPOCH "${text}": neither seconds since 1970 nor a stage`,
    {
      hint: 'give seconds, such as $(git log -1 --format=%ct), or context, or the name of a stage',
    },
  );
}
