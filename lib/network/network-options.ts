/** `--opt` and `--route` of a new network. Pure. */
import { CoracleError } from '../errors.js';
import type { NetworkRecord, NetworkRoute, NetworkSubnet } from './network-record.js';
import { contains, formatAddress, formatSubnet, parseAddress, parseSubnet } from './subnet.js';

/** The MTU of pasta and slirp4netns, which spares them work. */
const defaultMtu = 65520;

const most = 0xffffffff;

export type NetworkOptions = Pick<NetworkRecord, 'mtu' | 'metric' | 'withoutDefault' | 'options'>;

/** @throws USAGE, UNSUPPORTED for an option there is not. */
export function readOptions(name: string, given: Readonly<Record<string, string>>): NetworkOptions {
  let read: NetworkOptions = { mtu: defaultMtu, options: {} };
  for (const [key, value] of Object.entries(given)) read = { ...read, ...readOption(name, key, value) };
  const { mtu: _, 'com.docker.network.driver.mtu': __, ...shown } = given;
  return { ...read, options: shown };
}

function readOption(name: string, key: string, value: string): Partial<NetworkOptions> {
  switch (key) {
    case 'mtu':
    case 'com.docker.network.driver.mtu':
      return { mtu: readNumber(name, key, value, [576, 65520]) };
    case 'metric':
      return { metric: readNumber(name, key, value, [1, most]) };
    case 'no_default_route':
      return readSwitch(name, key, value) ? { withoutDefault: true } : {};
    case 'isolate':
      if (value === 'strict' || readSwitch(name, key, value)) return {};
      throw new CoracleError(
        'UNSUPPORTED',
        `create network ${name}: option "isolate=${value}" is not supported`,
        {
          hint: 'networks do not reach each other; put a container on both',
        },
      );
    default:
      throw new CoracleError('UNSUPPORTED', `create network ${name}: option "${key}" is not supported`, {
        hint: 'mtu=BYTES, metric=NUMBER, no_default_route=1 and isolate=true are',
      });
  }
}

function readNumber(
  name: string,
  key: string,
  value: string,
  [least, largest]: readonly [number, number],
): number {
  const number = Number(value);
  if (/^\d{1,10}$/.test(value) && number >= least && number <= largest) return number;
  throw new CoracleError(
    'USAGE',
    `create network ${name}: ${key.replace(/^.*\./, '')} "${value}" is not from ${least} to ${largest}`,
  );
}

function readSwitch(name: string, key: string, value: string): boolean {
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw new CoracleError('USAGE', `create network ${name}: ${key} "${value}" is neither true nor false`);
}

/** Each `DESTINATION,GATEWAY[,METRIC]`. @throws USAGE naming the text. */
export function planRoutes(
  name: string,
  texts: readonly string[],
  subnets: readonly NetworkSubnet[],
): readonly NetworkRoute[] {
  return texts.map((text) => {
    const [, to = '', by = '', metric] = /^([^,]+),([^,]+)(?:,(\d{1,10}))?$/.exec(text) ?? [];
    const [destination, gateway] = [parseSubnet(to), parseAddress(by)];
    if (destination === undefined || gateway === undefined || destination.family !== gateway.family) {
      throw new CoracleError('USAGE', `create network ${name}: "${text}" is no route`, {
        hint: 'for example --route 10.21.0.0/24,10.90.0.7 or with a metric behind: ,100',
      });
    }
    const inside = subnets.flatMap(({ subnet }) => parseSubnet(subnet) ?? []);
    if (!inside.some((subnet) => contains(subnet, gateway))) {
      throw new CoracleError(
        'USAGE',
        `create network ${name}: the gateway of route ${text} lies in no subnet of it`,
      );
    }
    return {
      destination: formatSubnet(destination),
      gateway: formatAddress(gateway),
      ...(metric === undefined ? {} : { metric: readNumber(name, 'metric', metric, [1, most]) }),
    };
  });
}
