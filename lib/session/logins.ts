/** `login` and `logout`: the credentials files that Podman and its relatives read. */
import { CoracleError } from '../errors.js';
import { canonicalRegistry } from '../oci/reference.js';
import { type CredentialSources, storedCredentials } from '../registry/credentials.js';
import { removeAllLogins, removeLogin, storeLogin, verifyLogin } from '../registry/login.js';
import { isInsecure } from '../registry/pull-sources.js';
import { type Registries, readRegistries } from '../registry/registries.js';
import type { LoginRequest } from './requests.js';
import type { Session } from './session.js';

/** Where credentials are kept, where not in the usual files. */
export type LoginFiles = {
  readonly authfile?: string | undefined;
  /** Of Docker's kind, its keys included. */
  readonly compatFile?: string | undefined;
};

/** Checks the credentials with the registry and keeps them. Resolves with the place they are in. */
export async function logIn(
  session: Session,
  registry: string | undefined,
  request: LoginRequest,
): Promise<string> {
  const { username, password, tlsVerify, certDir, signal } = request;
  const credentials = { kind: 'password', username, password } as const;
  const registries = await readRegistries(session.env);
  const sources = sourcesOf(session, registry, { ...request, registries });
  const insecure = isInsecure(registries, sources.registry);
  await verifyLogin(credentials, {
    registry: sources.registry,
    tlsVerify: tlsVerify ?? (insecure ? false : undefined),
    certDir,
    signal,
    env: session.env,
  });
  return storeLogin(sources, credentials);
}

/** Forgets the credentials. Resolves with the places they were in. */
export async function logOut(
  session: Session,
  registry: string | undefined,
  files: LoginFiles,
): Promise<readonly string[]> {
  const registries = await readRegistries(session.env);
  return removeLogin(sourcesOf(session, registry, { ...files, registries }));
}

/** Forgets all credentials that were stored by us or podman. Resolves with the places they were in. */
export function logOutOfAll(session: Session, files: LoginFiles): Promise<readonly string[]> {
  return removeAllLogins({ ...files, env: session.env, uid: process.getuid?.() ?? 0 });
}

/** Who is logged in. @throws NOT_FOUND when nobody is. */
export async function loggedInUser(
  session: Session,
  registry: string | undefined,
  files: LoginFiles,
): Promise<string> {
  const registries = await readRegistries(session.env);
  const {
    compatFile,
    authfile = compatFile,
    ...where
  } = sourcesOf(session, registry, { ...files, registries });
  const sources = { ...where, authfile };
  const found = await storedCredentials(sources)(sources.namespace);
  if (found?.kind === 'password') return found.username;
  throw new CoracleError('NOT_FOUND', `read login of ${sources.registry}: not logged in`, {
    hint: `coracle login ${sources.registry}`,
  });
}

type LoginPlace = LoginFiles & { readonly registries: Registries };

/** A registry, or a namespace below it; by default the first of the search list. People paste addresses with a scheme and a path. */
function sourcesOf(session: Session, text: string | undefined, place: LoginPlace): CredentialSources {
  const { registries, authfile, compatFile } = place;
  const given = text ?? registries.search[0] ?? '';
  const [host = '', ...path] = given.replace(/^https?:\/\//, '').split('/');
  if (host === '') throw new CoracleError('USAGE', `use registry ${JSON.stringify(given)}: no host name`);
  const isAddress = given.includes('://') || path[0] === 'v1' || path[0] === 'v2';
  const namespace = isAddress ? '' : path.join('/').replace(/\/+$/, '');
  return {
    registry: canonicalRegistry(host),
    namespace: namespace === '' ? undefined : namespace,
    authfile,
    compatFile,
    helpers: registries.credentialHelpers,
    env: session.env,
    uid: process.getuid?.() ?? 0,
  };
}
