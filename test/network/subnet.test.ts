import test from 'ava';
import fc from 'fast-check';
import { candidates, macOf, subnetOf, whyNot, withBits } from '../../lib/network/allot.js';
import {
  contains,
  type Family,
  formatAddress,
  formatSubnet,
  hostsOf,
  overlap,
  parseAddress,
  parseSubnet,
  type Subnet,
} from '../../lib/network/subnet.js';

function subnet(text: string): Subnet {
  const parsed = parseSubnet(text);
  if (parsed === undefined) throw new Error(`no subnet: ${text}`);
  return parsed;
}

const writes = test.macro((t, text: string, expected?: string) => {
  const address = parseAddress(text);
  t.is(address === undefined ? undefined : formatAddress(address), expected ?? text);
});
test('an IPv4 address', writes, '10.89.0.255');
test('IPv6 with zeros in the middle', writes, 'fd00::1');
test('IPv6 with zeros at the end', writes, 'fd00:1:2::');
test('IPv6 without a run of zeros', writes, '1:2:3:4:5:6:7:8');
test('one zero is no run', writes, '1:0:3:4:5:6:7:8');
test('the longest run goes', writes, '1:0:0:4:0:0:0:8', '1:0:0:4::8');
test('only zeros', writes, '::');
test('the loopback', writes, '0:0:0:0:0:0:0:1', '::1');
test('an IPv4 address inside', writes, '::ffff:1.2.3.4', '::ffff:102:304');

test('what is written is read again, whatever the address', (t) => {
  const addresses = fc.oneof(
    fc.bigInt(0n, (1n << 32n) - 1n).map((value) => ({ family: 4 as Family, value })),
    fc.bigInt(0n, (1n << 128n) - 1n).map((value) => ({ family: 6 as Family, value })),
    fc.array(fc.constantFrom(0n, 1n, 0xffffn), { minLength: 8, maxLength: 8 }).map((groups) => ({
      family: 6 as Family,
      value: groups.reduce<bigint>((value, group) => (value << 16n) | group, 0n),
    })),
  );
  fc.assert(fc.property(addresses, (address) => t.deepEqual(parseAddress(formatAddress(address)), address)));
});

test('subnets have a base, hosts and neighbours', (t) => {
  t.is(formatSubnet(subnet('10.90.3.77/20')), '10.90.0.0/20');
  t.is(formatSubnet(subnet('fd77:1::9/64')), 'fd77:1::/64');
  for (const bad of ['10.0.0.0', '10.0.0.0/33', 'x/8', 'fd00::/129', '/24'])
    t.is(parseSubnet(bad), undefined, bad);
  const { first, last } = hostsOf(subnet('10.0.0.0/30'));
  t.deepEqual(
    [first, last].map((value) => formatAddress({ family: 4, value })),
    ['10.0.0.1', '10.0.0.2'],
  );
  t.true(overlap(subnet('10.0.0.0/8'), subnet('10.89.0.0/24')));
  t.true(overlap(subnet('10.89.0.0/24'), subnet('10.0.0.0/8')));
  t.false(overlap(subnet('10.89.0.0/24'), subnet('10.89.1.0/24')));
  t.false(overlap(subnet('::/0'), subnet('0.0.0.0/0')));
  t.true(contains(subnet('10.89.0.0/24'), { family: 4, value: 0x0a5900ffn }));
});

test('addresses are allotted from the range, without the gateway', (t) => {
  const place = { subnet: '10.1.0.0/29', gateway: '10.1.0.3' };
  t.deepEqual([...candidates(place)], ['10.1.0.1', '10.1.0.2', '10.1.0.4', '10.1.0.5', '10.1.0.6']);
  const range = { first: '10.1.0.0', last: '10.1.0.2' };
  t.deepEqual([...candidates({ ...place, range })], ['10.1.0.1', '10.1.0.2']);
  const six = { subnet: 'fd00::/64', gateway: 'fd00::1' };
  t.is(candidates(six).next().value, 'fd00::2');
});

test('addresses that a container cannot have are named with the reason', (t) => {
  const place = { subnet: '10.1.0.0/24', gateway: '10.1.0.1' };
  t.is(whyNot(place, '10.1.0.9'), undefined);
  t.regex(whyNot(place, '10.2.0.9') ?? '', /does not lie in 10\.1\.0\.0\/24/);
  t.regex(whyNot(place, '10.1.0.1') ?? '', /gateway/);
  t.regex(whyNot(place, '10.1.0.0') ?? '', /means the whole/);
  t.regex(whyNot(place, '10.1.0.255') ?? '', /means the whole/);
  t.regex(whyNot(place, 'fd00::1') ?? '', /does not lie/);
  const network = { subnets: [place, { subnet: 'fd00::/64', gateway: 'fd00::1' }] };
  t.is(subnetOf(network, 6)?.gateway, 'fd00::1');
  t.is(withBits(place, '10.1.0.9'), '10.1.0.9/24');
  t.is(macOf('10.89.0.2'), '02:42:0a:59:00:02');
});
