/** `login` and `logout`: the credentials files that Podman and its relatives read. */
import { CoracleError } from '../errors.js';
import { canonicalRegistry } from '../oci/reference.js';
import { type CredentialSources, storedCredentials } from '../registry/credentials.js';
import { removeLogin, storeLogin, verifyLogin } from '../registry/login.js';
import { isInsecure } from '../registry/pull-sources.js';
import { readRegistries } from '../registry/registries.js';
import type { RegistryAccess } from '../transfer/registry-access.js';
import type { LoginRequest } from './requests.js';
import type { Session } from './session.js';

/** Checks the credentials with the registry and keeps them. Resolves with the place they are in. */
export async function logIn(session: Session, registry: string, request: LoginRequest): Promise<string> {
  const { username, password, tlsVerify, certDir, signal } = request;
  const credentials = { kind: 'password', username, password } as const;
  const sources = sourcesOf(session, registry, request.authfile);
  const insecure = isInsecure(await readRegistries(session.env), sources.registry);
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
export function logOut(
  session: Session,
  registry: string,
  authfile: string | undefined,
): Promise<readonly string[]> {
  return removeLogin(sourcesOf(session, registry, authfile));
}

/** Who is logged in. @throws NOT_FOUND when nobody is. */
export async function loggedInUser(
  session: Session,
  registry: string,
  access: RegistryAccess,
): Promise<string> {
  const sources = sourcesOf(session, registry, access.authfile);
  const found = await storedCredentials(sources)();
  if (found?.kind === 'password') return found.username;
  throw new CoracleError('NOT_FOUND', `read login of ${sources.registry}: not logged in`, {
    hint: `coracle login ${registry}`,
  });
}

/** People paste addresses with a scheme and a path. */
function sourcesOf(session: Session, text: string, authfile: string | undefined): CredentialSources {
  const host = text.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  if (host === '') throw new CoracleError('USAGE', `use registry ${JSON.stringify(text)}: no host name`);
  return { registry: canonicalRegistry(host), authfile, env: session.env, uid: process.getuid?.() ?? 0 };
}
