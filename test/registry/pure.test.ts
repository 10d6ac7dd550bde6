import test from 'ava';
import fc from 'fast-check';
import { CoracleError } from '../../lib/errors.js';
import { parseChallenges } from '../../lib/registry/challenge.js';
import { networkError, responseError, TransientError } from '../../lib/registry/errors.js';
import { isLoopback, isPrivateLiteral } from '../../lib/registry/hosts.js';
import { proxyAuthorization, proxyFor } from '../../lib/registry/proxy.js';
import { backOff, defaultRetryPolicy, withRetry } from '../../lib/registry/retry.js';
import { checkRealm } from '../../lib/registry/token.js';
import { resolveLocation, withoutSecrets } from '../../lib/registry/transport.js';

test('challenges are read by the grammar, several in one header included', (t) => {
  t.deepEqual(
    parseChallenges(
      'Bearer realm="https://a/t?x=1,2",service="s \\"q\\"",scope=pull , Basic realm="r", Negotiate abc==, NTLM',
    ),
    [
      { scheme: 'bearer', parameters: { realm: 'https://a/t?x=1,2', service: 's "q"', scope: 'pull' } },
      { scheme: 'basic', parameters: { realm: 'r' } },
      { scheme: 'negotiate', parameters: {} },
      { scheme: 'ntlm', parameters: {} },
    ],
  );
  t.deepEqual(parseChallenges(''), []);
  t.deepEqual(parseChallenges('BASIC Realm = "x"'), [{ scheme: 'basic', parameters: { realm: 'x' } }]);
  for (const header of ['Bearer realm="open', '"x"', 'Bearer realm="a" "b"', 'x'.repeat(9000)]) {
    t.throws(() => parseChallenges(header), { code: 'REGISTRY' });
  }
});

test('any header is read or refused, and ends', (t) => {
  const character = fc.constantFrom(...'ab=", \\;/');
  fc.assert(
    fc.property(fc.string({ unit: character, maxLength: 60 }), (header) => {
      try {
        parseChallenges(header);
      } catch (error) {
        if (!(error instanceof CoracleError)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

test('loopback and private addresses are known in all their spellings', (t) => {
  for (const host of ['localhost', 'x.localhost', '127.0.0.1', '127.9.9.9', '[::1]', '::ffff:127.0.0.1']) {
    t.true(isLoopback(host), host);
  }
  for (const host of ['localhost.example.org', '128.0.0.1', '::2', '127.example.org', '10.0.0.1']) {
    t.false(isLoopback(host), host);
  }
  for (const host of [
    '10.1.2.3',
    '172.31.0.1',
    '192.168.0.1',
    '169.254.169.254',
    '0.0.0.0',
    '[fd00::1]',
    '[fe80::1]',
    '[::ffff:10.0.0.1]',
    '[::]',
  ]) {
    t.true(isPrivateLiteral(host), host);
  }
  for (const host of ['11.0.0.1', '172.32.0.1', 'example.org', '[2001:db8::1]'])
    t.false(isPrivateLiteral(host), host);
});

test('proxies follow the environment and its exceptions', (t) => {
  const env = { HTTPS_PROXY: 'http://u:p%40@proxy:3128', http_proxy: 'plain:80' };
  const proxy = (url: string, noProxy?: string): string | undefined =>
    proxyFor(new URL(url), { ...env, NO_PROXY: noProxy })?.host;
  t.is(proxy('https://r.example.org/'), 'proxy:3128');
  t.is(proxy('http://r.example.org/'), 'plain');
  t.is(proxy('https://127.0.0.1:5000/'), undefined);
  t.is(proxy('https://localhost/'), undefined);
  const covers: readonly (readonly [string, string])[] = [
    ['*', 'https://a.org'],
    ['example.org', 'https://r.example.org'],
    ['example.org', 'https://example.org'],
    ['.example.org', 'https://r.example.org'],
    ['*.example.org', 'https://r.example.org'],
    ['a.org, r.example.org:443', 'https://r.example.org'],
    ['10.0.0.0/8', 'https://10.1.2.3:5000'],
    ['10.1.2.3', 'https://10.1.2.3:5000'],
    ['fd00::/8', 'https://[fd00::1]'],
    ['[fd00::1]:443', 'https://[fd00::1]'],
  ];
  for (const [list, url] of covers) t.is(proxy(url, list), undefined, `${list} ${url}`);
  const misses: readonly (readonly [string, string])[] = [
    ['.example.org', 'https://example.org'],
    ['example.org', 'https://badexample.org'],
    ['example.org:8443', 'https://example.org'],
    ['10.0.0.0/33', 'https://10.1.2.3'],
    ['1.2.3', 'https://10.1.2.3'],
    ['', 'https://a.org'],
  ];
  for (const [list, url] of misses) t.is(proxy(url, list), 'proxy:3128', `${list} ${url}`);
  t.throws(() => proxyFor(new URL('https://a.org'), { HTTPS_PROXY: 'socks4://x:1' }), {
    code: 'UNSUPPORTED',
  });
  t.is(proxyFor(new URL('https://a.org'), { HTTPS_PROXY: 'socks5://x' })?.host, 'x');
  const header = Buffer.from('u:p@').toString('base64');
  t.deepEqual(proxyAuthorization(new URL(env.HTTPS_PROXY)), { 'proxy-authorization': `Basic ${header}` });
});

test('S38: a realm must be as safe as its registry', (t) => {
  const secure = new URL('https://r.example.org/');
  const plain = new URL('http://127.0.0.1:5000/');
  const ok = (realm: string, registry: URL): string => checkRealm(realm, registry, 'pull x').host;
  t.is(ok('https://auth.example.org/token', secure), 'auth.example.org');
  t.is(ok('http://127.0.0.1:5001/token', plain), '127.0.0.1:5001');
  t.is(ok('https://10.0.0.1/token', new URL('https://10.0.0.1:5000/')), '10.0.0.1');
  for (const [realm, registry] of [
    ['http://r.example.org/token', secure],
    ['https://127.0.0.1/token', secure],
    ['https://127.1/token', secure],
    ['https://0x7f000001/token', secure],
    ['https://[::1]/token', secure],
    ['https://169.254.169.254/latest', secure],
    ['https://localhost/token', secure],
    ['https://u:p@auth.example.org/', secure],
    ['http://10.0.0.1/token', plain],
    ['file:///etc/passwd', plain],
    ['token', secure],
    ['', secure],
  ] as const) {
    t.throws(() => checkRealm(realm, registry, 'pull x'), { code: 'REGISTRY' }, realm);
  }
  t.throws(() => checkRealm(undefined, secure, 'pull x'), { code: 'REGISTRY' });
});

test('S38: a location is resolved, never down to plain HTTP', (t) => {
  const base = new URL('https://r.example.org/v2/a/blobs/uploads/');
  t.is(resolveLocation('/v2/u?s=1', base, 'x').href, 'https://r.example.org/v2/u?s=1');
  t.is(resolveLocation('u2', base, 'x').href, 'https://r.example.org/v2/a/blobs/uploads/u2');
  t.throws(() => resolveLocation('http://r.example.org/u', base, 'x'), { code: 'NETWORK' });
  t.throws(() => resolveLocation('ftp://r.example.org/u', base, 'x'), { code: 'REGISTRY' });
  t.deepEqual(withoutSecrets({ Authorization: 'a', cookie: 'b', accept: 'c' }), { accept: 'c' });
});

test('delays double, are jittered and bounded', (t) => {
  t.is(backOff(defaultRetryPolicy, 1, 0), 250);
  t.is(backOff(defaultRetryPolicy, 3, 0.5), 1500);
  t.is(backOff(defaultRetryPolicy, 20, 1), 30_000);
});

test('only transient failures are repeated, as often as the policy says', async (t) => {
  const policy = { retries: 2, delay: 1, maximumDelay: 1, patience: 1000 };
  const attempts = async (error: CoracleError): Promise<number> => {
    let count = 0;
    await t.throwsAsync(
      withRetry({ policy }, async () => {
        count++;
        throw error;
      }),
      { is: error },
    );
    return count;
  };
  t.is(await attempts(new TransientError('NETWORK', 'x')), 3);
  t.is(await attempts(new CoracleError('NOT_FOUND', 'x')), 1);
  t.is(await attempts(new TransientError('REGISTRY', 'x', { retryAfter: 2000 })), 1);
  const signal = AbortSignal.timeout(20);
  const patient = { ...policy, delay: 60_000, maximumDelay: 60_000 };
  await t.throwsAsync(
    withRetry({ policy: patient, signal }, () => Promise.reject(new TransientError('NETWORK', 'x'))),
    { code: 'ABORTED' },
  );
});

test('S40: error documents become errors that say what to do, without control characters', (t) => {
  const failure = (status: number, body: unknown = '', headers = {}) =>
    responseError('pull r/a', 'r', {
      status,
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers,
    });
  const denied = failure(401, { errors: [{ code: 'DENIED', message: 'no \u001b[31maccess\u202e' }] });
  t.is(denied.code, 'UNAUTHORIZED');
  t.is(denied.message, 'pull r/a: access denied: no [31maccess (status 401)');
  t.regex(denied.hint ?? '', /coracle login r/);
  t.is(failure(404, '<html>').message, 'pull r/a: not found: status 404');
  t.is(
    failure(400, { errors: [{ code: 'NAME_INVALID' }] }).message,
    'pull r/a: r refused: NAME_INVALID (status 400)',
  );
  t.is(failure(400, 'x'.repeat(10)).code, 'REGISTRY');
  t.false(failure(501) instanceof TransientError);
  const limited = failure(429, '', { 'retry-after': '7' });
  t.true(limited instanceof TransientError && limited.retryAfter === 7000);
  const dated = failure(503, '', { 'retry-after': new Date(Date.now() + 5000).toUTCString() });
  t.true(dated instanceof TransientError && (dated.retryAfter ?? 0) > 3000);
});

test('failures of the network are named for what they are', (t) => {
  const failed = (code: string, contacted = false) =>
    networkError('pull x', 'r:1', Object.assign(new Error('boom'), { code }), contacted);
  t.is(failed('ECONNREFUSED').message, 'pull x: r:1 refused the connection');
  t.false(failed('ECONNREFUSED') instanceof TransientError);
  t.true(failed('ECONNREFUSED', true) instanceof TransientError);
  t.is(failed('ENOTFOUND').message, 'pull x: no address for the host r:1');
  t.true(failed('ECONNRESET') instanceof TransientError);
  t.regex(failed('DEPTH_ZERO_SELF_SIGNED_CERT').hint ?? '', /--cert-dir/);
  t.regex(failed('EPROTO').hint ?? '', /--tls-verify=false/);
  const many = new AggregateError([Object.assign(new Error('a'), { code: 'ECONNREFUSED' })]);
  t.is(networkError('pull x', 'r', many, false).message, 'pull x: r refused the connection');
});
