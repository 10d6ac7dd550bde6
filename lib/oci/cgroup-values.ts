/** Values of version 1 of cgroups, which flags and bundles speak in, as version 2 has them. */

/** From 2 to 262144 shares to a weight from 1 to 10000, as crun and runc do. */
export function cpuWeight(shares: number): number {
  const inside = Math.min(Math.max(shares, 2), 262_144);
  return 1 + Math.floor(((inside - 2) * 9999) / 262_142);
}

/** Microseconds of each period; none of the quota is any time. */
export function cpuMax(quota: number | undefined, period: number | undefined): string {
  const limited = quota !== undefined && quota > 0;
  return `${limited ? quota : 'max'} ${period === undefined || period <= 0 ? 100_000 : period}`;
}

/** From 10 to 1000, as BFQ has it, to 1 to 10000. */
export function ioWeight(weight: number): number {
  return 1 + Math.floor(((weight - 10) * 9999) / 990);
}
