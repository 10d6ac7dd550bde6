/** Connections below HTTP: direct, or through a proxy; and the question whether a server speaks TLS. */
import type { Socket } from 'node:net';
import { CoracleError } from '../errors.js';
import { TransientError } from './errors.js';
import { type Environment, isSocks, proxyAuthorization } from './proxy.js';
import { proxyTrust } from './tls.js';

/** Where a connection goes. */
export type Target = {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  readonly proxy: URL | undefined;
  /** For the certificates of a proxy that speaks TLS. */
  readonly env: Environment;
  /** Milliseconds until the connection must stand. */
  readonly timeout: number;
  readonly signal?: AbortSignal | undefined;
};

/** A connected TCP socket to the target. */
export async function openSocket(target: Target): Promise<Socket> {
  const { proxy } = target;
  if (proxy === undefined) return openDirect(target);
  return isSocks(proxy) ? openSocks(target, proxy) : openTunnel(target, proxy);
}

async function openSocks(target: Target, proxy: URL): Promise<Socket> {
  const { host, port, timeout, signal } = target;
  const { connectSocks } = await import('./socks.js');
  const name = proxy.hostname.replace(/^\[|\]$/g, '');
  const socket = await openDirect({ host: name, port: Number(proxy.port || 1080), timeout, signal });
  const timer = setTimeout(() => socket.destroy(lateConnection(host, timeout)), timeout);
  try {
    await connectSocks(socket, { host, port, proxy });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function openDirect({ host, port, timeout, signal }: Omit<Target, 'proxy' | 'env'>): Promise<Socket> {
  const { connect } = await import('node:net');
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, ...(signal === undefined ? {} : { signal }) });
    const timer = setTimeout(() => socket.destroy(lateConnection(host, timeout)), timeout);
    socket.once('close', () => clearTimeout(timer));
    socket.once('error', reject);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

async function openTunnel({ host, port, timeout, signal, env }: Target, proxy: URL): Promise<Socket> {
  const trust = proxy.protocol === 'https:' ? await proxyTrust(proxy, env) : {};
  const { request } = proxy.protocol === 'https:' ? await import('node:https') : await import('node:http');
  const authority = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve, reject) => {
    const ask = request({
      host: proxy.hostname.replace(/^\[|\]$/g, ''),
      port: proxy.port === '' ? (proxy.protocol === 'https:' ? 443 : 80) : Number(proxy.port),
      method: 'CONNECT',
      path: authority,
      headers: { host: authority, ...proxyAuthorization(proxy) },
      agent: false,
      ...trust,
      ...(signal === undefined ? {} : { signal }),
    });
    const timer = setTimeout(() => ask.destroy(lateConnection(proxy.host, timeout)), timeout);
    ask.once('close', () => clearTimeout(timer));
    ask.once('error', reject);
    ask.once('connect', (response, socket, head) => {
      clearTimeout(timer);
      if (response.statusCode === 200) {
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
        return;
      }
      socket.destroy();
      reject(refusedTunnel(proxy, authority, response.statusCode));
    });
    ask.once('response', (response) => {
      response.destroy();
      reject(refusedTunnel(proxy, authority, response.statusCode));
    });
    ask.end();
  });
}

function refusedTunnel(proxy: URL, authority: string, status: number | undefined): CoracleError {
  return new CoracleError(
    'NETWORK',
    `connect to ${authority}: the proxy ${proxy.host} answered status ${status}`,
    {
      hint: 'check HTTPS_PROXY and its credentials, or add the registry to NO_PROXY',
    },
  );
}

/** The error for a connection that did not stand in time. */
export function lateConnection(host: string, timeout: number): TransientError {
  return new TransientError('NETWORK', `connect to ${host}: no answer within ${timeout / 1000} s`);
}

/**
 * Whether the server at the target finishes a TLS handshake, its certificate unseen: nothing is sent to it and
 * nothing is trusted. A connection that cannot be made at all is thrown.
 */
export async function speaksTls(target: Target): Promise<boolean> {
  const socket = await openSocket(target);
  const { connect } = await import('node:tls');
  return new Promise((resolve) => {
    const secure = connect({ socket, rejectUnauthorized: false, ca: [] });
    const answer = (result: boolean) => (): void => {
      clearTimeout(timer);
      secure.destroy();
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(answer(false), target.timeout);
    secure.once('secureConnect', answer(true));
    secure.once('error', answer(false));
    secure.once('close', answer(false));
  });
}
