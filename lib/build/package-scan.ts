/**
 * Finds the package databases of a file system and reads them: through the file agent, so that no link leads out of it; only
 * regular files, and of them no more than a sane size (native.md S11).
 */

import { CoracleError } from '../errors.js';
import { type Distribution, parseOsRelease } from '../host/os-release.js';
import type { Agent, Handle } from '../native/agent.js';
import {
  type Package,
  parseApkInstalled,
  parseDpkgStatus,
  parseNpmLock,
  parseNpmPackage,
} from './package-database.js';
import { parseRpmSqlite } from './rpm-database.js';

/** What was found, and databases that could not be read. */
export type Scan = { readonly packages: readonly Package[]; readonly unread: readonly string[] };

type Parse = (bytes: Buffer, source: string, distribution: Distribution | undefined) => readonly Package[];
type ParseText = (text: string, source: string, distribution: Distribution | undefined) => readonly Package[];
type Database = { readonly pattern: RegExp; readonly parse: Parse | undefined; readonly limit: number };

const mebibyte = 1 << 20;
/** Files read of one tree; packages beyond are named as unread. */
const fileLimit = 50_000;

const databases: readonly Database[] = [
  { pattern: /^var\/lib\/dpkg\/status$/, parse: ofText(parseDpkgStatus), limit: 64 * mebibyte },
  {
    pattern: /^var\/lib\/dpkg\/status\.d\/[^/]+(?<!\.md5sums)$/,
    parse: ofText(parseDpkgStatus),
    limit: mebibyte,
  },
  { pattern: /^(usr\/)?lib\/apk\/db\/installed$/, parse: ofText(parseApkInstalled), limit: 64 * mebibyte },
  {
    pattern: /^(usr\/lib\/sysimage|var\/lib)\/rpm\/rpmdb\.sqlite$/,
    parse: parseRpmSqlite,
    limit: 512 * mebibyte,
  },
  // Of older systems, and of SUSE.
  { pattern: /^(usr\/lib\/sysimage|var\/lib)\/rpm\/(Packages|Packages\.db)$/, parse: undefined, limit: 0 },
  { pattern: /(^|\/)node_modules\/\.package-lock\.json$/, parse: ofText(parseNpmLock), limit: 64 * mebibyte },
  {
    pattern: /(^|\/)node_modules\/(@[^/]+\/)?[^/@][^/]*\/package\.json$/,
    parse: ofText(parseNpmPackage),
    limit: mebibyte,
  },
];

/** The packages of the tree behind `handle`, each once, by name. */
export async function scanPackages(agent: Agent, handle: Handle): Promise<Scan> {
  const unread: string[] = [];
  const files = await findDatabases(agent, handle, unread);
  const release = await readBytes(agent, handle, 'etc/os-release', mebibyte);
  const distribution = release === undefined ? undefined : parseOsRelease(release.toString());
  const packages = new Map<string, Package>();
  for (const { path, database } of files) {
    const source = path.toString();
    const { parse, limit } = database;
    const bytes = parse === undefined ? undefined : await readBytes(agent, handle, path, limit);
    const found = bytes === undefined ? undefined : parsed(() => parse?.(bytes, source, distribution));
    if (found === undefined) unread.push(source);
    else for (const one of found) if (!packages.has(one.purl)) packages.set(one.purl, one);
  }
  const order = (one: Package, other: Package): number => (one.purl < other.purl ? -1 : 1);
  return { packages: [...packages.values()].sort(order), unread };
}

type Found = { readonly path: Buffer; readonly database: Database };

async function findDatabases(agent: Agent, handle: Handle, unread: string[]): Promise<readonly Found[]> {
  const found: Found[] = [];
  for await (const item of agent.walk(handle, '.')) {
    if (item.kind !== 'entry' || item.entry.type !== 'file') continue;
    const path = item.entry.path.toString();
    const database = databases.find(({ pattern }) => pattern.test(path));
    if (database === undefined) continue;
    if (found.length < fileLimit) found.push({ path: item.entry.path, database });
    else if (found.length === fileLimit) unread.push(path);
  }
  return found;
}

function ofText(parse: ParseText): Parse {
  return (bytes, source, distribution) => parse(bytes.toString(), source, distribution);
}

/** A database that is damaged is one that was not read. */
function parsed(read: () => readonly Package[] | undefined): readonly Package[] | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof CoracleError && error.code === 'INVALID') return undefined;
    throw error;
  }
}

async function readBytes(
  agent: Agent,
  handle: Handle,
  path: string | Buffer,
  limit: number,
): Promise<Buffer | undefined> {
  const entry = await agent.stat(handle, path, { follow: true });
  if (entry?.type !== 'file' || entry.size > limit) return undefined;
  return agent.read(handle, path, 0, entry.size);
}
