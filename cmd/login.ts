/** `coracle login`. */
import { isatty } from 'node:tty';
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { printLine, readInput } from './terminal/output.js';
import { askLine, askSecret } from './terminal/prompt.js';

export const command = defineCommand({
  name: 'login',
  summary: 'Log in to a registry',
  operands: '[REGISTRY[/NAMESPACE]]',
  count: [0, 1],
  examples: [
    ['coracle login registry.example.com', 'Asks for name and password'],
    ['coracle login registry.example.com/team', 'For what is below team alone'],
    [
      'pass show registry | coracle login -u captain --password-stdin registry.example.com',
      'From a password store',
    ],
  ],
  options: [
    { name: 'username', short: 'u', kind: 'string', value: 'NAME', summary: 'User name' },
    {
      name: 'password',
      short: 'p',
      kind: 'string',
      value: 'PASSWORD',
      summary: 'Password; others on this machine can see it: better --password-stdin',
    },
    { name: 'password-stdin', kind: 'switch', summary: 'Read the password from standard input' },
    { name: 'get-login', kind: 'switch', summary: 'Print the user name that is logged in' },
    {
      name: 'tls-verify',
      kind: 'toggle',
      summary: 'Demand https with a valid certificate (default: except for loopback hosts)',
    },
    { name: 'authfile', kind: 'string', value: 'FILE', summary: 'File to keep the credentials in' },
    {
      name: 'compat-auth-file',
      kind: 'string',
      value: 'FILE',
      summary: 'The same, a file that docker reads, such as ~/.docker/config.json',
    },
    { name: 'verbose', short: 'v', kind: 'switch', summary: 'Tell where the credentials are kept' },
    {
      name: 'cert-dir',
      kind: 'string',
      value: 'DIR',
      summary: 'Directory with *.crt authorities, NAME.cert and NAME.key',
    },
  ],
  refused: {
    'pipe it in: --password-stdin': 'secret',
  },
  async handler(values, [registry], { open }) {
    requireOneFile(values.authfile, values['compat-auth-file']);
    const place = {
      compatFile: values['compat-auth-file'],
      ...(values.authfile === undefined ? {} : { authfile: values.authfile }),
      ...(values['cert-dir'] === undefined ? {} : { certDir: values['cert-dir'] }),
      ...(values['tls-verify'] === undefined ? {} : { tlsVerify: values['tls-verify'] }),
    };
    if (values['get-login']) {
      printLine(await open().loggedInUser(registry, place));
      return 0;
    }
    const username = values.username ?? askUser(values['password-stdin']);
    const password = readPassword(values.password, values['password-stdin']);
    const kept = await open().login(registry, { ...place, username, password });
    if (values.verbose) printLine(`Used: ${kept}`);
    printLine('Login Succeeded');
    return 0;
  },
});

/** @throws USAGE for both */
export function requireOneFile(authfile: string | undefined, compatFile: string | undefined): void {
  if (authfile === undefined || compatFile === undefined) return;
  throw new CoracleError('USAGE', 'use --authfile and --compat-auth-file: only one of them at a time');
}

function askUser(usesInput: boolean): string {
  if (usesInput || !isatty(0))
    throw new CoracleError('USAGE', 'log in: no user name', { hint: 'give it with -u NAME' });
  return askLine('Username: ');
}

function readPassword(given: string | undefined, fromInput: boolean): string {
  if (given !== undefined && fromInput) {
    throw new CoracleError('USAGE', 'use --password and --password-stdin: only one of them at a time');
  }
  if (given !== undefined) return given;
  if (fromInput)
    return readInput()
      .toString('utf8')
      .replace(/\r?\n$/, '');
  if (!isatty(0)) {
    throw new CoracleError('USAGE', 'log in: no password, and standard input is no terminal to ask on', {
      hint: 'pipe it in with --password-stdin',
    });
  }
  return askSecret('Password: ');
}
