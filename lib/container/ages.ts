/** Lapses of time in words, as docker and podman print them. Pure. */

const units: readonly (readonly [seconds: number, word: string])[] = [
  [365 * 86400, 'year'],
  [30 * 86400, 'month'],
  [7 * 86400, 'week'],
  [86400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
  [1, 'second'],
];

/** `3 minutes`, `About a minute`, `2 hours`; the greatest unit that fits twice, as docker's go-units. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds >= 60 && seconds < 120) return 'About a minute';
  if (seconds >= 3600 && seconds < 7200) return 'About an hour';
  for (const [size, word] of units) {
    if (seconds >= 2 * size) return `${Math.floor(seconds / size)} ${word}s`;
  }
  return `${seconds} seconds`;
}

/** Milliseconds since an RFC 3339 time, however many digits its fraction has. */
export function since(time: string, now: number): number {
  return now - Date.parse(time.replace(/(\.\d{3})\d+/, '$1'));
}
