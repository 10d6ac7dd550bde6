/** `coracle login`. */
import { isatty } from 'node:tty';
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { printLine, readInput } from './terminal/output.js';
import { askLine, askSecret } from './terminal/prompt.js';

export const command = defineCommand({
  name: 'login',
  summary: 'Log in to a registry',
  operands: '[REGISTRY]',
  count: [0, 1],
  examples: [
    ['coracle login registry.example.com', 'Asks for name and password'],
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
      name: 'cert-dir',
      kind: 'string',
      value: 'DIR',
      summary: 'Directory with *.crt authorities, NAME.cert and NAME.key',
    },
  ],
  refused: {
    "credentials are kept in podman's format": 'compat-auth-file secret',
    'it tells little': 'verbose,v',
  },
  async handler(values, [registry = 'docker.io'], { open }) {
    const place = {
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
    await open().login(registry, { ...place, username, password });
    printLine('Login Succeeded');
    return 0;
  },
});

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
