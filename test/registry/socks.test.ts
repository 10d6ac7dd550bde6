/** Registries behind SOCKS 5 proxies, and plain HTTP through proxies that speak TLS. */
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createRegistryClient, type RegistryOptions } from '../../lib/registry/client.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram, temporaryDirectory } from '../helpers/host.js';
import { makeCertificate } from '../helpers/registry.js';
import { startHostile } from './hostile-server.js';

type Proxy = { readonly host: string; readonly asked: string[] };

/** A proxy that leads everywhere to one port of this machine; with a password for `u` alone. */
async function startSocks(t: ExecutionContext<unknown>, port: number, password?: string): Promise<Proxy> {
  const asked: string[] = [];
  const serve = async (socket: Socket): Promise<void> => {
    const chunks = socket.iterator({ destroyOnReturn: false });
    const next = async (): Promise<Buffer> => (await chunks.next()).value ?? Buffer.alloc(0);
    const offered = (await next()).subarray(2);
    const wanted = password === undefined ? 0 : 2;
    if (!offered.includes(wanted)) return void socket.end(Buffer.from([5, 0xff]));
    socket.write(Buffer.from([5, wanted]));
    if (password !== undefined) {
      const given = await next();
      const right = Buffer.concat([Buffer.from([1, 1]), Buffer.from('u'), Buffer.from([password.length])]);
      const isRight = given.equals(Buffer.concat([right, Buffer.from(password)]));
      socket.write(Buffer.from([1, isRight ? 0 : 1]));
      if (!isRight) return void socket.end();
    }
    const request = await next();
    const name =
      request[3] === 3 ? request.subarray(5, 5 + (request[4] ?? 0)).toString() : request.toString('hex');
    asked.push(`${name}:${request.readUInt16BE(request.length - 2)}`);
    if (name === 'refused.example.org') return void socket.end(Buffer.from([5, 5, 0, 1, 0, 0, 0, 0, 0, 0]));
    const upstream = connect(port, '127.0.0.1');
    for (const end of [socket, upstream]) end.on('error', () => end.destroy());
    socket.on('close', () => upstream.destroy());
    await chunks.return?.();
    // in pieces, as a network may give it
    socket.write(Buffer.from([5, 0, 0]));
    setTimeout(() => {
      socket.write(Buffer.from([1, 127, 0, 0, 1, 0, 80]));
      upstream.pipe(socket).pipe(upstream);
    }, 20);
  };
  const server = createServer((socket) => {
    serve(socket).catch(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

async function ping(registry: string, options: Partial<RegistryOptions>): Promise<void> {
  const client = createRegistryClient({ registry, retry: { retries: 0 }, ...options });
  await client.ping().finally(() => client.close());
}

test('plain HTTP goes through a SOCKS proxy by name and by address', async (t) => {
  const registry = await startHostile(t, (_asked, response) => response.writeHead(200).end());
  const proxy = await startSocks(t, registry.port);
  const env = { HTTP_PROXY: `socks5://${proxy.host}`, HTTPS_PROXY: `socks5h://${proxy.host}` };
  await ping('registry.invalid:5000', { env, tlsVerify: false });
  await ping('10.9.8.7:5000', { env, tlsVerify: false });
  await ping('[fd00::1:2]:5000', { env, tlsVerify: false });
  const six = 'fd000000000000000000000000010002';
  t.deepEqual(
    [...new Set(proxy.asked)],
    ['registry.invalid:5000', '05010001' + '0a090807' + '1388:5000', `05010004${six}1388:5000`],
  );
  t.true(registry.asked.every(({ path }) => path === '/v2/'));
});

testWith([missingProgram('openssl')], 'https goes through a SOCKS proxy with a password', async (t) => {
  const directory = temporaryDirectory(t);
  const [cert, key] = [join(directory, 'ca.crt'), join(directory, 'key')];
  makeCertificate(cert, key, 'registry.example.org');
  const tls = { cert: readFileSync(cert), key: readFileSync(key) };
  const registry = await startHostile(t, (_asked, response) => response.writeHead(200).end(), { tls });
  const proxy = await startSocks(t, registry.port, 'p@ss');
  const options = (user: string) => ({
    certDir: directory,
    env: { HTTPS_PROXY: `socks5://${user}${proxy.host}` },
  });
  await ping('registry.example.org', options('u:p%40ss@'));
  t.deepEqual(proxy.asked, ['registry.example.org:443']);
  const fails = async (name: string, user: string, message: RegExp): Promise<void> => {
    await t.throwsAsync(ping(name, options(user)), { code: 'NETWORK', message });
  };
  await fails('registry.example.org', 'u:wrong@', /wrong user name or password/);
  await fails('registry.example.org', '', /another authentication/);
  await fails('refused.example.org', 'u:p%40ss@', /the connection was refused/);
});

testWith(
  [missingProgram('openssl')],
  'plain HTTP goes to a proxy that speaks TLS in absolute form',
  async (t) => {
    const directory = temporaryDirectory(t);
    const [cert, key] = [join(directory, 'ca.crt'), join(directory, 'key')];
    makeCertificate(cert, key);
    const tls = { cert: readFileSync(cert), key: readFileSync(key) };
    const proxy = await startHostile(t, (_asked, response) => response.writeHead(200).end(), { tls });
    const env = { HTTP_PROXY: `https://u:p@${proxy.host}` };
    // a registry without https, behind a proxy whose certificate nobody vouches for
    await t.throwsAsync(ping('registry.invalid:5000', { env, tlsVerify: false }), {
      code: 'NETWORK',
      message: /not trusted/,
    });
    await ping('registry.invalid:5000', { env: { ...env, SSL_CERT_FILE: cert }, tlsVerify: false });
    t.is(proxy.asked[0]?.path, 'http://registry.invalid:5000/v2/');
    t.truthy(proxy.asked[0]?.headers['proxy-authorization']);
  },
);
