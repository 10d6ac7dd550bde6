/** Programs named `docker-credential-NAME` that keep credentials. https://github.com/docker/docker-credential-helpers#development */
import { CoracleError, hasErrno } from '../errors.js';
import { startedChild } from '../host/child.js';
import { parseJson, requireObject, requireString } from '../oci/guards.js';
import type { Credentials } from './credentials.js';
import { printable } from './errors.js';
import type { Environment } from './proxy.js';

const outputLimit = 64 * 1024;
const timeLimit = 60_000;

type Answer = { readonly code: number | null; readonly output: string };

/** What the helper knows about a server, undefined where it knows nothing. Other failures are HOST errors. */
export async function askHelper(
  name: string,
  server: string,
  env: Environment,
): Promise<Credentials | undefined> {
  const { code, output } = await runHelper(name, 'get', server, env);
  if (code !== 0) {
    if (/credentials not found|no credentials|not found in native keychain/i.test(output)) return undefined;
    throw helperError(name, 'get', printable(output) || `exit code ${code}`);
  }
  const where = `answer of docker-credential-${name}`;
  const record = requireObject(parseJson(output, where), where);
  const username = requireString(record.Username, `${where}: Username`);
  const secret = requireString(record.Secret, `${where}: Secret`);
  if (secret === '') return undefined;
  if (username === '<token>') return { kind: 'identity-token', token: secret };
  return { kind: 'password', username, password: secret };
}

/** Hands credentials to a helper to keep. */
export async function storeInHelper(
  name: string,
  server: string,
  credentials: Credentials,
  env: Environment,
): Promise<void> {
  const pair =
    credentials.kind === 'password'
      ? { Username: credentials.username, Secret: credentials.password }
      : { Username: '<token>', Secret: credentials.token };
  const { code, output } = await runHelper(
    name,
    'store',
    JSON.stringify({ ServerURL: server, ...pair }),
    env,
  );
  if (code !== 0) throw helperError(name, 'store', printable(output) || `exit code ${code}`);
}

/** Makes a helper forget a server; nothing to forget is fine. */
export async function eraseFromHelper(name: string, server: string, env: Environment): Promise<void> {
  const { code, output } = await runHelper(name, 'erase', server, env);
  if (code !== 0 && !/not found/i.test(output)) {
    throw helperError(name, 'erase', printable(output) || `exit code ${code}`);
  }
}

/** The servers that a helper keeps credentials for. */
export async function listHelper(name: string, env: Environment): Promise<readonly string[]> {
  const { code, output } = await runHelper(name, 'list', '', env);
  if (code !== 0) throw helperError(name, 'list', printable(output) || `exit code ${code}`);
  const where = `answer of docker-credential-${name}`;
  return Object.keys(requireObject(parseJson(output, where), where));
}

async function runHelper(name: string, verb: string, input: string, env: Environment): Promise<Answer> {
  const { spawn } = await import('node:child_process');
  return new Promise((resolve, reject) => {
    const child = spawn(`docker-credential-${name}`, [verb], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...env },
      timeout: timeLimit,
    });
    startedChild(child, `docker-credential-${name}`);
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
      if (output.length <= outputLimit) return;
      // What the helper started may go on writing: nobody reads it any more.
      child.stdout.destroy();
      child.kill('SIGKILL');
      reject(helperError(name, verb, `it prints more than ${outputLimit} bytes`));
    });
    child.on('error', (error) => reject(spawnError(name, verb, error)));
    child.on('close', (code) => resolve({ code, output }));
    child.stdin.on('error', (error) => {
      if (!hasErrno(error, 'EPIPE')) reject(spawnError(name, verb, error)); // some helpers answer unread
    });
    child.stdin.end(input);
  });
}

function spawnError(name: string, verb: string, error: Error): CoracleError {
  if (hasErrno(error, 'ENOENT')) return helperError(name, verb, 'the program is not in PATH');
  return helperError(name, verb, error.message);
}

function helperError(name: string, verb: string, reason: string): CoracleError {
  return new CoracleError('HOST', `run docker-credential-${name} ${verb}: ${reason}`, {
    hint: 'install the helper, or remove its name from credsStore and credHelpers of the auth file',
  });
}
