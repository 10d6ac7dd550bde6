/** Connections through a SOCKS 5 proxy, which resolves the names itself. RFC 1928, and RFC 1929 for its password. */
import { isIP, type Socket } from 'node:net';
import { CoracleError } from '../errors.js';

const version = 5;
const methods = { none: 0, password: 2 } as const;
/** Bytes of an address by its type; that of a name is the first of its bytes. */
const addressBytes: Readonly<Record<number, number>> = { 1: 4, 4: 16 };
const reasons: Readonly<Record<number, string>> = {
  1: 'it failed',
  2: 'it does not allow that',
  3: 'the network is unreachable',
  4: 'the host is unreachable',
  5: 'the connection was refused',
  6: 'it took too long',
};

export type SocksTarget = { readonly host: string; readonly port: number; readonly proxy: URL };

/** Has the proxy at the other end of a socket connect it to a host. @throws NETWORK where it does not */
export async function connectSocks(socket: Socket, { host, port, proxy }: SocksTarget): Promise<void> {
  const fail = (reason: string): CoracleError =>
    new CoracleError('NETWORK', `connect to ${host}:${port}: the proxy ${proxy.host}: ${reason}`, {
      hint: 'check HTTPS_PROXY and its credentials, or add the registry to NO_PROXY',
    });
  const input = new Input(socket, () => fail('it closed the connection'));
  try {
    await authenticate(socket, input, proxy, fail);
    socket.write(requestOf(host, port));
    const [, status = 1, , type = 1] = await input.take(4);
    if (status !== 0) throw fail(reasons[status] ?? `status ${status}`);
    const length = addressBytes[type] ?? (await input.take(1))[0] ?? 0;
    await input.take(length + 2);
  } finally {
    input.close();
  }
}

async function authenticate(
  socket: Socket,
  input: Input,
  proxy: URL,
  fail: (reason: string) => CoracleError,
): Promise<void> {
  const hasPassword = proxy.username !== '';
  const offered = hasPassword ? [methods.none, methods.password] : [methods.none];
  socket.write(Buffer.from([version, offered.length, ...offered]));
  const [spoken, method] = await input.take(2);
  if (spoken !== version) throw fail('it does not speak SOCKS 5');
  if (method === methods.none) return;
  if (method !== methods.password || !hasPassword) throw fail('it wants another authentication');
  const parts = [proxy.username, proxy.password].map((text) => Buffer.from(decodeURIComponent(text)));
  if (parts.some(({ length }) => length > 255)) throw fail('its user name or password is too long');
  socket.write(
    Buffer.concat([Buffer.from([1]), ...parts.flatMap((part) => [Buffer.from([part.length]), part])]),
  );
  const [, status] = await input.take(2);
  if (status !== 0) throw fail('wrong user name or password');
}

/** Names stay names: the proxy is the one that knows what they mean. */
function requestOf(host: string, port: number): Buffer {
  const head = [version, 1, 0];
  const end = Buffer.alloc(2);
  end.writeUInt16BE(port);
  const four = Buffer.from([...head, 1, ...host.split('.').map(Number)]);
  if (isIP(host) === 4) return Buffer.concat([four, end]);
  if (isIP(host) === 6) return Buffer.concat([Buffer.from([...head, 4]), bytesOf6(host), end]);
  const name = Buffer.from(host).subarray(0, 255);
  return Buffer.concat([Buffer.from([...head, 3, name.length]), name, end]);
}

/** An address as URLs have it: groups in hexadecimal, the longest zeros left out. */
function bytesOf6(host: string): Buffer {
  const [head = [], tail = []] = host
    .split('::')
    .map((part) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))));
  const zeros = Array<number>(8 - head.length - tail.length).fill(0);
  return Buffer.from([...head, ...zeros, ...tail].flatMap((group) => [group >> 8, group & 0xff]));
}

/** Exact numbers of bytes of a socket; what comes beyond them stays in it. */
class Input {
  readonly #socket: Socket;
  readonly #ended: () => CoracleError;
  #wake: () => void = () => undefined;
  #failure: Error | undefined;
  readonly #onReadable = (): void => this.#wake();
  readonly #onEnd = (): void => this.#fail(this.#ended());
  readonly #onError = (error: Error): void => this.#fail(error);

  constructor(socket: Socket, ended: () => CoracleError) {
    this.#socket = socket;
    this.#ended = ended;
    socket.on('readable', this.#onReadable);
    socket.on('close', this.#onEnd);
    socket.on('error', this.#onError);
  }

  async take(length: number): Promise<Buffer> {
    for (;;) {
      const bytes: unknown = this.#socket.read(length);
      if (bytes instanceof Buffer && bytes.length === length) return bytes;
      if (this.#socket.readableEnded) throw this.#ended();
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#socket.off('readable', this.#onReadable);
    this.#socket.off('close', this.#onEnd);
    this.#socket.off('error', this.#onError);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }
}
