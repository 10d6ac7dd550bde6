/**
 * The ssh agents of a build. A step never gets the agent's own socket: it gets one of ours that lives as long as the step and
 * passes bytes on. Keys given as files are served by an agent that ends with the build.
 */
import { spawn } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { CoracleError, ioError } from '../errors.js';
import { startedChild } from '../host/child.js';
import { findProgram } from '../host/id-map.js';
import type { Environment } from '../host/paths.js';
import { addon } from '../native/addon.js';
import type { BuildSsh } from './run-settings.js';

const terminate = 15;

export class SshAgents {
  readonly #agents: ReadonlyMap<string, BuildSsh>;
  readonly #env: Environment;
  readonly #runtime: string;
  readonly #started = new Map<string, Promise<KeyAgent>>();

  /** `runtime` is a private directory for sockets. */
  constructor(agents: readonly BuildSsh[], env: Environment, runtime: string) {
    this.#agents = new Map(agents.map((agent) => [agent.id, agent]));
    this.#env = env;
    this.#runtime = runtime;
  }

  /**
   * Listens at a new socket in `directory` for the agent `id`; undefined for one the build was not given.
   * @throws HOST when there is no ssh-agent to hold keys, INVALID for keys it does not take, IO.
   */
  async forward(id: string, directory: string, name: string): Promise<Forwarding | undefined> {
    const socket = await this.socket(id);
    return socket === undefined ? undefined : Forwarding.open(socket, directory, name);
  }

  /** The agent's own socket, for programs of this host; undefined for an agent the build was not given. @throws as `forward` */
  async socket(id: string): Promise<string | undefined> {
    const agent = this.#agents.get(id);
    if (agent === undefined) return undefined;
    if (agent.kind === 'keys') return this.#keySocket(agent.id, agent.keys);
    checkSocket(id, agent.socket);
    return agent.socket;
  }

  async close(): Promise<void> {
    for (const started of this.#started.values()) {
      const [result] = await Promise.allSettled([started]);
      if (result?.status === 'fulfilled') result.value.close();
    }
  }

  async #keySocket(id: string, keys: readonly string[]): Promise<string> {
    const started = this.#started.get(id) ?? KeyAgent.start(id, keys, this.#env, this.#runtime);
    this.#started.set(id, started);
    return (await started).socket;
  }
}

function checkSocket(id: string, path: string): void {
  try {
    if (statSync(path).isSocket()) return;
  } catch (error) {
    throw ioError(`use ssh agent ${id} at ${path}`, error);
  }
  throw new CoracleError('INVALID', `use ssh agent ${id}: ${path} is no socket`);
}

/** A socket whose connections are passed on. */
export class Forwarding {
  readonly path: string;
  readonly #server: Server;
  readonly #directory: number;
  readonly #connections = new Set<Socket>();

  private constructor(path: string, server: Server, directory: number) {
    this.path = path;
    this.#server = server;
    this.#directory = directory;
  }

  static async open(agent: string, directory: string, name: string): Promise<Forwarding> {
    // A path of a socket has at most 107 bytes; through the descriptor it is short however deep the store lies.
    const descriptor = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    const server = createServer({ allowHalfOpen: true });
    const forwarding = new Forwarding(join(directory, name), server, descriptor);
    server.on('connection', (client) => forwarding.#pass(client, agent));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(`/proc/self/fd/${descriptor}/${name}`, resolve);
    }).catch((error: unknown) => {
      closeSync(descriptor);
      throw ioError(`listen at ${forwarding.path}`, error);
    });
    return forwarding;
  }

  /** Ends it with every connection. */
  async close(): Promise<void> {
    for (const socket of this.#connections) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    closeSync(this.#directory);
  }

  #pass(client: Socket, agent: string): void {
    const upstream = connect({ path: agent, allowHalfOpen: true });
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#connections.add(socket);
      // Either end that fails ends both; the program in the step says what it misses.
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#connections.delete(socket);
        other.destroy();
      });
    }
    client.pipe(upstream);
    upstream.pipe(client);
  }
}

/** The host's ssh-agent with some keys; it dies with this process. */
class KeyAgent {
  readonly socket: string;
  readonly #directory: string;
  readonly #pid: number;

  private constructor(socket: string, directory: string, pid: number) {
    this.socket = socket;
    this.#directory = directory;
    this.#pid = pid;
  }

  static async start(
    id: string,
    keys: readonly string[],
    env: Environment,
    runtime: string,
  ): Promise<KeyAgent> {
    const [program, adder] = ['ssh-agent', 'ssh-add'].map((name) => findProgram(name, env));
    if (program === undefined || adder === undefined) {
      throw new CoracleError('HOST', `serve ssh keys of ${id}: ssh-agent and ssh-add are not installed`, {
        hint: 'install the package openssh-client, or forward a running agent: --ssh default',
      });
    }
    const directory = mkdtempSync(join(runtime, 'ssh-'));
    const socket = join(directory, 's');
    const pid = addon().spawn(program, ['ssh-agent', '-D', '-a', socket], [], { deathSignal: terminate });
    const agent = new KeyAgent(socket, directory, pid);
    try {
      await addKeys(adder, id, keys, socket);
      return agent;
    } catch (error) {
      agent.close();
      throw error;
    }
  }

  close(): void {
    // Not waited for yet, so the pid cannot be somebody else's.
    process.kill(this.#pid, terminate);
    addon().waitpid(this.#pid, false);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

const agentPatience = 5000;
const cannotConnect = 2;

/** Adds the keys as soon as the agent answers; a passphrase is not asked for. */
async function addKeys(program: string, id: string, keys: readonly string[], socket: string): Promise<void> {
  const deadline = Date.now() + agentPatience;
  for (;;) {
    const { code, text } = await runAdder(program, keys, socket);
    if (code === 0) return;
    if (code === cannotConnect && Date.now() < deadline) continue;
    throw new CoracleError('INVALID', `add ssh keys of ${id}: ${text.trim().split('\n').at(-1) ?? code}`, {
      hint: 'the files must be private keys that only you can read, without a passphrase; else forward an agent',
    });
  }
}

function runAdder(
  program: string,
  keys: readonly string[],
  socket: string,
): Promise<{ readonly code: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['-q', '--', ...keys], {
      stdio: ['ignore', 'ignore', 'pipe'],
      // Without a display and a terminal it cannot ask.
      env: { SSH_AUTH_SOCK: socket, SSH_ASKPASS_REQUIRE: 'never', LC_ALL: 'C' },
      detached: true,
    });
    startedChild(child, program);
    let text = '';
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, text }));
  });
}
