/** The options of all commands that talk to a registry. */
import type { RegistryAccess } from '../../lib/index.js';
import type { OptionSpec, Values } from '../command.js';

export const registryOptions = [
  {
    name: 'tls-verify',
    kind: 'toggle',
    summary: 'Demand https with a valid certificate (default: except for loopback hosts)',
  },
  { name: 'creds', kind: 'string', value: 'USER[:PASSWORD]', summary: 'Credentials for this call alone' },
  { name: 'authfile', kind: 'string', value: 'FILE', summary: 'File with credentials' },
  {
    name: 'cert-dir',
    kind: 'string',
    value: 'DIR',
    summary: 'Directory with *.crt authorities, NAME.cert and NAME.key',
  },
] as const satisfies readonly OptionSpec[];

export const retryOptions = [
  { name: 'retry', kind: 'number', value: 'N', summary: 'Attempts after the first' },
  { name: 'retry-delay', kind: 'number', value: 'SECONDS', summary: 'Wait before the first repetition' },
] as const satisfies readonly OptionSpec[];

/** The policy that images have to fulfil before they are used. */
export const trustOptions = [
  {
    name: 'signature-policy',
    kind: 'string',
    value: 'FILE',
    summary: "A policy.json instead of the user's or the host's",
    completes: 'files',
  },
] as const satisfies readonly OptionSpec[];

/** What the library takes. */
export function registryAccess(
  values: Values<typeof registryOptions> &
    Partial<Values<typeof retryOptions>> &
    Partial<Values<typeof trustOptions>>,
): RegistryAccess {
  const { creds, authfile, retry } = values;
  const delay = values['retry-delay'];
  return {
    ...(values['tls-verify'] === undefined ? {} : { tlsVerify: values['tls-verify'] }),
    ...(creds === undefined ? {} : { creds }),
    ...(authfile === undefined ? {} : { authfile }),
    ...(values['cert-dir'] === undefined ? {} : { certDir: values['cert-dir'] }),
    ...(retry === undefined ? {} : { retry }),
    ...(delay === undefined ? {} : { retryDelay: delay * 1000 }),
    ...(values['signature-policy'] === undefined ? {} : { signaturePolicy: values['signature-policy'] }),
    chooseName,
  };
}

/** Asks at the terminal, where there is one; only a name that several registries may have comes to this. */
async function chooseName(text: string, candidates: readonly string[]): Promise<string | undefined> {
  const { choose } = await import('../terminal/choose.js');
  return choose(`${text} may be any of these images:`, candidates);
}
