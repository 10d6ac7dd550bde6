import test from 'ava';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import { type AddressFlags, type NetworkChoice, parseNetworkFlags } from '../../lib/network/network-flags.js';

const reads = test.macro((t, texts: readonly string[], expected: NetworkChoice, flags: AddressFlags = {}) => {
  t.deepEqual(parseNetworkFlags(texts, flags), expected);
});
test('without a network the host decides', reads, [], {});
test('default, private and bridge leave it to the host', reads, ['bridge'], {});
test('a mode by its name', reads, ['none'], { network: 'none' });
test("another container's network", reads, ['container:web'], {
  network: 'container',
  networkContainer: 'web',
});
test('networks by name, in order', reads, ['front', 'back'], {
  network: 'bridge',
  networks: [{ network: 'front' }, { network: 'back' }],
});
test(
  'options of a network stand behind its name',
  reads,
  ['net:ip=10.0.0.5,ip6=fd00::5,mac=92-D0-C6-0A-29-33,alias=a,alias=b,interface_name=lan0'],
  {
    network: 'bridge',
    networks: [
      {
        network: 'net',
        ip: '10.0.0.5',
        ip6: 'fd00::5',
        mac: '92:d0:c6:0a:29:33',
        interfaceName: 'lan0',
        aliases: ['a', 'b'],
      },
    ],
  },
);
test(
  'addresses as flags are those of the first network, aliases of all',
  reads,
  ['front:alias=x', 'back'],
  {
    network: 'bridge',
    networks: [
      { network: 'front', ip: '10.0.0.9', ip6: 'fd00::9', mac: '02:00:00:00:00:01', aliases: ['x', 'y'] },
      { network: 'back', aliases: ['y'] },
    ],
  },
  { ip: '10.0.0.9', ip6: 'fd00::9', mac: '02:00:00:00:00:01', aliases: ['y'] },
);

const fails = test.macro(
  (t, texts: readonly string[], code: ErrorCode, message: RegExp, flags: AddressFlags = {}) => {
    const error = t.throws(() => parseNetworkFlags(texts, flags), { instanceOf: CoracleError });
    t.is(error?.code, code);
    t.regex(error?.message ?? '', message);
  },
);
test('a mode stands alone', fails, ['none', 'front'], 'USAGE', /only user-defined ones go together/);
test("so does another container's", fails, ['container:web', 'front'], 'USAGE', /go together/);
test('the default too', fails, ['bridge', 'front'], 'USAGE', /go together/);
test('which container is missing', fails, ['container:'], 'USAGE', /which container/);
test('a network twice', fails, ['a', 'a'], 'USAGE', /asked for twice/);
test('a namespace by its path', fails, ['ns:/run/x'], 'UNSUPPORTED', /options of ns/);
test('an unknown option', fails, ['a:colour=red'], 'USAGE', /no such option as "colour"/);
test('a wrong address', fails, ['a:ip=10.0.0.256'], 'USAGE', /no IPv6 address/);
test('a group as MAC address', fails, ['a:mac=01:00:5e:00:00:01'], 'USAGE', /no MAC address/);
test('a long interface name', fails, ['a:interface_name=abcdefghijklmnop'], 'USAGE', /interface/);
test('a name with a blank', fails, ['a b'], 'USAGE', /not a name/);
test('--ip without a network of its own', fails, [], 'USAGE', /--ip: not possible/, { ip: '10.0.0.1' });
test('an alias on the host', fails, ['host'], 'USAGE', /--network-alias/, { aliases: ['x'] });
test('an alias that nobody can ask for', fails, ['a'], 'USAGE', /no name/, { aliases: ['a b'] });
