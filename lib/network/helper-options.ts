/** `--network pasta:OPTION,...` and `slirp4netns:OPTION,...`: what the helper of a container's network is started with. Pure. */
import { CoracleError } from '../errors.js';
import { uplinkPrefix6 } from './network-plan.js';
import { formatAddress, parseAddress, parseSubnet } from './subnet.js';

/** What the network of a container with a helper is like. Addresses that the helper alone knows are undefined. */
export type HelperPlan = {
  readonly arguments: readonly string[];
  readonly address: string | undefined;
  readonly address6: string | undefined;
  /** Answers for the host's name servers. */
  readonly resolver: string;
};

/** The private subnet of every container: pasta's default copies the host's address, which hides the host from it. */
const subnet = {
  ...{ address: '10.0.2.100', gateway: '10.0.2.2', resolver: '10.0.2.3', bits: '24' },
  ...{ address6: `${uplinkPrefix6}100`, gateway6: `${uplinkPrefix6}1` },
} as const;

/** Its defaults would expose the host's loopback to the container and the container's ports to the host (S36). */
const pastaClosed: Readonly<Record<string, readonly string[]>> = {
  '--no-map-gw': ['--no-map-gw'],
  '--tcp-ns': ['-T', 'none'],
  '--udp-ns': ['-U', 'none'],
};
const pastaAlways = [
  ...['--quiet', '--config-net', '-t', 'none', '-u', 'none'],
  ...['--no-dhcp', '--no-dhcpv6', '--no-ra', '--netns-only', '--netns', '@NETNS@'],
];

/** Options of pasta that may be given, by their long names; true: a value belongs to it. */
const pastaKnown: Readonly<Record<string, boolean>> = {
  '--mtu': true,
  '--address': true,
  '--netmask': true,
  '--gateway': true,
  '--mac-addr': true,
  '--interface': true,
  '--outbound': true,
  '--outbound-if4': true,
  '--outbound-if6': true,
  '--ns-ifname': true,
  '--ns-mac-addr': true,
  '--dns-forward': true,
  '--pcap': true,
  '--tcp-ns': true,
  '--udp-ns': true,
  '--no-tcp': false,
  '--no-udp': false,
  '--no-icmp': false,
  '--no-map-gw': false,
  '--map-gw': false,
  '--ipv4-only': false,
  '--ipv6-only': false,
};

const pastaShort: Readonly<Record<string, string>> = {
  ...{ '-m': '--mtu', '-a': '--address', '-n': '--netmask', '-g': '--gateway', '-M': '--mac-addr' },
  ...{ '-i': '--interface', '-o': '--outbound', '-I': '--ns-ifname', '-p': '--pcap' },
  ...{ '-T': '--tcp-ns', '-U': '--udp-ns', '-4': '--ipv4-only', '-6': '--ipv6-only' },
};

type Option = { readonly name: string; readonly value: string | undefined };

/**
 * Options as they are written, checked. @throws USAGE, UNSUPPORTED naming the option.
 */
export function parseHelperOptions(mode: 'pasta' | 'slirp4netns', text: string): readonly string[] {
  const words = text === '' ? [] : text.split(',');
  if (mode === 'pasta') readPasta(words);
  else readSlirp(words);
  return words;
}

function readPasta(words: readonly string[]): readonly Option[] {
  const options: Option[] = [];
  for (let i = 0; i < words.length; i++) {
    const [, given = '', behind] = /^([^=]+)(?:=(.*))?$/.exec(words[i] ?? '') ?? [];
    const name = pastaShort[given] ?? given;
    const takes = pastaKnown[name];
    if (takes === undefined) {
      throw new CoracleError('UNSUPPORTED', `use network pasta: option "${words[i]}" is not supported`, {
        hint: /^(-[tu]|--(tcp|udp)-ports)$/.test(given)
          ? 'publish ports with -p'
          : `those that are: ${Object.keys(pastaKnown).join(' ')}`,
      });
    }
    const value = takes ? (behind ?? words[++i]) : behind;
    if (takes === (value === undefined || value === '')) {
      throw new CoracleError(
        'USAGE',
        `use network pasta: option ${given} ${takes ? 'needs a' : 'has no'} value`,
      );
    }
    options.push({ name, value });
  }
  return options;
}

/** Pasta for a container; `six`: this host has a way out by IPv6. */
export function pastaPlan(words: readonly string[], six: boolean): HelperPlan {
  const options = readPasta(words);
  const has = (name: string): boolean => options.some((option) => option.name === name);
  const own = (name: string, isSix: boolean): string | undefined =>
    options.find((option) => option.name === name && option.value?.includes(':') === isSix)?.value;
  const families = { four: !has('--ipv6-only'), six: six && !has('--ipv4-only') };
  const chosen = {
    four: ['--address', '--gateway'].some((name) => own(name, false) !== undefined) || has('--netmask'),
    six: ['--address', '--gateway'].some((name) => own(name, true) !== undefined),
  };
  const { address, bits, gateway, address6, gateway6 } = subnet;
  const closed = Object.entries(pastaClosed).flatMap(([name, none]) =>
    has(name) || (name === '--no-map-gw' && has('--map-gw')) ? [] : none,
  );
  return {
    arguments: [
      ...pastaAlways,
      ...closed,
      ...(families.four && !chosen.four ? ['-a', address, '-n', bits, '-g', gateway] : []),
      ...(families.six && !chosen.six ? ['-a', address6, '-g', gateway6] : []),
      ...(families.six ? [] : ['--no-ndp', ...(has('--ipv4-only') ? [] : ['--ipv4-only'])]),
      ...options.flatMap(({ name, value }) => (name === '--map-gw' ? [] : [name, value ?? []].flat())),
    ],
    address: families.four ? (chosen.four ? own('--address', false) : address) : undefined,
    address6: families.six ? (chosen.six ? own('--address', true) : address6) : undefined,
    resolver: subnet.resolver,
  };
}

const slirpKnown = [
  'allow_host_loopback',
  'cidr',
  'enable_ipv6',
  'mtu',
  'outbound_addr',
  'outbound_addr6',
  'port_handler',
];

function readSlirp(words: readonly string[]): Readonly<Record<string, string>> {
  const options: Record<string, string> = {};
  for (const word of words) {
    const [, name = '', value = ''] = /^([^=]+)=(.+)$/.exec(word) ?? [];
    if (!slirpKnown.includes(name)) {
      throw new CoracleError('UNSUPPORTED', `use network slirp4netns: option "${word}" is not supported`, {
        hint: `those that are, each with =VALUE: ${slirpKnown.join(' ')}`,
      });
    }
    checkSlirp(name, value);
    options[name] = value;
  }
  return options;
}

function checkSlirp(name: string, value: string): void {
  const whole = parseSubnet(value);
  const good =
    name === 'mtu'
      ? /^\d{1,5}$/.test(value) && Number(value) >= 68 && Number(value) <= 65521
      : name === 'cidr'
        ? whole?.family === 4 && whole.bits <= 25
        : name.startsWith('outbound_addr')
          ? parseAddress(value)?.family === (name.endsWith('6') ? 6 : 4)
          : name === 'port_handler'
            ? value === 'rootlesskit'
            : value === 'true' || value === 'false';
  if (good) return;
  throw new CoracleError('USAGE', `use network slirp4netns: ${name} "${value}" cannot be`, {
    hint:
      name === 'port_handler'
        ? 'ports are forwarded by coracle alone'
        : 'for example mtu=1400,cidr=10.5.0.0/24',
  });
}

/** slirp4netns for a container. */
export function slirpPlan(words: readonly string[]): HelperPlan {
  const options = readSlirp(words);
  const { cidr, mtu = '65520', outbound_addr: outbound, outbound_addr6: outbound6 } = options;
  const base = cidr === undefined ? undefined : parseSubnet(cidr)?.base;
  const at = (host: bigint, usual: string): string =>
    base === undefined ? usual : formatAddress({ family: 4, value: base + host });
  return {
    arguments: [
      ...['--configure', `--mtu=${mtu}`, '--enable-sandbox', '--enable-seccomp'],
      ...(options.allow_host_loopback === 'true' ? [] : ['--disable-host-loopback']),
      ...(options.enable_ipv6 === 'true' ? ['--enable-ipv6'] : []),
      ...(cidr === undefined ? [] : [`--cidr=${cidr}`]),
      ...(outbound === undefined ? [] : [`--outbound-addr=${outbound}`]),
      ...(outbound6 === undefined ? [] : [`--outbound-addr6=${outbound6}`]),
      ...['--netns-type=path', '--ready-fd', '@READY@', '@NETNS@', 'tap0'],
    ],
    address: at(100n, subnet.address),
    address6: undefined,
    resolver: at(3n, subnet.resolver),
  };
}
