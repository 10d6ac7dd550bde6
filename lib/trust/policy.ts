/**
 * policy.json: which images may be used. Read strictly: what is not understood could be a demand, so it is an error or,
 * where it is a kind of signature that cannot be checked here, a requirement that nothing fulfils.
 * https://github.com/containers/image/blob/main/docs/containers-policy.json.5.md
 */
import {
  invalid,
  requireArray,
  requireObject,
  requireString,
  requireStrings,
  type UnknownRecord,
} from '../oci/guards.js';
import { parseIdentity, type SignedIdentity } from './identity.js';

/** What an image has to fulfil. */
export type Requirement =
  | { readonly kind: 'accept' }
  | { readonly kind: 'reject' }
  | { readonly kind: 'sigstore'; readonly keys: readonly KeySource[]; readonly identity: SignedIdentity }
  /** Nothing fulfils it. */
  | { readonly kind: 'unsupported'; readonly what: string };

/** Where a public key is: a file, or the key's own bytes. */
export type KeySource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'data'; readonly pem: string };

export type Policy = {
  readonly path: string;
  /** Where no scope says otherwise. */
  readonly fallback: readonly Requirement[];
  /** Requirements by scope, by transport. */
  readonly transports: ReadonlyMap<string, ReadonlyMap<string, readonly Requirement[]>>;
};

/** Reads a policy document. @throws INVALID naming the place */
export function parsePolicy(value: unknown, path: string): Policy {
  const document = known(requireObject(value, path), ['default', 'transports'], path);
  const transports = Object.entries(requireObject(document.transports ?? {}, `${path}: transports`));
  return {
    path,
    fallback: parseRequirements(document.default, `${path}: default`),
    transports: new Map(
      transports.map(([name, scopes]) => [name, parseScopes(scopes, `${path}: transports.${name}`)]),
    ),
  };
}

function parseScopes(value: unknown, where: string): ReadonlyMap<string, readonly Requirement[]> {
  const scopes = Object.entries(requireObject(value, where));
  return new Map(
    scopes.map(([scope, list]) => [scope, parseRequirements(list, `${where}[${JSON.stringify(scope)}]`)]),
  );
}

function parseRequirements(value: unknown, where: string): readonly Requirement[] {
  const list = requireArray(value, where);
  if (list.length === 0) throw invalid(where, 'a list of requirements cannot be empty');
  return list.map((item, at) => parseRequirement(item, `${where}[${at}]`));
}

function parseRequirement(value: unknown, where: string): Requirement {
  const record = requireObject(value, where);
  const type = requireString(record.type, `${where}.type`);
  switch (type) {
    case 'insecureAcceptAnything':
      known(record, ['type'], where);
      return { kind: 'accept' };
    case 'reject':
      known(record, ['type'], where);
      return { kind: 'reject' };
    case 'sigstoreSigned':
      return parseSigstore(record, where);
    case 'signedBy':
      return { kind: 'unsupported', what: 'a GPG signature (signedBy)' };
    default:
      return { kind: 'unsupported', what: `what this version does not know (${JSON.stringify(type)})` };
  }
}

const keyFields = ['keyPath', 'keyPaths', 'keyData', 'keyDatas'] as const;
/** Demands beyond a key; each is a further condition, none may be passed over. */
const furtherFields = [
  'fulcio',
  'pki',
  'rekorPublicKeyPath',
  'rekorPublicKeyPaths',
  'rekorPublicKeyData',
  'rekorPublicKeyDatas',
];

function parseSigstore(record: UnknownRecord, where: string): Requirement {
  known(record, ['type', 'signedIdentity', ...keyFields, ...furtherFields], where);
  const further = furtherFields.filter((field) => record[field] !== undefined);
  if (further.length > 0)
    return { kind: 'unsupported', what: `a sigstore signature with ${further.join(', ')}` };
  const given = keyFields.filter((field) => record[field] !== undefined);
  const [field] = given;
  if (field === undefined || given.length > 1)
    throw invalid(where, `expected exactly one of ${keyFields.join(', ')}`);
  const single = field === 'keyPath' || field === 'keyData';
  const texts = single
    ? [requireString(record[field], `${where}.${field}`)]
    : requireStrings(record[field], `${where}.${field}`);
  if (texts.length === 0) throw invalid(`${where}.${field}`, 'no key');
  const keys = texts.map((text): KeySource => {
    if (field.startsWith('keyPath')) return { kind: 'file', path: text };
    return { kind: 'data', pem: Buffer.from(text, 'base64').toString('utf8') };
  });
  return {
    kind: 'sigstore',
    keys,
    identity: parseIdentity(record.signedIdentity, `${where}.signedIdentity`),
  };
}

/** @throws INVALID for a field that is none of `names` */
export function known(record: UnknownRecord, names: readonly string[], where: string): UnknownRecord {
  const other = Object.keys(record).find((name) => !names.includes(name));
  if (other === undefined) return record;
  throw invalid(where, `unknown field ${JSON.stringify(other)}`);
}
