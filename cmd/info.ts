/** `coracle info`. */
import type { HostInformation } from '../lib/index.js';
import { defineCommand } from './command.js';
import { infoDocument, printDocument } from './info-document.js';
import { formatSize, printLine, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'info',
  summary: 'Show the store and the modes in use',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle info', 'All of it'],
    ["coracle info -f '{{.store.driver}}'", 'One field'],
    ["coracle info -f '{{.Host.Security.Rootless}}'", "By podman's names"],
  ],
  options: [
    { name: 'format', short: 'f', kind: 'string', value: 'FORMAT', summary: '"json" or a Go template' },
  ],

  async handler(values, _operands, { open }) {
    const information = await open().info();
    const { format } = values;
    if (format !== undefined) printDocument(infoDocument(information), format);
    else for (const line of lines(information)) printLine(visible(line));
    return 0;
  },
});

function lines({ version, host, store, modes, registries }: HostInformation): string[] {
  const because = (reason: string | undefined): string => (reason === undefined ? '' : ` (${reason})`);
  return [
    `coracle       ${version.Version}`,
    `kernel        ${host.kernel} ${host.arch}`,
    `memory        ${formatSize(host.memTotal)}, ${host.cpus} processors`,
    `user          ${host.user} (${host.uid})`,
    `store         ${store.root}`,
    ...(store.imagesIn === undefined ? [] : [`images in     ${store.imagesIn}`]),
    ...store.additionalImageStores.map((root) => `images of     ${root} (only read)`),
    ...(store.transient ? ['records       transient: containers are gone with the next restart'] : []),
    `driver        ${store.driver}${because(store.driverReason)}`,
    `containers    ${store.containers} (${store.running} running)`,
    `images        ${store.images}`,
    `ids           ${modes.ids}, ${modes.idCount} of them${because(modes.idsReason)}`,
    `network       ${modes.network}${because(modes.networkReason)}`,
    `limits        ${modes.limits}${modes.controllers.length === 0 ? '' : `: ${modes.controllers.join(', ')}`}`,
    `runtime       ${store.runtime}`,
    `configuration ${store.configuration}`,
    `registries    ${registries.search.join(', ') || 'none'} for short names, ${registries.shortNameMode}`,
    ...registries.tables.map((table) => `              ${describeTable(table)}`),
  ];
}

type Table = HostInformation['registries']['tables'][number];

function describeTable({ prefix, location, blocked, insecure, mirrors }: Table): string {
  const facts = [
    ...(blocked ? ['blocked'] : []),
    ...(insecure ? ['insecure'] : []),
    ...(location === prefix || location === '' ? [] : [`at ${location}`]),
    ...(mirrors.length === 0 ? [] : [`mirrors ${mirrors.map((mirror) => mirror.location).join(', ')}`]),
  ];
  return [prefix, ...facts].join(', ');
}
