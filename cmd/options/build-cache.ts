/** The options of `build` about its cache. */
import { CoracleError, parseDuration } from '../../lib/index.js';
import type { OptionSpec, Values } from '../command.js';

export const buildCacheOptions = [
  { name: 'no-cache', kind: 'switch', summary: 'Run every step again' },
  {
    name: 'no-cache-filter',
    kind: 'list',
    value: 'STAGE[,STAGE]',
    summary: 'Run every step of these stages again',
  },
  {
    name: 'cache-ttl',
    kind: 'string',
    value: 'DURATION',
    summary: 'Take nothing from the cache that is older, such as 24h',
  },
  { name: 'explain', kind: 'switch', summary: 'Say of each step that runs why it was not cached' },
  { name: 'expect-cached', kind: 'switch', summary: 'Fail at the first step that is not cached' },
  {
    name: 'cache-from',
    kind: 'list',
    value: 'PLACE',
    summary: 'Take steps from type=registry,ref=NAME or type=local,src=DIR; NAME alone is a registry',
  },
  {
    name: 'cache-to',
    kind: 'list',
    value: 'PLACE',
    summary: 'Leave steps in type=registry,ref=NAME, type=local,dest=DIR or type=inline; mode=min|max',
  },
  {
    name: 'cache-mounts-from',
    kind: 'list',
    value: 'PLACE',
    summary: 'Take cache mounts from a directory or type=registry,ref=NAME; those that are here stay',
  },
  {
    name: 'cache-mounts-to',
    kind: 'list',
    value: 'PLACE',
    summary: 'Leave the cache mounts that the build used in a directory or type=registry,ref=NAME',
  },
] as const satisfies readonly OptionSpec[];

/** What the options say, for the library. */
export function readBuildCache(values: Values<typeof buildCacheOptions>): {
  readonly noCache: boolean;
  readonly noCacheFilter: readonly string[];
  readonly cacheTtl: number | undefined;
  readonly explain: boolean;
  readonly expectCached: boolean;
  readonly cacheFrom: readonly string[];
  readonly cacheTo: readonly string[];
  readonly cacheMountsFrom: readonly string[];
  readonly cacheMountsTo: readonly string[];
} {
  const ttl = values['cache-ttl'];
  return {
    noCache: values['no-cache'],
    noCacheFilter: values['no-cache-filter'].flatMap((text) => text.split(',')),
    cacheTtl: ttl === undefined ? undefined : readTtl(ttl),
    explain: values.explain,
    expectCached: values['expect-cached'],
    cacheFrom: values['cache-from'],
    cacheTo: values['cache-to'],
    cacheMountsFrom: values['cache-mounts-from'],
    cacheMountsTo: values['cache-mounts-to'],
  };
}

function readTtl(text: string): number {
  const nanoseconds = parseDuration(text);
  if (nanoseconds !== undefined && nanoseconds >= 0) return nanoseconds / 1e6;
  throw new CoracleError('USAGE', `invalid argument "${text}" for --cache-ttl: not a duration`, {
    hint: 'for example 30m or 24h; 0 takes nothing',
  });
}
