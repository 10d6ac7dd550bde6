/** Names of places as skopeo writes them. */
import test from 'ava';
import { CoracleError } from '../../lib/errors.js';
import { type PlaceName, parsePlace } from '../../lib/transfer/place-name.js';

const digest = `sha256:${'a'.repeat(64)}`;
const reads = test.macro((t, text: string, expected: unknown) => {
  t.deepEqual(parsePlace(text) as unknown, expected as PlaceName);
});

test('a registry', reads, 'docker://quay.io/team/app:1', {
  kind: 'docker',
  reference: { registry: 'quay.io', repository: 'team/app', tag: '1' },
});
test('a bare name at Docker Hub', reads, 'docker://alpine', {
  kind: 'docker',
  reference: { registry: 'docker.io', repository: 'library/alpine', tag: 'latest' },
});
test('a layout', reads, 'oci:some/dir', { kind: 'oci', path: 'some/dir', select: {} });
test('a layout and a name with colons', reads, 'oci:dir:localhost:5000/app:1', {
  kind: 'oci',
  path: 'dir',
  select: { name: 'localhost:5000/app:1' },
});
test('a layout and a digest', reads, `oci:/dir@${digest}`, { kind: 'oci', path: '/dir', select: { digest } });
test('a layout and a place', reads, 'oci:/dir:@2', { kind: 'oci', path: '/dir', select: { index: 2 } });
test('a path with an at sign', reads, 'oci:me@home', { kind: 'oci', path: 'me@home', select: {} });
test('archives', reads, 'oci-archive:a.tar:x', { kind: 'oci-archive', path: 'a.tar', select: { name: 'x' } });
test('archives of docker', reads, 'docker-archive:a.tar:@0', {
  kind: 'docker-archive',
  path: 'a.tar',
  select: { index: 0 },
});
test('a directory may have colons', reads, 'dir:/a:b', { kind: 'dir', path: '/a:b' });
test('this store', reads, 'store:web:1', { kind: 'store', name: 'web:1' });
test('this store as podman says it', reads, 'containers-storage:web', { kind: 'store', name: 'web' });

test('what names no place is refused with the reason', (t) => {
  for (const [text, message] of [
    ['web', /begins with none of docker:\/\//],
    ['', /begins with none/],
    ['docker:alpine', /write docker:\/\//],
    ['docker://', /write docker:\/\//],
    ['docker://team/Up', /upper-case/],
    ['oci:', /no path/],
    ['oci::tag', /no path/],
    ['oci:dir:', /nothing is named/],
    [`oci:dir@sha256:${'a'.repeat(63)}`, /no digest/],
    ['dir:', /no path/],
    ['dir:a\0b', /no path/],
    ['store:', /no image is named/],
    ['docker-daemon:x', /none of/],
  ] as const) {
    t.throws(() => parsePlace(text), { instanceOf: CoracleError, message }, text);
  }
});
