/** `--network` and its companions: which networks a container is on. Pure. */
import { CoracleError } from '../errors.js';
import { parseHelperOptions } from './helper-options.js';
import type { NetworkMode } from './network-plan.js';
import { isIpv4, isIpv6 } from './port-flags.js';

/** One user-defined network that a container is to be on, and how. */
export type AttachmentRequest = {
  /** Name or id of the network. */
  readonly network: string;
  readonly ip?: string | undefined;
  readonly ip6?: string | undefined;
  readonly mac?: string | undefined;
  /** Further names other containers find it by. */
  readonly aliases?: readonly string[] | undefined;
  readonly interfaceName?: string | undefined;
};

/** What `--network` says; nothing lets the host decide. */
export type NetworkChoice = {
  readonly network?: NetworkMode | undefined;
  /** What pasta or slirp4netns is started with besides. */
  readonly networkOptions?: readonly string[] | undefined;
  /** Name or id of the container whose network is used: mode `container`. */
  readonly networkContainer?: string | undefined;
  /** User-defined networks: mode `bridge`. */
  readonly networks?: readonly AttachmentRequest[] | undefined;
};

/** `--ip`, `--ip6`, `--mac-address` and `--network-alias`: of the first network. */
export type AddressFlags = {
  readonly ip?: string | undefined;
  readonly ip6?: string | undefined;
  readonly mac?: string | undefined;
  readonly aliases?: readonly string[] | undefined;
};

/** Modes that stand alone, as users write them. */
export const networkModes: readonly NetworkMode[] = ['none', 'host', 'pasta', 'slirp4netns'];

/** Words that leave the choice to the host. */
const defaults = ['default', 'private', 'bridge'];

/**
 * Reads the texts of `--network`: one mode, one `container:NAME`, or user-defined networks, each
 * `NAME[:ip=..,ip6=..,mac=..,alias=..,interface_name=..]`.
 * @throws USAGE or UNSUPPORTED naming the text.
 */
export function parseNetworkFlags(texts: readonly string[], flags: AddressFlags = {}): NetworkChoice {
  const choice = chooseNetworks(texts);
  const [first, ...others] = choice.networks ?? [];
  if (first === undefined) {
    requireNetwork(flags, texts);
    return choice;
  }
  const merged: AttachmentRequest = {
    ...first,
    ...(flags.ip === undefined ? {} : { ip: checkIpv4(flags.ip, `--ip ${flags.ip}`) }),
    ...(flags.ip6 === undefined ? {} : { ip6: checkIpv6(flags.ip6, `--ip6 ${flags.ip6}`) }),
    ...(flags.mac === undefined ? {} : { mac: checkMac(flags.mac, `--mac-address ${flags.mac}`) }),
  };
  const aliases = (flags.aliases ?? []).map((alias) => checkName(alias, `--network-alias ${alias}`));
  const everywhere = (one: AttachmentRequest): AttachmentRequest =>
    aliases.length === 0 ? one : { ...one, aliases: [...(one.aliases ?? []), ...aliases] };
  return { ...choice, networks: [merged, ...others].map(everywhere) };
}

function chooseNetworks(texts: readonly string[]): NetworkChoice {
  const kept = texts.filter((text) => !defaults.includes(text));
  const [only = ''] = kept;
  if (kept.length === 0) return {};
  const helper = kept.map(readHelper).find((choice) => choice !== undefined);
  const mode = helper?.network ?? networkModes.find((each) => kept.includes(each));
  const shared = kept.find((text) => text.startsWith('container:'));
  if (texts.length > 1 && (mode !== undefined || shared !== undefined || kept.length < texts.length)) {
    throw new CoracleError('USAGE', `use networks ${texts.join(', ')}: only user-defined ones go together`);
  }
  if (helper !== undefined) return helper;
  if (mode !== undefined) return { network: mode };
  if (shared !== undefined) return { network: 'container', networkContainer: containerName(only) };
  const networks = kept.map(parseAttachment);
  const twice = networks.find(({ network }, i) => networks.findIndex((one) => one.network === network) < i);
  if (twice !== undefined) {
    throw new CoracleError('USAGE', `use network ${twice.network}: asked for twice`);
  }
  return { network: 'bridge', networks };
}

/** `pasta:OPTION,...` and `slirp4netns:OPTION,...`. */
function readHelper(text: string): NetworkChoice | undefined {
  const [, mode, options = ''] = /^(pasta|slirp4netns):(.*)$/s.exec(text) ?? [];
  if (mode !== 'pasta' && mode !== 'slirp4netns') return undefined;
  return { network: mode, networkOptions: parseHelperOptions(mode, options) };
}

function containerName(text: string): string {
  const name = text.slice('container:'.length);
  if (name !== '') return name;
  throw new CoracleError('USAGE', 'use network "container:": which container?', {
    hint: 'for example --network container:web',
  });
}

/** `NAME[:KEY=VALUE,...]`. @throws USAGE or UNSUPPORTED */
export function parseAttachment(text: string): AttachmentRequest {
  const colon = text.indexOf(':');
  const network = colon < 0 ? text : text.slice(0, colon);
  if (colon >= 0 && (network === 'ns' || networkModes.some((mode) => mode === network))) {
    throw new CoracleError('UNSUPPORTED', `use network "${text}": options of ${network} are not supported`);
  }
  const aliases: string[] = [];
  let request: AttachmentRequest = { network: checkNetworkName(network) };
  for (const option of colon < 0 ? [] : text.slice(colon + 1).split(',')) {
    const [, key = '', value = ''] = /^([^=]+)=(.+)$/.exec(option) ?? [];
    if (key === 'alias') aliases.push(checkName(value, text));
    else request = { ...request, ...attachmentOption(key, value, text) };
  }
  return aliases.length === 0 ? request : { ...request, aliases };
}

function attachmentOption(key: string, value: string, text: string): Partial<AttachmentRequest> {
  switch (key) {
    case 'ip':
      return isIpv4(value) ? { ip: value } : { ip6: checkIpv6(value, text) };
    case 'ip6':
      return { ip6: checkIpv6(value, text) };
    case 'mac':
      return { mac: checkMac(value, text) };
    case 'interface_name':
      return { interfaceName: checkInterface(value, text) };
    default:
      throw new CoracleError('USAGE', `use network "${text}": no such option as "${key || text}"`, {
        hint: 'ip=, ip6=, mac=, alias=, interface_name=',
      });
  }
}

function requireNetwork(flags: AddressFlags, texts: readonly string[]): void {
  const given = [
    flags.ip === undefined ? [] : '--ip',
    flags.ip6 === undefined ? [] : '--ip6',
    flags.mac === undefined ? [] : '--mac-address',
    (flags.aliases ?? []).length === 0 ? [] : '--network-alias',
  ].flat();
  if (given.length === 0) return;
  const mode = texts.length === 0 ? 'the default network' : `--network ${texts.join(' ')}`;
  throw new CoracleError('USAGE', `use ${given[0]}: not possible with ${mode}`, {
    hint: 'it is for user-defined networks: coracle network create NAME, then --network NAME',
  });
}

/** Names of networks are those of volumes and containers. @throws USAGE */
export function checkNetworkName(name: string): string {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(name)) return name;
  throw new CoracleError('USAGE', `use network "${name}": not a name`, {
    hint: 'letters, digits, _ . and -; the first is a letter or a digit',
  });
}

/** @throws USAGE */
export function checkIpv4(text: string, where: string): string {
  if (isIpv4(text)) return text;
  throw new CoracleError('USAGE', `use ${where}: "${text}" is no IPv4 address`);
}

/** @throws USAGE */
export function checkIpv6(text: string, where: string): string {
  if (isIpv6(text)) return text;
  throw new CoracleError('USAGE', `use ${where}: "${text}" is no IPv6 address`);
}

/** In lower case with colons. @throws USAGE also for one that means a group. */
export function checkMac(text: string, where: string): string {
  const mac = text.toLowerCase().replaceAll('-', ':');
  if (/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac) && (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0)
    return mac;
  throw new CoracleError('USAGE', `use ${where}: "${text}" is no MAC address of one interface`, {
    hint: 'for example 92:d0:c6:0a:29:33',
  });
}

/** A label of a DNS name, or several with dots. @throws USAGE */
export function checkName(text: string, where: string): string {
  const good = text.length <= 253 && text.split('.').every((label) => /^[a-zA-Z0-9_-]{1,63}$/.test(label));
  if (good) return text;
  throw new CoracleError('USAGE', `use ${where}: "${text}" is no name that a resolver can ask for`);
}

function checkInterface(text: string, where: string): string {
  if (/^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,14}$/.test(text) && text !== 'lo') return text;
  throw new CoracleError('USAGE', `use ${where}: "${text}" is no name of an interface`);
}
