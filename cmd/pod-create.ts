/** `coracle pod create`. */
import { CoracleError, type CreatePodRequest, parseRunFlags, parseShare } from '../lib/index.js';
import { defineCommand } from './command.js';
import { reserveIdFile } from './id-file.js';
import { networkOptions } from './options/container.js';
import { userOptions } from './options/isolation.js';
import { cgroupOptions, limitOptions, readLimits } from './options/limits.js';
import { labelLines } from './options/run-request.js';
import { readSize } from './options/run-texts.js';
import { readAssignments } from './options/texts.js';
import { printLine, say, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'pod create',
  summary: 'Make a pod: containers that share a network and more',
  operands: '[NAME]',
  count: [0, 1],
  examples: [
    ['coracle pod create -p 8080:80 shop', 'Its containers are reached at http://localhost:8080'],
    ['coracle run -d --pod shop --name web nginx', 'A container in it'],
    ['coracle pod create --memory 1g --cpus 2 jobs', 'What all of its containers together may use'],
    ['coracle pod create --share net,ipc,uts,pid tools', 'They see the processes of each other too'],
  ],
  options: [
    { name: 'name', short: 'n', kind: 'string', value: 'NAME', summary: 'Name (default: a generated one)' },
    {
      name: 'share',
      kind: 'string',
      value: 'LIST',
      summary: 'What its containers share: net, ipc, uts, pid, cgroup, or none (default: ipc,net,uts)',
    },
    ...networkOptions.filter(({ name }) => name !== 'publish-all'),
    ...userOptions,
    { name: 'label', short: 'l', kind: 'list', value: 'NAME[=VALUE]', summary: 'Label' },
    { name: 'label-file', kind: 'list', value: 'FILE', summary: 'File of labels, one a line' },
    { name: 'shm-size', kind: 'string', value: 'SIZE', summary: 'Size of /dev/shm (default: 64m)' },
    ...limitOptions,
    ...cgroupOptions.filter(({ name }) => name === 'cgroup-parent'),
    { name: 'sysctl', kind: 'list', value: 'KEY=VALUE', summary: 'Kernel parameter of its namespaces' },
    {
      name: 'pod-id-file',
      kind: 'string',
      value: 'FILE',
      summary: 'Write its id to a file, which must not exist',
    },
    { name: 'replace', kind: 'switch', summary: 'Remove, by force, the pod that has the name now' },
    { name: 'infra', kind: 'toggle', summary: 'Accepted when true: its supervisor holds the namespaces' },
    {
      name: 'exit-policy',
      kind: 'string',
      value: 'POLICY',
      choices: ['continue', 'stop'],
      summary: 'What becomes of it when its last container ends (default: continue)',
    },
  ],
  refused: {
    'its holder runs nothing': 'infra-command infra-image infra-name infra-conmon-pidfile',
    'give it to the containers': 'device volume volumes-from security-opt restart gpus pid uts share-parent',
  },
  async handler(values, [operand], { open }) {
    const name = values.name ?? operand;
    if (values.infra === false) {
      throw new CoracleError('UNSUPPORTED', 'use --infra=false: something has to hold the namespaces', {
        hint: '--share none makes a pod that shares nothing',
      });
    }
    const share = parseShare(values.share);
    if (!share.includes('net') && values.publish.length > 0) {
      throw new CoracleError('USAGE', 'use --publish: the pod shares no network');
    }
    const request: CreatePodRequest = {
      ...parseRunFlags(
        {
          ...values,
          addHost: values['add-host'],
          hostsFile: values['hosts-file'],
          noHosts: values['no-hosts'],
          mac: values['mac-address'],
          networkAlias: values['network-alias'],
          label: [...values['label-file'].flatMap(labelLines), ...values.label],
        },
        { cwd: process.cwd(), env: process.env },
      ),
      name,
      share,
      exitPolicy: values['exit-policy'] === 'stop' ? 'stop' : 'continue',
      hostname: values.hostname,
      dnsSearch: values['dns-search'],
      dnsOptions: values['dns-option'],
      sysctls: readAssignments('--sysctl', values.sysctl, undefined),
      shmSize: values['shm-size'] === undefined ? undefined : readSize('--shm-size', values['shm-size']),
      limits: readLimits(values),
      cgroup: values['cgroup-parent'] === undefined ? undefined : { parent: values['cgroup-parent'] },
      requireLimits: values['require-limits'],
      replace: values.replace,
      onWarning: (text) => say(visible(`warning: ${text}`)),
    };
    const file = values['pod-id-file'] === undefined ? undefined : reserveIdFile(values['pod-id-file']);
    try {
      const id = await open().createPod(request);
      file?.write(id);
      printLine(id);
      return 0;
    } finally {
      file?.close();
    }
  },
});
