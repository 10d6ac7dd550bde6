/** `image trust`: what the policy says, and setting it for a scope. */
import { resolve } from 'node:path';
import { CoracleError } from '../errors.js';
import { editUserFile } from '../host/user-file.js';
import { parseJson, requireArray, requireObject, type UnknownRecord } from '../oci/guards.js';
import { type Policy, parsePolicy, type Requirement } from '../trust/policy.js';
import { readPolicy, userPolicy } from '../trust/policy-file.js';
import type { Session } from './session.js';

/** A line of `image trust show`. */
export type TrustRule = {
  /** `default`, or a transport and a scope. */
  readonly scope: string;
  readonly transport: string;
  readonly type: 'accept' | 'reject' | 'sigstoreSigned' | 'unsupported';
  /** What the images have to be signed with. */
  readonly keys: readonly string[];
  /** What identity, or which unsupported demand. */
  readonly detail: string;
};

export type TrustView = {
  /** Undefined where no file says anything, which allows everything. */
  readonly path: string | undefined;
  readonly rules: readonly TrustRule[];
};

/** What holds. */
export function showTrust(session: Session, signaturePolicy?: string): TrustView {
  const policy = readPolicy(session.env, signaturePolicy);
  return { path: policy?.path, rules: policy === undefined ? [] : rulesOf(policy) };
}

function rulesOf({ fallback, transports }: Policy): readonly TrustRule[] {
  const scoped = [...transports].flatMap(([transport, scopes]) =>
    [...scopes].flatMap(([scope, list]) => list.map((one) => ruleOf(scope, transport, one))),
  );
  return [...fallback.map((one) => ruleOf('default', 'all', one)), ...scoped];
}

function ruleOf(scope: string, transport: string, requirement: Requirement): TrustRule {
  const place = { scope, transport, keys: [], detail: '' };
  switch (requirement.kind) {
    case 'accept':
    case 'reject':
      return { ...place, type: requirement.kind };
    case 'unsupported':
      return { ...place, type: 'unsupported', detail: requirement.what };
    case 'sigstore': {
      const keys = requirement.keys.map((key) => (key.kind === 'file' ? key.path : 'keyData'));
      return { ...place, type: 'sigstoreSigned', keys, detail: requirement.identity.kind };
    }
  }
}

export type TrustChange = {
  readonly type: 'accept' | 'reject' | 'sigstoreSigned';
  /** Public keys, any of which may sign. */
  readonly keys?: readonly string[] | undefined;
  /** The file to change; the user's own by default. */
  readonly signaturePolicy?: string | undefined;
};

/** Sets what holds for a registry, a namespace or image of one, or `default`; the rest stays. Resolves with the file. */
export async function setTrust(session: Session, scope: string, change: TrustChange): Promise<string> {
  const path = change.signaturePolicy ?? userPolicy(session.env);
  if (path === undefined) throw new CoracleError('HOST', 'set trust: HOME is not set');
  const requirements = [requirementOf(change)];
  // The first file of the user's own begins as what held before it.
  const inherited = change.signaturePolicy === undefined ? await inheritedPolicy(session) : undefined;
  await editUserFile(path, (text) => {
    const before = requireObject(text === undefined ? (inherited ?? {}) : parseJson(text, path), path);
    const after = changed(before, scope, requirements, path);
    parsePolicy(after, path); // what could not be read again is not written
    return `${JSON.stringify(after, undefined, 4)}\n`;
  });
  return path;
}

async function inheritedPolicy(session: Session): Promise<UnknownRecord | undefined> {
  const held = readPolicy(session.env, undefined);
  if (held === undefined) return undefined;
  const { readFileSync } = await import('node:fs');
  return requireObject(parseJson(readFileSync(held.path, 'utf8'), held.path), held.path);
}

function requirementOf({ type, keys = [] }: TrustChange): UnknownRecord {
  if (type !== 'sigstoreSigned') {
    if (keys.length > 0) throw new CoracleError('USAGE', `set trust ${type}: it takes no keys`);
    return { type: type === 'accept' ? 'insecureAcceptAnything' : 'reject' };
  }
  const keyPaths = keys.map((key) => resolve(key));
  const [keyPath] = keyPaths;
  if (keyPath === undefined) {
    throw new CoracleError('USAGE', 'set trust sigstoreSigned: no key', {
      hint: 'name one with --pubkeysfile FILE',
    });
  }
  return { type, ...(keys.length === 1 ? { keyPath } : { keyPaths }) };
}

function changed(
  before: UnknownRecord,
  scope: string,
  requirements: readonly UnknownRecord[],
  path: string,
): UnknownRecord {
  if (scope === 'default') return { ...before, default: requirements };
  const transports = requireObject(before.transports ?? {}, `${path}: transports`);
  const docker = requireObject(transports.docker ?? {}, `${path}: transports.docker`);
  const fallback = before.default ?? [{ type: 'insecureAcceptAnything' }];
  return {
    ...before,
    default: requireArray(fallback, `${path}: default`),
    transports: { ...transports, docker: { ...docker, [scope]: requirements } },
  };
}
