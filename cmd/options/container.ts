/** The options of `run` that make a container what it is, in groups. */
import type { OptionSpec } from '../command.js';

export const identityOptions = [
  {
    name: 'name',
    kind: 'string',
    value: 'NAME',
    summary: 'Name of the container (default: a generated one)',
  },
  { name: 'rm', kind: 'switch', summary: 'Remove it and its anonymous volumes when it ends' },
  {
    name: 'entrypoint',
    kind: 'string',
    value: 'PROGRAM',
    summary: "Instead of the image's ENTRYPOINT: a program, or a JSON list",
  },
  { name: 'label', short: 'l', kind: 'list', value: 'NAME[=VALUE]', summary: 'Label' },
  { name: 'label-file', kind: 'list', value: 'FILE', summary: 'File of labels, one a line' },
  { name: 'cidfile', kind: 'string', value: 'FILE', summary: 'Write its id to a file, which must not exist' },
  {
    name: 'systemd',
    kind: 'string',
    value: 'MODE',
    choices: ['false'],
    summary: 'Accepted when false: nothing is set up for systemd as process 1',
  },
  { name: 'init', kind: 'switch', summary: 'A small init as process 1 that reaps and forwards signals' },
  { name: 'restart', kind: 'string', value: 'POLICY', summary: 'no, always, unless-stopped, on-failure[:N]' },
  {
    name: 'stop-signal',
    kind: 'string',
    value: 'SIGNAL',
    summary: 'Signal that asks it to end (default: as the image says, TERM)',
  },
  {
    name: 'stop-timeout',
    kind: 'number',
    value: 'SECONDS',
    summary: 'Time to end before it is killed (default: 10)',
  },
  { name: 'timeout', kind: 'number', value: 'SECONDS', summary: 'Kill it after so long' },
  {
    name: 'log-driver',
    kind: 'string',
    value: 'DRIVER',
    choices: ['k8s-file', 'json-file', 'journald', 'passthrough', 'none'],
    summary: 'Where its output goes (default: k8s-file)',
  },
  {
    name: 'log-opt',
    kind: 'list',
    value: 'NAME=VALUE',
    summary: 'max-size=SIZE, max-file=N, path=FILE, tag=TEXT',
  },
  { name: 'pidfile', kind: 'string', value: 'FILE', summary: 'Write the pid of its process to a file' },
  {
    name: 'sdnotify',
    kind: 'string',
    value: 'MODE',
    choices: ['container', 'conmon', 'healthy', 'ignore'],
    summary:
      'What tells systemd that the service is ready: it itself, its start, or its health check (default: container)',
  },
  { name: 'sig-proxy', kind: 'toggle', summary: 'Pass signals on in the foreground (default: true)' },
] as const satisfies readonly OptionSpec[];

export const networkOptions = [
  {
    name: 'network',
    kind: 'list',
    value: 'MODE',
    aliases: ['net'],
    completes: 'networks',
    summary:
      'User-defined network, NAME[:ip=…,mac=…,alias=…,interface_name=…], several by several flags; or pasta[:OPTION,…], slirp4netns[:OPTION=…,…], host, none, container:NAME (default: pasta where it works)',
  },
  { name: 'ip', kind: 'string', value: 'ADDRESS', summary: 'Address of IPv4 on the first network' },
  { name: 'ip6', kind: 'string', value: 'ADDRESS', summary: 'Address of IPv6 on the first network' },
  {
    name: 'mac-address',
    kind: 'string',
    value: 'ADDRESS',
    summary: 'Address of its interface on the first network',
  },
  {
    name: 'network-alias',
    kind: 'list',
    value: 'NAME',
    aliases: ['net-alias'],
    summary: 'Further name on its networks',
  },
  {
    name: 'publish',
    short: 'p',
    kind: 'list',
    value: '[ADDRESS:][HOST:]CONTAINER[/udp]',
    summary: 'Reach a port of the container by one of this host',
  },
  {
    name: 'publish-all',
    short: 'P',
    kind: 'switch',
    summary: 'Publish all ports that the image exposes, at free ports',
  },
  {
    name: 'hostname',
    short: 'h',
    kind: 'string',
    value: 'NAME',
    summary: 'Host name (default: the beginning of its id)',
  },
  {
    name: 'add-host',
    kind: 'list',
    value: 'NAME:ADDRESS',
    summary: 'Line of /etc/hosts; host-gateway is this host',
  },
  {
    name: 'hosts-file',
    kind: 'string',
    value: 'FILE',
    summary: 'File whose lines go into /etc/hosts, or "image" for its own, or "none"',
    suggests: ['image', 'none'],
    completes: 'files',
  },
  { name: 'no-hosts', kind: 'switch', summary: "Leave the image's /etc/hosts in place" },
  { name: 'no-hostname', kind: 'switch', summary: "Leave the image's /etc/hostname in place" },
  {
    name: 'dns',
    kind: 'list',
    value: 'ADDRESS',
    summary: "Name server; none leaves the image's resolv.conf in place",
  },
  { name: 'dns-search', kind: 'list', value: 'DOMAIN', summary: 'Search domain' },
  {
    name: 'dns-option',
    kind: 'list',
    value: 'OPTION',
    aliases: ['dns-opt'],
    summary: 'Option of resolv.conf',
  },
] as const satisfies readonly OptionSpec[];

export const storageOptions = [
  {
    name: 'volume',
    short: 'v',
    kind: 'list',
    value: '[SOURCE:]DIR[:OPTIONS]',
    completes: 'volumes',
    summary: 'Directory of this host, or a volume by name',
  },
  {
    name: 'mount',
    kind: 'list',
    value: 'type=…,…',
    summary: 'The same at length: bind, volume, tmpfs, ramfs, image, glob, devpts',
  },
  { name: 'tmpfs', kind: 'list', value: 'DIR[:OPTIONS]', summary: 'Memory file system' },
  {
    name: 'volumes-from',
    kind: 'list',
    value: 'CONTAINER[:ro]',
    completes: 'containers',
    summary: 'The volumes and directories that another container has',
  },
  {
    name: 'image-volume',
    kind: 'string',
    value: 'KIND',
    choices: ['anonymous', 'bind', 'tmpfs', 'ignore'],
    summary:
      "What the image's VOLUMEs become: volumes without a name, as bind says too; memory; nothing (default: anonymous)",
  },
  { name: 'shm-size', kind: 'string', value: 'SIZE', summary: 'Size of /dev/shm (default: 64m)' },
  { name: 'read-only', kind: 'switch', summary: 'Nothing of the root file system can be written' },
  {
    name: 'read-only-tmpfs',
    kind: 'toggle',
    summary:
      'With --read-only, writable /run, /tmp, /var/tmp; else /dev and /dev/shm are read-only too (default: true)',
  },
] as const satisfies readonly OptionSpec[];

export const securityOptions = [
  { name: 'cap-add', kind: 'list', value: 'CAPABILITY', summary: 'Give a capability, or ALL' },
  { name: 'cap-drop', kind: 'list', value: 'CAPABILITY', summary: 'Take a capability away, or ALL' },
  {
    name: 'security-opt',
    kind: 'list',
    value: 'OPTION',
    summary:
      'no-new-privileges, seccomp=FILE|unconfined, mask=PATHS, unmask=PATHS|ALL, systempaths=unconfined, proc-opts=hidepid=2, apparmor=PROFILE',
  },
  { name: 'ulimit', kind: 'list', value: 'NAME=SOFT[:HARD]', summary: 'Resource limit' },
  {
    name: 'secret',
    kind: 'list',
    value: 'NAME[,type=env,…]',
    completes: 'secrets',
    summary: 'Secret as a file of /run/secrets, or as a variable (type=env); target=, uid=, gid=, mode=',
  },
  {
    name: 'oom-score-adj',
    kind: 'number',
    value: 'N',
    summary:
      'When memory is short, kill it rather (up to 1000) or later (down to -1000, which takes privileges)',
  },
  { name: 'sysctl', kind: 'list', value: 'KEY=VALUE', summary: 'Kernel parameter of its namespaces' },
  { name: 'group-add', kind: 'list', value: 'GROUP', summary: 'Further group; keep-groups keeps yours' },
  {
    name: 'personality',
    kind: 'string',
    value: 'DOMAIN',
    choices: ['LINUX', 'LINUX32'],
    summary: 'Execution domain: LINUX32 says that the machine is a 32 bit one (default: LINUX)',
  },
  { name: 'umask', kind: 'string', value: 'MODE', summary: 'Mask for new files (default: 0022)' },
] as const satisfies readonly OptionSpec[];

export const healthOptions = [
  {
    name: 'health-cmd',
    kind: 'string',
    value: 'COMMAND',
    summary: 'Command that tells whether it does well: a line for the shell, or a JSON list',
  },
  { name: 'no-healthcheck', kind: 'switch', summary: "Do without the image's health check" },
  { name: 'health-interval', kind: 'string', value: 'TIME', summary: 'Time between checks (default: 30s)' },
  { name: 'health-timeout', kind: 'string', value: 'TIME', summary: 'Time a check may take (default: 30s)' },
  {
    name: 'health-start-period',
    kind: 'string',
    value: 'TIME',
    summary: 'Time at the start in which failures do not count (default: 0s)',
  },
  {
    name: 'health-start-interval',
    kind: 'string',
    value: 'TIME',
    summary: 'Time between checks of the start period (default: 5s)',
  },
  {
    name: 'health-retries',
    kind: 'number',
    value: 'N',
    summary: 'Failures in a row that make it unhealthy (default: 3)',
  },
  {
    name: 'health-on-failure',
    kind: 'string',
    value: 'ACTION',
    choices: ['none', 'kill', 'restart', 'stop'],
    summary: 'What to do when it is unhealthy (default: none)',
  },
  { name: 'health-max-log-count', kind: 'number', value: 'N', summary: 'Results kept (default: 5)' },
  {
    name: 'health-max-log-size',
    kind: 'number',
    value: 'BYTES',
    summary: 'Bytes kept of each (default: 500)',
  },
] as const satisfies readonly OptionSpec[];

/** Why options of docker's and podman's `run` are refused. */
export const refusedByRun = {
  'cgroups of version 2 have no such limit':
    'memory-swappiness kernel-memory cpu-rt-period cpu-rt-runtime oom-kill-disable',
  'it is a limit of Windows': 'cpu-count cpu-percent io-maxbandwidth io-maxiops',
  'a user namespace has no rules for devices': 'device-cgroup-rule',
  'there is no privileged mode; give what is needed with --cap-add and --security-opt': 'privileged',
  'containers on a network find each other by name': 'link link-local-ip',
  'this is not supported by networks': 'domainname expose',
  'results of health checks are kept with the container': 'health-log-destination',
  'the start period takes the place of a start-up check':
    'health-startup-cmd health-startup-interval health-startup-retries health-startup-success health-startup-timeout',
  'there are no dependencies but of namespaces': 'requires',
  'use --pod': 'pod-id-file infra',
  'a foreground container is attached with all its streams': 'attach,a',
  'volumes are directories of this host': 'volume-driver storage-opt',
  'the runtime is built in': 'runtime isolation init-path conmon-pidfile rootfs init-ctr',
  'the environment is that of the image and of -e': 'env-host env-merge unsetenv unsetenv-all http-proxy',
  'remove the image with coracle rmi': 'rmi',
  'use --platform': 'arch os variant',
  'signatures by notary are not checked': 'disable-content-trust',
  'encrypted layers are not supported': 'decryption-key',
  'this is not supported':
    'annotation chrootdirs preserve-fds preserve-fd rdt-class seccomp-policy shm-size-systemd use-api-socket gpu',
};
