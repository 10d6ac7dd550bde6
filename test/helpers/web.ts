/** Loopback servers for files and for git, with a log of what was asked. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createServer as createListener } from 'node:net';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type Missing, missingProgram } from './host.js';
import { makeCertificate } from './registry.js';

export type WebServer = {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** `METHOD PATH` of every request. */
  readonly log: string[];
};

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Serves until the test ends. */
export async function serve(
  t: Pick<ExecutionContext<unknown>, 'teardown'>,
  handler: Handler,
  tls?: { readonly cert: string; readonly key: string },
): Promise<WebServer> {
  const log: string[] = [];
  const listener: RequestListener = (request, response) => {
    log.push(`${request.method} ${request.url}`);
    handler(request, response);
  };
  const server = tls === undefined ? createServer(listener) : createSecureServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return { url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`, log };
}

/** A TCP port of loopback that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    // Others that ask the port for a server of theirs must not keep it open.
    const server = createListener((socket) => socket.destroy());
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/**
 * What a server says; undefined while nothing answers, for `eventually`. The deadline is part of that: the first fetch of a
 * process never settles in Node.js 20 when its connection is reset while the parser of answers is still being loaded.
 */
export async function fetchText(url: string): Promise<string | undefined> {
  try {
    return await (await fetch(url, { signal: AbortSignal.timeout(3000) })).text();
  } catch (error) {
    if (error instanceof TypeError || (error instanceof Error && error.name === 'TimeoutError'))
      return undefined;
    throw error;
  }
}

/** A server's certificate that nobody knows, in `directory`. */
export function ownCertificate(directory: string): { cert: string; key: string; file: string } {
  const [file, keyFile] = [join(directory, 'server.crt'), join(directory, 'server.key')];
  makeCertificate(file, keyFile);
  return { cert: readFileSync(file, 'utf8'), key: readFileSync(keyFile, 'utf8'), file };
}

const backend = '/usr/lib/git-core/git-http-backend';

export function missingGit(): Missing {
  return (
    missingProgram('git') ?? (spawnSync('test', ['-x', backend]).status === 0 ? undefined : `no ${backend}`)
  );
}

/** Answers git's smart HTTP for the repositories below `root`. */
export function gitHandler(root: string): Handler {
  return (request, response) => {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    const child = spawn(backend, {
      env: {
        PATH: process.env.PATH,
        HOME: root,
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: '1',
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: 'safe.directory',
        GIT_CONFIG_VALUE_0: '*',
        REQUEST_METHOD: request.method ?? 'GET',
        PATH_INFO: path,
        QUERY_STRING: query,
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
        ...(request.headers['content-encoding'] === undefined
          ? {}
          : { HTTP_CONTENT_ENCODING: String(request.headers['content-encoding']) }),
      },
    });
    request.pipe(child.stdin);
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('close', () => {
      const output = Buffer.concat(chunks);
      const end = output.indexOf('\r\n\r\n');
      let status = 200;
      for (const line of output.subarray(0, end).toString().split('\r\n')) {
        const [, name = '', value = ''] = /^([^:]+): (.*)$/.exec(line) ?? [];
        if (name === 'Status') status = Number.parseInt(value, 10);
        else if (name !== '') response.setHeader(name, value);
      }
      response.writeHead(status).end(output.subarray(end + 4));
    });
  };
}

/** Files by name; a value that begins with `-> ` is a link's target. */
export type RepositoryFiles = Readonly<Record<string, string>>;

/** A repository that tests fill by commits. */
export class TestRepository {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    mkdirSync(path, { recursive: true });
    this.git('init', '--quiet', '--initial-branch=main');
  }

  /** Writes files, and commits everything at a fixed time. Returns the commit. */
  commit(files: RepositoryFiles): string {
    for (const [name, content] of Object.entries(files)) {
      const path = join(this.path, name);
      mkdirSync(dirname(path), { recursive: true });
      if (content.startsWith('-> ')) symlinkSync(content.slice(3), path);
      else writeFileSync(path, content);
    }
    this.git('add', '--all');
    const who = ['-c', 'user.name=t', '-c', 'user.email=t@t'];
    this.git(...who, 'commit', '--quiet', '--allow-empty', '-m', 'c', '--date=1600000000 +0000');
    return this.git('rev-parse', 'HEAD').trim();
  }

  git(...args: readonly string[]): string {
    const env = {
      PATH: process.env.PATH,
      HOME: this.path,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_COMMITTER_DATE: '1600000000 +0000',
    };
    const { status, stdout, stderr } = spawnSync('git', ['-C', this.path, ...args], {
      encoding: 'utf8',
      env,
    });
    if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`);
    return stdout;
  }
}
