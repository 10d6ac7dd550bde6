import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { testWith } from '../helpers/declare.js';
import { missingProgram, temporaryDirectory } from '../helpers/host.js';
import { makeCertificate } from '../helpers/registry.js';
import { client } from './hostile-fixtures.js';

testWith(
  [missingProgram('openssl')],
  'certs.d has the authority and the client certificate of a registry, --cert-dir replaces it',
  async (t) => {
    const directory = temporaryDirectory(t);
    const [cert, key] = [join(directory, 'ca.crt'), join(directory, 'key.pem')];
    makeCertificate(cert, key);
    const seen: string[] = [];
    const options = {
      cert: readFileSync(cert),
      key: readFileSync(key),
      requestCert: true,
      rejectUnauthorized: true,
      ca: readFileSync(cert),
    };
    const server = createServer(options, (request, response) => {
      const { subject } = (request.socket as TLSSocket).getPeerCertificate();
      seen.push(String(subject?.CN));
      response.end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => {
      server.closeAllConnections();
      server.close();
    });
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const env = { XDG_CONFIG_HOME: join(directory, 'config') };
    const certs = join(env.XDG_CONFIG_HOME, 'containers', 'certs.d', host);
    mkdirSync(certs, { recursive: true });
    await t.throwsAsync(client(t, host, { env, tlsVerify: true }).ping(), { message: /not trusted/ });
    writeFileSync(join(certs, 'ca.crt'), readFileSync(cert));
    await t.throwsAsync(client(t, host, { env, tlsVerify: true }).ping(), { code: 'NETWORK' });
    const request = join(directory, 'client.csr');
    const run = (...args: readonly string[]) => t.is(spawnSync('openssl', args).status, 0, args.join(' '));
    run(
      'req',
      '-new',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      '/CN=captain',
      '-keyout',
      join(certs, 'me.key'),
      '-out',
      request,
    );
    run(
      'x509',
      '-req',
      '-in',
      request,
      '-CA',
      cert,
      '-CAkey',
      key,
      '-CAcreateserial',
      '-days',
      '1',
      '-out',
      join(certs, 'me.cert'),
    );
    await client(t, host, { env, tlsVerify: true }).ping();
    t.deepEqual(seen, ['captain']);
    const empty = join(directory, 'empty');
    mkdirSync(empty);
    await t.throwsAsync(client(t, host, { env, tlsVerify: true, certDir: empty }).ping(), {
      message: /not trusted/,
    });
    await client(t, host, { env: {}, tlsVerify: true, certDir: certs }).ping();
    await t.throwsAsync(client(t, host, { env, tlsVerify: true, certDir: join(directory, 'none') }).ping(), {
      code: 'NOT_FOUND',
    });
    writeFileSync(join(empty, 'lonely.cert'), 'x');
    await t.throwsAsync(client(t, host, { env, tlsVerify: true, certDir: empty }).ping(), {
      message: /no lonely\.key beside it/,
    });
  },
);
