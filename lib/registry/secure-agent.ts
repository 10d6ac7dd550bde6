/** The https agent of a client: its certificates read once, its connections through a proxy's CONNECT where one applies. */
import type { Agent } from 'node:https';
import { proxyFor } from './proxy.js';
import { readTlsMaterial, secureContext } from './tls.js';
import type { TransportOptions } from './transport.js';
import { openSocket } from './tunnel.js';

/** An agent that keeps connections alive. Reads certificates now; throws IO, NOT_FOUND or INVALID for bad ones. */
export async function makeSecureAgent(options: TransportOptions): Promise<Agent> {
  const { env, timeouts, signal } = options;
  const context = await secureContext(readTlsMaterial(options.tls));
  const { Agent } = await import('node:https');
  const { connect } = await import('node:tls');
  const trust = {
    rejectUnauthorized: options.verifyCertificates,
    ...(context === undefined ? {} : { secureContext: context }),
  };
  const agent = new Agent({ keepAlive: true, ...trust });
  const direct = agent.createConnection.bind(agent);
  agent.createConnection = (request, callback) => {
    const host = String(request.host ?? '');
    const port = Number(request.port ?? 443);
    const proxy = proxyFor(new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}/`), env);
    if (proxy === undefined) return direct(request, callback);
    const { servername } = request;
    openSocket({ host, port, proxy, env, timeout: timeouts.connect, signal })
      .then((socket) => {
        const name = servername === undefined ? {} : { servername };
        callback?.(null, connect({ socket, host, ...name, ...trust }));
      })
      .catch((error: unknown) => refuse(callback, error));
    return undefined;
  };
  return agent;
}

/** Node calls back with an error alone, which its type declaration does not provide for. */
export function refuse(callback: unknown, error: unknown): void {
  if (typeof callback === 'function') callback(error);
}
