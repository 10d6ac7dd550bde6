/** Go's duration syntax (time.ParseDuration): `1h30m`, `1.5s`, `500ms`. */

const UNITS: ReadonlyMap<string, bigint> = new Map([
  ['ns', 1n],
  ['us', 1_000n],
  ['µs', 1_000n],
  ['μs', 1_000n],
  ['ms', 1_000_000n],
  ['s', 1_000_000_000n],
  ['m', 60_000_000_000n],
  ['h', 3_600_000_000_000n],
]);

/** Nanoseconds; undefined where `text` is no duration or exceeds 2^53 nanoseconds (104 days). */
export function parseDuration(text: string): number | undefined {
  const match = /^([+-]?)(.+)$/s.exec(text);
  const rest = match?.[2];
  if (rest === undefined) return undefined;
  if (rest === '0') return 0;
  let total = 0n;
  let consumed = 0;
  for (const part of rest.matchAll(/(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/gy)) {
    const [written, whole = '', fraction = '', unit = ''] = part;
    const scale = UNITS.get(unit);
    if (scale === undefined || (whole === '' && fraction === '') || whole.length > 19) return undefined;
    const digits = fraction.slice(0, 18);
    total += BigInt(whole === '' ? '0' : whole) * scale;
    total += (BigInt(digits === '' ? '0' : digits) * scale) / 10n ** BigInt(digits.length);
    consumed += written.length;
  }
  if (consumed !== rest.length || total > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  return match?.[1] === '-' ? -Number(total) : Number(total);
}
