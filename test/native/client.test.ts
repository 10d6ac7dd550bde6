import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { spawn as spawnTerminal } from 'node-pty';
import { encodePlan, type PlanRecord } from '../../lib/native/plan.js';
import { repositoryRoot, temporaryDirectory } from '../helpers/host.js';

const program = join(repositoryRoot(), 'dist/native/coracle-sv');
const clientTest = existsSync(program) ? test : test.skip;

type Received = { readonly type: number; readonly payload: Buffer };

/** Plays S: one client, its frames as they come, frames to it as the test wants them. */
class FakeSupervisor {
  readonly frames: Received[] = [];
  #socket: Socket | undefined;
  #buffer = Buffer.alloc(0);
  #wake: (() => void)[] = [];

  static async listen(
    t: ExecutionContext<unknown>,
  ): Promise<{ path: string; plan: string; supervisor: FakeSupervisor }> {
    const directory = temporaryDirectory(t);
    const supervisor = new FakeSupervisor();
    const server = createServer((socket) => supervisor.#accept(socket));
    const path = join(directory, 's');
    server.listen(path);
    await once(server, 'listening');
    t.teardown(() => {
      supervisor.#socket?.destroy();
      server.close();
    });
    return { path, plan: join(directory, 'plan'), supervisor };
  }

  #accept(socket: Socket): void {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      this.#buffer = Buffer.concat([this.#buffer, bytes]);
      for (;;) {
        const length = this.#buffer.length < 8 ? Infinity : 8 + this.#buffer.readUInt32BE(4);
        if (this.#buffer.length < length) break;
        this.frames.push({ type: this.#buffer.readUInt8(0), payload: this.#buffer.subarray(8, length) });
        this.#buffer = this.#buffer.subarray(length);
      }
      for (const wake of this.#wake.splice(0)) wake();
    });
  }

  async frame(type: number, matches: (payload: Buffer) => boolean = () => true): Promise<Buffer> {
    for (;;) {
      const found = this.frames.find((frame) => frame.type === type && matches(frame.payload));
      if (found !== undefined) return found.payload;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** All that came as standard input. */
  get input(): string {
    return Buffer.concat(
      this.frames.filter((frame) => frame.type === 0).map((frame) => frame.payload),
    ).toString();
  }

  send(type: number, payload: string | Uint8Array = ''): void {
    const bytes = Buffer.from(payload);
    const header = Buffer.alloc(8);
    header.writeUInt8(type);
    header.writeUInt32BE(bytes.length, 4);
    this.#socket?.write(Buffer.concat([header, bytes]));
  }

  exit(code: number): void {
    this.send(33, JSON.stringify({ v: 1, code, signal: 0, error: '' }));
  }

  vanish(): void {
    this.#socket?.destroy();
  }
}

type Piped = {
  readonly child: ChildProcess;
  readonly supervisor: FakeSupervisor;
  readonly output: () => Promise<{ out: string; err: string; code: number | null }>;
};

async function attachPipes(t: ExecutionContext<unknown>, ...options: readonly PlanRecord[]): Promise<Piped> {
  const { path, plan, supervisor } = await FakeSupervisor.listen(t);
  writeFileSync(plan, encodePlan([['socket', path], ...options]));
  const child = spawn(program, ['attach'], { stdio: ['pipe', 'pipe', 'pipe', openSync(plan, 'r')] });
  t.teardown(() => child.kill('SIGKILL'));
  let [out, err] = ['', ''];
  child.stdout?.on('data', (bytes: Buffer) => {
    out += bytes.toString();
  });
  child.stderr?.on('data', (bytes: Buffer) => {
    err += bytes.toString();
  });
  await supervisor.frame(16);
  const output = async () => {
    const [code] = await once(child, 'close');
    return { out, err, code };
  };
  return { child, supervisor, output };
}

/** The client in a shell on a terminal, so that the state it leaves the terminal in can be seen. */
async function attachTerminal(t: ExecutionContext<unknown>, ...options: readonly PlanRecord[]) {
  const { path, plan, supervisor } = await FakeSupervisor.listen(t);
  writeFileSync(plan, encodePlan([['socket', path], ['tty', '24', '80'], ['stdin', 'open'], ...options]));
  const script = `${program} attach 3<${plan}; echo "code $?"; stty -a | grep -ow -- '-*icanon'; echo end`;
  const terminal = spawnTerminal('sh', ['-c', script], { rows: 30, cols: 100 });
  t.teardown(() => terminal.kill('SIGKILL'));
  let shown = '';
  let wake = (): void => undefined;
  terminal.onData((text) => {
    shown += text;
    wake();
  });
  const end = async (): Promise<string> => {
    while (!shown.includes('end')) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return shown.replaceAll('\r', '');
  };
  await supervisor.frame(17);
  return { terminal, supervisor, end, client: async () => Number((await supervisor.frame(16))[0]) };
}

clientTest(
  'output goes to its stream, input to the process, and the exit code is the container’s',
  async (t) => {
    const { child, supervisor, output } = await attachPipes(t, ['stdin', 'open']);
    const ended = output();
    child.stdin?.end('typed');
    await supervisor.frame(4);
    t.is(supervisor.input, 'typed');
    t.deepEqual(await supervisor.frame(16), Buffer.of(2));
    const long = 'x'.repeat(65_536);
    supervisor.send(1, 'out ');
    supervisor.send(2, 'err');
    supervisor.send(77, 'unknown');
    for (let count = 0; count < 40; count++) supervisor.send(1, long);
    supervisor.send(32, 'state=running\n');
    supervisor.exit(42);
    t.deepEqual(await ended, { out: `out ${long.repeat(40)}`, err: 'err', code: 42 });
  },
);

clientTest('without -i standard input is left alone', async (t) => {
  const { supervisor, output } = await attachPipes(t);
  t.deepEqual(await supervisor.frame(16), Buffer.of(1));
  supervisor.exit(0);
  t.is((await output()).code, 0);
  t.is(supervisor.input, '');
});

clientTest('signals go to the process with sig-proxy, and end the client without', async (t) => {
  const proxied = await attachPipes(t, ['sig-proxy']);
  await proxied.supervisor.frame(17);
  for (const [name, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
    ['SIGUSR1', 10],
  ] as const) {
    proxied.child.kill(name);
    await proxied.supervisor.frame(6, (payload) => payload.readUInt32BE() === number);
  }
  const ended = proxied.output();
  proxied.supervisor.exit(130);
  t.is((await ended).code, 130);
  const plain = await attachPipes(t);
  await plain.supervisor.frame(17);
  const killed = plain.output();
  plain.child.kill('SIGTERM');
  t.is((await killed).code, 143);
});

clientTest('a failed start and a lost supervisor are told in words', async (t) => {
  const failing = await attachPipes(t);
  const failed = failing.output();
  failing.supervisor.send(
    34,
    Buffer.concat([Buffer.of(0, 0, 0, 2), Buffer.from('execute /nope: No such file or directory')]),
  );
  failing.supervisor.exit(127);
  t.deepEqual(await failed, {
    out: '',
    err: 'coracle: execute /nope: No such file or directory\n',
    code: 127,
  });
  const lost = await attachPipes(t);
  const ended = lost.output();
  lost.supervisor.send(1, 'last words');
  lost.supervisor.vanish();
  t.deepEqual(await ended, {
    out: 'last words',
    err: 'coracle: follow container: its supervisor is gone\n',
    code: 125,
  });
});

clientTest('a closed standard output ends the client as it would end a program', async (t) => {
  const { child, supervisor, output } = await attachPipes(t);
  const ended = output();
  const closed = child.stdout === null ? undefined : once(child.stdout, 'close');
  child.stdout?.destroy();
  await closed;
  // Again and again: what is written before the other side has really gone is taken.
  const words = setInterval(() => supervisor.send(1, 'for nobody'), 20);
  t.teardown(() => clearInterval(words));
  // Its word to us may be lost with what it left unread; its end is not.
  t.is((await ended).code, 141);
});

clientTest('a frame that is too long is refused', async (t) => {
  const { supervisor, output } = await attachPipes(t);
  const ended = output();
  supervisor.send(1, Buffer.alloc(70_000));
  t.is((await ended).code, 125);
});

clientTest('a terminal is raw while attached, follows resizes, and is as before afterwards', async (t) => {
  const { terminal, supervisor, end } = await attachTerminal(t);
  t.deepEqual(await supervisor.frame(5), Buffer.of(0, 30, 0, 100));
  terminal.resize(120, 40);
  await supervisor.frame(5, (payload) => payload.equals(Buffer.of(0, 40, 0, 120)));
  terminal.write('ls\x03\x04\r');
  await supervisor.frame(0, () => supervisor.input === 'ls\x03\x04\r');
  supervisor.send(1, 'hello\r\n');
  supervisor.exit(3);
  t.is(await end(), 'hello\ncode 3\nicanon\nend\n');
});

clientTest(
  'the detach keys leave the process running; what only begins like them is passed on',
  async (t) => {
    const { terminal, supervisor, end } = await attachTerminal(t, ['detach-keys', '1011']);
    terminal.write('a\x10b\x10\x10c');
    await supervisor.frame(0, () => supervisor.input === 'a\x10b\x10\x10c');
    terminal.write('\x10');
    terminal.write('\x11ignored');
    await supervisor.frame(7);
    t.regex(await end(), /code 0\nicanon\nend/);
    t.is(supervisor.input, 'a\x10b\x10\x10c');
  },
);

clientTest('whatever ends the client, the terminal comes back', async (t) => {
  const lost = await attachTerminal(t);
  lost.supervisor.vanish();
  t.regex(await lost.end(), /supervisor is gone\ncode 125\nicanon\nend/);
});
