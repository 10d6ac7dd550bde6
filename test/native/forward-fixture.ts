/** A container of a hand-made plan whose Node.js serves what the tests of the port forwarder ask for. */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { encodePlan, type PlanRecord } from '../../lib/native/plan.js';
import { argumentsOf, familyOf, survivors, until } from '../faults/fixture.js';
import { runProgram } from '../helpers/cli.js';
import { type Missing, repositoryRoot, temporaryDirectory } from '../helpers/host.js';
import { freePort } from '../helpers/web.js';

const program = join(repositoryRoot(), 'dist/native/coracle-sv');

/** The services, by their ports in the container; nothing listens at `nothing`. */
export const services = {
  digest: 8001,
  echo: 8002,
  reset: 8003,
  nothing: 8004,
  datagrams: 8005,
  late: 8006,
} as const;
/** Where `late` is published to: the container has no such address until somebody gives it. */
export const lateAddress = '10.99.9.9';
export const lateSubnet = '10.99.9.0/24';
export type Service = keyof typeof services;

/** Runs in the container. `digest` answers only when the client has ended its direction. */
const source = `
const { createServer } = require('node:net');
const { createHash } = require('node:crypto');
const serve = (port, client, address = '127.0.0.1') => createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => {});
  client(socket);
}).listen(port, address, 4096);
serve(${services.digest}, (socket) => {
  const hash = createHash('sha256');
  socket.on('data', (bytes) => hash.update(bytes));
  socket.on('end', () => socket.end(hash.digest('hex')));
});
serve(${services.echo}, (socket) => socket.pipe(socket));
serve(${services.late}, (socket) => socket.pipe(socket), '0.0.0.0');
serve(${services.reset}, (socket) => socket.once('data', () => socket.resetAndDestroy()));
const datagrams = require('node:dgram').createSocket('udp4');
datagrams.on('message', (bytes, from) => datagrams.send(bytes, from.port, from.address));
datagrams.bind(${services.datagrams}, '127.0.0.1', () => require('node:fs').writeFileSync('/ready', ''));
`;

export function missingProgramToTest(): Missing {
  return existsSync(program) ? undefined : `no ${program}: npm run build`;
}

export type Forwarded = {
  /** Ports of 127.0.0.1 on the host. */
  readonly ports: Readonly<Record<Service, number>>;
  readonly supervisor: number;
  /** Does something as root of the container's network. */
  readonly inNetwork: (...words: readonly string[]) => Promise<void>;
  /** The forwarder's pid now; undefined while there is none. */
  readonly forwarder: () => number | undefined;
  /** How many of the processes it started with still run. */
  readonly survivors: () => number;
};

/** Runs until the test ends. */
export async function startForwarded(t: Pick<ExecutionContext<unknown>, 'teardown'>): Promise<Forwarded> {
  const directory = temporaryDirectory(t);
  const tree = join(directory, 'tree');
  makeTree(tree);
  mkdirSync(join(directory, 'c'), { mode: 0o700 });
  const ports = {
    digest: await freePort(),
    echo: await freePort(),
    reset: await freePort(),
    nothing: await freePort(),
    datagrams: await freeDatagramPort(),
    late: await freePort(),
  };
  const plan = join(directory, 'plan');
  writeFileSync(plan, encodePlan(records(join(directory, 'c'), tree, ports)));
  const descriptor = openSync(plan, 'r');
  const child = spawn(program, ['run'], { stdio: ['ignore', 'ignore', 'pipe', descriptor, 'ignore'] });
  closeSync(descriptor);
  let said = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  await once(child, 'exit');
  const live = join(directory, 'c', 'live');
  if (!existsSync(live)) throw new Error(`start container: ${said}`);
  const { sv: supervisor }: { sv: number } = JSON.parse(readFileSync(live, 'utf8'));
  const family = familyOf(supervisor);
  const alive = (): number => survivors(family).length;
  t.teardown(async () => {
    if (alive() > 0) process.kill(supervisor, 'SIGKILL');
    await until('the container is gone', () => alive() === 0);
  });
  await until('the services listen', () => existsSync(join(tree, 'ready')), 30_000);
  return {
    ports,
    supervisor,
    inNetwork: (...words) => inNetworkOf(supervisor, words),
    forwarder: () => forwarderOf(supervisor),
    survivors: alive,
  };
}

async function inNetworkOf(supervisor: number, words: readonly string[]): Promise<void> {
  const service = familyOf(supervisor).find(({ pid }) => argumentsOf(pid).includes('/service.cjs'))?.pid;
  const enter = ['--preserve-credentials', '--user', '--net', '--target', `${service}`];
  const { code, stderr } = await runProgram('nsenter', [...enter, ...words]);
  if (code !== 0) throw new Error(`${words.join(' ')}: ${stderr}`);
}

/** The host's programs, read-only, below a root of our own. */
function makeTree(tree: string): void {
  for (const name of ['usr', 'proc', 'dev', 'etc', 'tmp']) mkdirSync(join(tree, name), { recursive: true });
  for (const name of readdirSync('/').filter((entry) => /^(bin|lib\d*)$/.test(entry))) {
    symlinkSync(`usr/${name}`, join(tree, name));
  }
  writeFileSync(join(tree, 'service.cjs'), source);
}

function records(
  directory: string,
  tree: string,
  ports: Readonly<Record<Service, number>>,
): readonly PlanRecord[] {
  const [uid, gid] = [`${process.getuid?.()}`, `${process.getgid?.()}`];
  const node = dirname(dirname(process.execPath));
  const published = Object.entries(services).map(([name, port]): PlanRecord => {
    const protocol = name === 'datagrams' ? 'udp' : 'tcp';
    const address = name === 'late' ? lateAddress : '127.0.0.1';
    return ['publish', protocol, '127.0.0.1', `${ports[name as Service]}`, address, `${port}`];
  });
  return [
    ['id', '0'.repeat(64)],
    ['mode', 'detach'],
    ['dir', directory],
    ['socket', join(directory, 's')],
    ['idmap', 'single'],
    ['uidmap', '0', uid, '1'],
    ['gidmap', '0', gid, '1'],
    ['root', 'dir'],
    ['rootdir', tree],
    ['mount', 'proc', 'proc', '/proc', 'nosuid,nodev,noexec'],
    ['mount', 'dev', 'dev', '/dev', 'nosuid,noexec'],
    ['mount', 'bind', '/usr', '/usr', 'ro,rec,nosuid,nodev'],
    ...(node === '/usr' ? [] : [['mount', 'bind', node, node, 'ro,rec,nosuid,nodev'] satisfies PlanRecord]),
    ...published,
    ['cwd', '/'],
    ['env', 'PATH=/usr/bin'],
    ['arg', process.execPath],
    ['arg', '/service.cjs'],
  ];
}

async function freeDatagramPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

function forwarderOf(supervisor: number): number | undefined {
  return familyOf(supervisor).find(({ pid }) => nameOf(pid) === 'coracle-forward')?.pid;
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return ''; // it has ended
  }
}
