/** The options of all commands that talk to a registry. */
import { CoracleError, parseDuration, type RegistryAccess } from '../../lib/index.js';
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

export const retryDelayOption = {
  name: 'retry-delay',
  kind: 'string',
  value: 'DURATION',
  summary: 'Wait before the first repetition, such as 500ms; a bare number is seconds',
} as const satisfies OptionSpec;

export const retryOptions = [
  { name: 'retry', kind: 'number', value: 'N', summary: 'Attempts after the first' },
  retryDelayOption,
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
  const { creds, authfile } = values;
  return {
    ...(values['tls-verify'] === undefined ? {} : { tlsVerify: values['tls-verify'] }),
    ...(creds === undefined ? {} : { creds }),
    ...(authfile === undefined ? {} : { authfile }),
    ...(values['cert-dir'] === undefined ? {} : { certDir: values['cert-dir'] }),
    ...retryAccess(values.retry, values['retry-delay']),
    ...(values['signature-policy'] === undefined ? {} : { signaturePolicy: values['signature-policy'] }),
    chooseName,
  };
}

/** How often, and after what delay, something is tried again. @throws USAGE */
export function retryAccess(
  retry: number | undefined,
  delayText: string | undefined,
): Pick<RegistryAccess, 'retry' | 'retryDelay'> {
  requireCount(retry);
  const delay = readDelay(delayText);
  return {
    ...(retry === undefined ? {} : { retry }),
    ...(delay === undefined ? {} : { retryDelay: delay }),
  };
}

function requireCount(retry: number | undefined): void {
  if (retry === undefined || (Number.isSafeInteger(retry) && retry >= 0)) return;
  throw new CoracleError('USAGE', `invalid argument "${retry}" for --retry: a number from 0 on`);
}

/** Milliseconds. */
function readDelay(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const nanoseconds = parseDuration(/^\d{1,6}$/.test(text) ? `${text}s` : text);
  if (nanoseconds !== undefined && nanoseconds >= 0) return nanoseconds / 1e6;
  throw new CoracleError('USAGE', `invalid argument "${text}" for --retry-delay: a duration such as 5s`);
}

/** Asks at the terminal, where there is one; only a name that several registries may have comes to this. */
async function chooseName(text: string, candidates: readonly string[]): Promise<string | undefined> {
  const { choose } = await import('../terminal/choose.js');
  return choose(`${text} may be any of these images:`, candidates);
}
