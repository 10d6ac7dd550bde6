import test from 'ava';
import { parseOsRelease } from '../../lib/host/os-release.js';

test('os-release tells the distribution, quoted or not; one without a usable ID tells nothing', (t) => {
  t.deepEqual(parseOsRelease('NAME="Debian"\nID=debian\nVERSION_ID="12"\n'), { id: 'debian', version: '12' });
  t.deepEqual(parseOsRelease("ID='alpine'\n"), { id: 'alpine', version: '' });
  t.is(parseOsRelease('ID=debian\nVERSION_CODENAME=bookworm\n')?.codename, 'bookworm');
  t.is(parseOsRelease('NAME=x\n'), undefined);
  t.is(parseOsRelease('ID=../../x y\n'), undefined);
});
