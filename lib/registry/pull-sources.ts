/** Where an image is really read from, and how its registry is reached: pure, from what registries.conf says. */
import { CoracleError } from '../errors.js';
import { formatReference, parseReference, type Reference } from '../oci/reference.js';
import { entryFor, matchedLength, type Registries } from './registries.js';
import type { Endpoint, Mirror, RegistryEntry } from './registries-file.js';

/** A place to read an image from. */
export type PullSource = {
  readonly reference: Reference;
  /** Plain HTTP and any certificate are fine. */
  readonly insecure: boolean;
  readonly isMirror: boolean;
};

/** The places of an image, mirrors first. @throws FORBIDDEN where reading is blocked, INVALID for an impossible rewrite */
export function pullSources(registries: Registries, reference: Reference): readonly PullSource[] {
  const name = formatReference(reference);
  const entry = requireOpen(registries, name);
  if (entry === undefined) return [{ reference, insecure: false, isMirror: false }];
  const mirrors = entry.mirrors.filter((mirror) => serves(mirror, reference));
  const rewritten = (endpoint: Endpoint, isMirror: boolean): PullSource => ({
    reference: rewrite(name, entry, endpoint),
    insecure: endpoint.insecure,
    isMirror,
  });
  return [...mirrors.map((mirror) => rewritten(mirror, true)), rewritten(entry, false)];
}

function serves({ pullFromMirror }: Mirror, { digest }: Reference): boolean {
  if (pullFromMirror === 'all') return true;
  return (pullFromMirror === 'digest-only') === (digest !== undefined);
}

function rewrite(name: string, entry: RegistryEntry, { location }: Endpoint): Reference {
  const length = matchedLength(name, entry.prefix);
  if (location === '' || length === undefined) return parseReference(name);
  const moved = `${location}${name.slice(length)}`;
  try {
    return parseReference(moved);
  } catch (error) {
    throw new CoracleError(
      'INVALID',
      `use ${entry.file}: location ${JSON.stringify(location)} makes ${name} ${moved}`,
      {
        cause: error,
      },
    );
  }
}

/** Whether plain HTTP and any certificate are fine for what is below a name. @throws FORBIDDEN where it is blocked */
export function isInsecure(registries: Registries, name: string): boolean {
  return requireOpen(registries, name)?.insecure ?? false;
}

function requireOpen(registries: Registries, name: string): RegistryEntry | undefined {
  const entry = entryFor(registries, name);
  if (entry?.blocked !== true) return entry;
  throw new CoracleError('FORBIDDEN', `use ${name}: registry ${entry.prefix} is blocked in ${entry.file}`, {
    hint: `whoever wrote ${entry.file} forbids it`,
  });
}
