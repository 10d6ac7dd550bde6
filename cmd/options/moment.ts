/** Points in time as docker and podman take them. */
import { CoracleError } from '../../lib/index.js';

const units: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/**
 * RFC 3339 in UTC of a date (`2026-11-22T10:00:00Z`, without a zone in local time), of Unix seconds, or of an age
 * before `now` (milliseconds) such as `10m` or `1h30m`.
 * @throws USAGE
 */
export function parseMoment(text: string, now: number): string {
  if (/^\d+(\.\d+)?$/.test(text)) return rfc3339(Number(text) * 1000, text);
  if (/^(\d+(\.\d+)?(ms|[dhms]))+$/.test(text)) {
    let age = 0;
    for (const [, count, , unit = ''] of text.matchAll(/(\d+(\.\d+)?)(ms|[dhms])/g)) {
      age += Number(count) * (units[unit] ?? 0);
    }
    return rfc3339(now - age, text);
  }
  // A date alone is midnight in local time too, unlike what Date makes of it.
  return rfc3339(Date.parse(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00` : text), text);
}

function rfc3339(milliseconds: number, text: string): string {
  const date = new Date(milliseconds);
  if (!Number.isNaN(date.getTime())) return date.toISOString();
  throw new CoracleError(
    'USAGE',
    `invalid time "${text}": must be a date, Unix seconds, or an age such as 10m`,
  );
}
