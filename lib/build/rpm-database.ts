/** The packages of an RPM database, distrusted as everything of an image. Pure. */

import type { Distribution } from '../host/os-release.js';
import { invalid } from '../oci/guards.js';
import { distro, isUsable, type Package, packageUrl } from './package-database.js';
import { readSqliteTable } from './sqlite-table.js';

/** Tags of a header, rpmtag.h. */
const tags = {
  name: 1000,
  version: 1001,
  release: 1002,
  epoch: 1003,
  vendor: 1011,
  license: 1014,
  arch: 1022,
} as const;
const int32Type = 4;
const stringType = 6;
const entrySize = 16;
const packageLimit = 100_000;

/**
 * Reads rpmdb.sqlite: each row of its table holds a package's header.
 * @throws INVALID for a file that is no such database
 */
export function parseRpmSqlite(
  bytes: Buffer,
  source: string,
  distribution: Distribution | undefined,
): readonly Package[] {
  const packages: Package[] = [];
  for (const [, blob] of readSqliteTable(bytes, 'Packages', source)) {
    if (!Buffer.isBuffer(blob)) continue;
    const found = packageOf(readHeader(blob, source), source, distribution);
    if (found !== undefined) packages.push(found);
    if (packages.length > packageLimit) throw invalid(source, `more than ${packageLimit} packages`);
  }
  return packages;
}

function packageOf(
  header: ReadonlyMap<number, string | number>,
  source: string,
  distribution: Distribution | undefined,
): Package | undefined {
  const [name, version, release] = [
    header.get(tags.name),
    header.get(tags.version),
    header.get(tags.release),
  ];
  // Keys that the user trusts stand among the packages.
  if (!isUsable(name) || !isUsable(version) || !isUsable(release) || name === 'gpg-pubkey') return undefined;
  const { id = 'rpm', version: versionId = '' } = distribution ?? {};
  const [arch, epoch, license, vendor] = [
    header.get(tags.arch),
    header.get(tags.epoch),
    header.get(tags.license),
    header.get(tags.vendor),
  ];
  const purl = packageUrl('rpm', [id, name], `${version}-${release}`, {
    arch: isUsable(arch) ? arch : '',
    epoch: typeof epoch === 'number' && epoch > 0 ? String(epoch) : '',
    distro: distro(id, versionId),
  });
  return {
    name,
    version: `${version}-${release}`,
    purl,
    source,
    ...(isUsable(license) ? { license } : {}),
    ...(isUsable(vendor) ? { supplier: `Organization: ${vendor}` } : {}),
  };
}

/** A header as the database has it: counts of its index and of its data, the index, the data. */
function readHeader(blob: Buffer, where: string): ReadonlyMap<number, string | number> {
  if (blob.length < 8) throw invalid(where, 'a header is cut off');
  const entries = blob.readUInt32BE(0);
  const start = 8 + entries * entrySize;
  const end = start + blob.readUInt32BE(4);
  if (end > blob.length) throw invalid(where, `a header of ${end} bytes in ${blob.length}`);
  const known: ReadonlySet<number> = new Set(Object.values(tags));
  const values = new Map<number, string | number>();
  for (let at = 8; at < start; at += entrySize) {
    const tag = blob.readUInt32BE(at);
    if (!known.has(tag)) continue;
    const type = blob.readUInt32BE(at + 4);
    const place = start + blob.readUInt32BE(at + 8);
    if (type === stringType) values.set(tag, text(blob, place, end));
    else if (type === int32Type && place + 4 <= end) values.set(tag, blob.readUInt32BE(place));
  }
  return values;
}

function text(blob: Buffer, from: number, limit: number): string {
  const end = from < limit ? blob.indexOf(0, from) : -1;
  return end < 0 || end > limit ? '' : blob.toString('utf8', from, end);
}
