/** The user-defined networks a container is on: `networks.json` in its directory, which connect and disconnect rewrite. */
import { join } from 'node:path';
import { readJson, writeFileAtomic } from '../host/files.js';
import type { Attachment } from '../network/attachment.js';
import { invalid, requireArray, requireObject, requireString, requireStrings } from '../oci/guards.js';

const file = 'networks.json';

/** Empty for a container that is on none. */
export function readAttachments(directory: string): readonly Attachment[] {
  const path = join(directory, file);
  const stored = readJson(path);
  if (stored === undefined) return [];
  const { version, attachments } = requireObject(stored, path);
  if (version !== 1) throw invalid(`${path}: version`, `${JSON.stringify(version)}, expected 1`);
  return requireArray(attachments, path).map((one) => parseStored(one, path));
}

function parseStored(value: unknown, where: string): Attachment {
  const one = requireObject(value, where);
  const text = (key: 'ip' | 'ip6' | 'mac'): object =>
    one[key] === undefined ? {} : { [key]: requireString(one[key], `${where}: ${key}`) };
  return {
    network: requireString(one.network, `${where}: network`),
    interface: requireString(one.interface, `${where}: interface`),
    ...text('ip'),
    ...text('ip6'),
    ...text('mac'),
    aliases: requireStrings(one.aliases, `${where}: aliases`),
    last: requireStrings(one.last, `${where}: last`),
  };
}

export function writeAttachments(directory: string, attachments: readonly Attachment[]): void {
  writeFileAtomic(join(directory, file), JSON.stringify({ version: 1, attachments }));
}
