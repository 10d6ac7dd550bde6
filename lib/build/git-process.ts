/** Runs the host's git with nothing of the user's environment and configuration but what it needs to reach the network. */
import { CoracleError, hasErrno } from '../errors.js';
import { startedChild } from '../host/child.js';
import type { Environment } from '../host/paths.js';
import type { GitReference } from './git-reference.js';

export type GitOutcome = { readonly code: number; readonly stdout: string; readonly stderr: string };

export type GitCall = {
  readonly reference: GitReference;
  readonly directory: string;
  readonly home: string;
  readonly env: Environment;
  readonly signal?: AbortSignal | undefined;
  readonly authorization?: string | undefined;
};

/** Passed on: how to reach the network. */
const passed = ['PATH', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'SSH_AUTH_SOCK'].concat(
  ['http_proxy', 'https_proxy', 'no_proxy', 'all_proxy'].flatMap((name) => [name, name.toUpperCase()]),
);

/**
 * What a repository's submodules may be fetched by: what itself came by, and what is no weaker. Never `ext`, which runs
 * programs; `file` only where the user named a directory.
 */
const transports: Readonly<Record<GitReference['transport'], string>> = {
  https: 'https',
  http: 'https:http',
  git: 'https:git',
  ssh: 'https:ssh',
  file: 'https:http:file',
};

const settings: readonly string[] = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.symlinks=true',
  'core.autocrlf=false',
  'core.protectHFS=true',
  'core.protectNTFS=true',
  'credential.helper=',
  'protocol.ext.allow=never',
  'submodule.recurse=false',
  'fetch.recurseSubmodules=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'advice.detachedHead=false',
  'safe.directory=*',
];

const outputLimit = 16 * 1024 * 1024;

/** Runs to the end, whatever the exit code. @throws HOST when there is no git, ABORTED. */
export async function runGit(args: readonly string[], call: GitCall): Promise<GitOutcome> {
  const { spawn } = await import('node:child_process');
  call.signal?.throwIfAborted();
  const options = settings.flatMap((setting) => ['-c', setting]);
  const child = spawn('git', [...options, ...args], {
    cwd: call.directory,
    env: environment(call),
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(call.signal === undefined ? {} : { signal: call.signal }),
  });
  startedChild(child, 'git');
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      if (output[name].length < outputLimit) output[name] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(spawnError(error)));
    child.on('close', (code) => resolve({ code: code ?? 128, ...output }));
  });
}

function environment({ env, home, reference, authorization }: GitCall): Record<string, string> {
  const kept = Object.fromEntries(
    passed.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])),
  );
  const certificates = env.SSL_CERT_FILE || env.CORACLE_EXTRA_CA_CERTS || env.NODE_EXTRA_CA_CERTS;
  return {
    ...kept,
    HOME: home,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: '/bin/false',
    SSH_ASKPASS: '/bin/false',
    GIT_SSH_COMMAND: 'ssh -o BatchMode=yes',
    GIT_ALLOW_PROTOCOL: transports[reference.transport],
    ...(certificates ? { GIT_SSL_CAINFO: certificates } : {}),
    ...(authorization === undefined ? {} : headerSetting(reference, authorization)),
  };
}

/** By the environment and not as an argument, which everybody on the machine can read. */
function headerSetting({ remote }: GitReference, authorization: string): Record<string, string> {
  const { origin } = new URL(remote);
  return {
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: `http.${origin}/.extraHeader`,
    GIT_CONFIG_VALUE_0: `Authorization: ${authorization}`,
  };
}

function spawnError(error: Error): CoracleError {
  if (error.name === 'AbortError') return new CoracleError('ABORTED', 'run git: aborted', { cause: error });
  if (hasErrno(error, 'ENOENT')) {
    return new CoracleError('HOST', 'run git: it is not installed', {
      hint: 'install it: apt-get install git',
    });
  }
  return new CoracleError('IO', `run git: ${error.message}`, { cause: error });
}
