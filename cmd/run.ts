/** `coracle run`. */
import { CoracleError, parseRunFlags, type RunRequest } from '../lib/index.js';
import { defineCommand, type Values } from './command.js';
import { reserveIdFile } from './id-file.js';
import {
  identityOptions,
  networkOptions,
  refusedByRun,
  securityOptions,
  storageOptions,
} from './options/container.js';
import { processOptions } from './options/process.js';
import { readPullPolicy } from './options/pull-policy.js';
import { registryAccess, registryOptions } from './options/registry.js';
import { readLog, readMode, readRestart, readSize } from './options/run-texts.js';
import { readAssignments, readTextFile } from './options/texts.js';
import { transferProgress } from './progress/transfer-progress.js';
import { printLine, say, visible } from './terminal/output.js';

const options = [
  ...processOptions,
  ...identityOptions,
  ...networkOptions,
  ...storageOptions,
  ...securityOptions,
  {
    name: 'pull',
    kind: 'string',
    value: 'POLICY',
    choices: ['always', 'missing', 'newer', 'never'],
    summary: 'When to ask the registry (default: missing)',
  },
  {
    name: 'platform',
    kind: 'string',
    value: 'OS/ARCH',
    summary: 'Which image of an index (default: this machine)',
  },
  { name: 'quiet', short: 'q', kind: 'switch', summary: 'No progress of a pull' },
  ...registryOptions,
] as const;

type RunValues = Values<typeof options>;

export const command = defineCommand({
  name: 'run',
  summary: 'Run a command in a new container',
  operands: 'IMAGE [COMMAND [ARG...]]',
  count: [1, Number.POSITIVE_INFINITY],
  stopAtOperand: true,
  completes: 'images',
  examples: [
    ['coracle run --rm -it debian bash', 'A shell that leaves nothing behind'],
    ['coracle run -d --name web -p 8080:80 hello', 'A server, reached at http://localhost:8080'],
    ['coracle run --rm -v .:/src -w /src node npm test', 'A tool on the current directory'],
    ['coracle run --rm --network none --read-only --cap-drop ALL alpine id', 'As little as possible'],
  ],
  options,
  refused: refusedByRun,
  async handler(values, [image = '', ...words], { open }) {
    const request = { ...runOptions(values), command: words };
    const idFile = values.cidfile === undefined ? undefined : reserveIdFile(values.cidfile);
    const progress = transferProgress(values.quiet);
    const full: RunRequest = {
      ...request,
      policy: readPullPolicy(values.pull),
      platform: values.platform,
      access: registryAccess(values),
      publishAll: values['publish-all'],
      onEvent: progress.onEvent,
      onWarning: (text) => say(visible(`warning: ${text}`)),
      onCreated: ({ id }) => {
        progress.close();
        idFile?.write(id);
      },
    };
    try {
      if (!values.detach) return await open().runInForeground(image, full);
      const { id } = await open().run(image, full);
      printLine(id);
      return 0;
    } finally {
      progress.close();
      idFile?.close();
    }
  },
});

function runOptions(values: RunValues): RunRequest {
  if (values.detach && values.rm && values.restart !== undefined && values.restart !== 'no') {
    throw new CoracleError('USAGE', 'use --rm and --restart: only one of them at a time');
  }
  return {
    ...parseRunFlags(runFlags(values), { cwd: process.cwd(), env: process.env }),
    ...processFields(values),
    name: values.name,
    remove: values.rm,
    hostname: values.hostname,
    dnsSearch: values['dns-search'],
    dnsOptions: values['dns-option'],
    shmSize: values['shm-size'] === undefined ? undefined : readSize('--shm-size', values['shm-size']),
    readonlyRoot: values['read-only'],
    readonlyTmpfs: values['read-only-tmpfs'],
    capabilityAdd: values['cap-add'].flatMap(splitList),
    capabilityDrop: values['cap-drop'].flatMap(splitList),
    sysctls: readAssignments('--sysctl', values.sysctl, undefined),
    init: values.init,
    stopSignal: values['stop-signal'],
    stopTimeout: values['stop-timeout'],
    timeout: values.timeout,
    restart: values.restart === undefined ? undefined : readRestart(values.restart),
    log: readLog(values['log-driver'], values['log-opt']),
    signalProxy: values['sig-proxy'],
  };
}

function processFields(values: RunValues): RunRequest {
  return {
    workdir: values.workdir,
    user: values.user,
    groups: values['group-add'],
    umask: values.umask === undefined ? undefined : readMode('--umask', values.umask),
    tty: values.tty,
    interactive: values.interactive,
    detachKeys: values['detach-keys'],
  };
}

function runFlags(values: RunValues): Parameters<typeof parseRunFlags>[0] {
  return {
    volume: values.volume,
    mount: values.mount,
    tmpfs: values.tmpfs,
    publish: values.publish,
    network: values.network,
    addHost: values['add-host'],
    dns: values.dns,
    securityOpt: values['security-opt'],
    ulimit: values.ulimit,
    env: values.env,
    envFileTexts: values['env-file'].map((path) => ({ path, text: readTextFile('--env-file', path) })),
    label: [...values['label-file'].flatMap(labelLines), ...values.label],
    entrypoint: values.entrypoint,
  };
}

function labelLines(path: string): string[] {
  const lines = readTextFile('--label-file', path).split('\n');
  return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
}

/** `--cap-add A,B` means both, as podman reads it. */
function splitList(text: string): string[] {
  return text.split(',');
}
