/** Holds src/security/web-config.ts: the toolkit's format is taken whole, and one clear line tells of all that is not. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { readSecurity } from '../src/security/security.ts';
import { CIPHERS, CURVES, TLS_VERSIONS } from '../src/security/tls-names.ts';
import { parseWebConfig, readWebConfig } from '../src/security/web-config.ts';
import { webContext } from '../src/security/web-tls.ts';
import { makeCertificate, NO_OPENSSL } from './certificates.ts';
import { freshDirectory } from './processes.ts';
import { NO_PROMTOOL } from './prometheus-server.ts';

const HASH = '$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG';
const PAIR = 'cert_file: a.pem\n  key_file: a.key';
const NO_TLS = { sslCertfile: '', sslKeyfile: '', sslClientCafile: '', sslClientAuthRequired: false };
const directory = freshDirectory({ after });

describe('a web configuration', () => {
  it('says everything that the toolkit has a name for', () => {
    const config = parseWebConfig(
      `# of a shop
tls_server_config:
  cert_file: tls/a.pem
  key_file: /etc/a.key
  client_auth_type: "RequireAndVerifyClientCert"
  client_ca_file: ../ca.pem
  client_allowed_sans:
    - prometheus.example
    - 10.0.0.7
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: no
  curve_preferences: [X25519, CurveP256]
http_server_config:
  http2: true
  headers:
    X-Frame-Options: deny
    X-XSS-Protection: 1
    X-Content-Type-Options: nosniff
    Content-Security-Policy: ""
    Strict-Transport-Security: max-age=31536000
basic_auth_users:
  prometheus: ${HASH}
  1234: ${HASH.replace('2y', '2a')}
bearer_tokens:
  agent: sha256:${'AB'.repeat(32)}
rate_limit:
  interval: 1m0.5s
  burst: 20
`,
      '/etc/shop',
    );
    const { tls, ...others } = config;
    assert.deepEqual(others, {
      users: new Map([
        ['prometheus', HASH],
        ['1234', HASH.replace('2y', '2a')],
      ]),
      tokens: new Map([['agent', `sha256:${'ab'.repeat(32)}`]]),
      headers: {
        'X-Frame-Options': 'deny',
        'X-XSS-Protection': '1',
        'X-Content-Type-Options': 'nosniff',
        'Strict-Transport-Security': 'max-age=31536000',
      },
      rateLimit: { intervalMs: 60_500, burst: 20 },
    });
    assert.deepEqual(
      [tls?.cert_file, tls?.key_file, tls?.client_ca_file],
      ['/etc/shop/tls/a.pem', '/etc/a.key', '/etc/ca.pem'],
    );
    assert.deepEqual(tls?.client_auth_type, { isAsked: true, isRequired: true, isVerified: true });
    assert.deepEqual(tls?.client_allowed_sans, ['prometheus.example', '10.0.0.7']);
    assert.deepEqual(webContext(tls!), {
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      honorCipherOrder: false,
      ciphers:
        'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256',
      ecdhCurve: 'X25519:P-256',
    });
  });

  it('may have certificates in itself, anchors, and sections with nothing in them', () => {
    const text = `
tls_server_config: {cert: "A", key: "B", client_auth_type: RequireClientCert}
basic_auth_users:
  one: &hash "${HASH}"
  two: *hash
bearer_tokens:
rate_limit: {interval: 0}`;
    const { tls, users, tokens, rateLimit } = parseWebConfig(text, '/');
    assert.deepEqual([tls?.cert, tls?.key], ['A', 'B']);
    assert.deepEqual([...users.values()], [HASH, HASH]);
    assert.deepEqual([tokens.size, rateLimit], [0, undefined]);
    assert.equal(parseWebConfig('tls_server_config:\nbasic_auth_users: {}', '/').tls, undefined);
    assert.equal(parseWebConfig('{}', '/').tls, undefined);
  });
});

describe('one clear line tells', () => {
  const CASES: Record<string, [string, RegExp]> = {
    'of a name that is nearly known': [
      `tls_server_config:\n  cert_filse: x`,
      /^line 2: tls_server_config\.cert_filse is not known; is cert_file meant\?$/,
    ],
    'of a section that nobody knows': ['\nfoo: 1', /^line 2: foo is not known; there are tls_server_config, http_/],
    'of an empty file': ['# nothing\n', /^has nothing in it/],
    'of text that is not YAML': ['a: b: c: [', /^line 1: this is not YAML \(\w+\)$/],
    'of a list where names are wanted': ['basic_auth_users: [a]', /^line 1: basic_auth_users is names with values/],
    // Taken for nothing, each of these would let everybody in.
    'of users that are an alias of nothing': [
      'basic_auth_users: *users',
      /^line 1: (?:basic_auth_users is an alias of nothing|this is not YAML \(\w+\))$/,
    ],
    'of certificates that are': [
      'tls_server_config: *tls',
      /^line 1: (?:tls_server_config is an alias of nothing|this is not YAML \(\w+\))$/,
    ],
    'of users in a second document': [
      `http_server_config: {http2: true}\n---\nbasic_auth_users: {a: "${HASH}"}`,
      /^line [23]: this is not YAML \(MULTIPLE_DOCS\)$/,
    ],
    // Each has ended the process with its parser.
    'of lists in lists': ['['.repeat(20_000), /^is nested too deeply$/],
    'of lists in lists in one line': [`a:\n  ${'- '.repeat(20_000)}x`, /^is nested too deeply$/],
    'of names of names': ['? '.repeat(20_000), /^is nested too deeply$/],
    'of a single text': ['junk', /^line 1: the file is names with values/],
    'of a name that is there twice': ['rate_limit:\nrate_limit:', /^line 2: rate_limit is there twice$/],
    'of a password instead of a hash': [
      'basic_auth_users:\n  al: s3cret',
      /^line 2: basic_auth_users\.al is no bcrypt/,
    ],
    'of a user without a hash': ['basic_auth_users:\n  al:', /^line 2: basic_auth_users\.al has no hash/],
    'of a hash that takes days': [
      `basic_auth_users:\n  al: ${HASH.replace('$10$', '$31$')}`,
      /^line 2: \S+ is a bcrypt hash of cost 31: accepted are 4 to 15$/,
    ],
    'of a token in plain text': ['bearer_tokens:\n  ci: s3cret', /^line 2: bearer_tokens\.ci is neither a bcrypt hash/],
    'of many slow tokens': [
      `bearer_tokens:\n${[1, 2, 3, 4, 5].map((n) => `  t${n}: ${HASH}\n`).join('')}`,
      /^line \d: bearer_tokens has more than 4 bcrypt hashes/,
    ],
    'of a key without a certificate': ['tls_server_config: {key: x}', /needs cert_file or cert$/],
    'of a certificate without a key': ['tls_server_config: {cert_file: x}', /needs key_file or key$/],
    'of versions without a certificate': ['tls_server_config: {min_version: TLS13}', /needs cert_file or cert$/],
    'of a key that is there twice': [`tls_server_config:\n  ${PAIR}\n  key: x`, /has key and key_file: one of them/],
    'of an authority that nobody is asked for': [
      `tls_server_config:\n  ${PAIR}\n  client_ca_file: x`,
      /has an authority of clients and no client_auth_type/,
    ],
    'of required clients that nobody signs': [
      `tls_server_config:\n  ${PAIR}\n  client_auth_type: RequireAndVerifyClientCert`,
      /needs client_ca_file or client_ca$/,
    ],
    'of names that anybody can give himself': [
      `tls_server_config:\n  ${PAIR}\n  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: [a]`,
      /client_allowed_sans, which need a client_auth_type that verifies/,
    ],
    'of a policy that nobody knows': [
      `tls_server_config:\n  ${PAIR}\n  client_auth_type: Always`,
      /^line 4: tls_server_config\.client_auth_type is "Always": accepted are NoClientCert, /,
    ],
    'of a path of two lines': [
      `tls_server_config:\n  cert_file: "a\\nb"\n  key_file: c`,
      /cert_file is a path in one line$/,
    ],
    'of a name that a terminal would act on': ['tls_server_config: {min_version: "\\u009b1m"}', /is "\?1m": accepted/],
    'of a version that is none': [`tls_server_config:\n  ${PAIR}\n  min_version: TLS14`, /is "TLS14": .* TLS10, TLS11/],
    'of versions the wrong way round': [
      `tls_server_config:\n  ${PAIR}\n  min_version: TLS13\n  max_version: TLS12`,
      /has a min_version above its max_version$/,
    ],
    'of a cipher that Go does not have': [
      `tls_server_config:\n  ${PAIR}\n  cipher_suites:\n  - TLS_RSA_WITH_NULL_MD5`,
      /^line 5: tls_server_config\.cipher_suites is "TLS_RSA_WITH_NULL_MD5"/,
    ],
    'of a curve that is none': [`tls_server_config:\n  ${PAIR}\n  curve_preferences: [P1]`, /is "P1": .* CurveP256/],
    'of a header that may not be set': ['http_server_config: {headers: {X-Foo: 1}}', /headers\.X-Foo is not known/],
    'of a value of a header': [
      'http_server_config: {headers: {X-Frame-Options: all}}',
      /is "all": accepted are deny, sameorigin$/,
    ],
    'of a header of two lines': [
      'http_server_config: {headers: {Content-Security-Policy: "a\\r\\nSet-Cookie: b"}}',
      /is one line of ASCII$/,
    ],
    'of what is neither true nor false': ['http_server_config: {http2: maybe}', /http2 is true or false$/],
    'of a limit that nobody can pass': ['rate_limit: {interval: 1s, burst: 0}', /needs a burst of 1 or more/],
    'of a time without a unit': ['rate_limit: {interval: 5, burst: 1}', /interval is a time such as 500ms, 1s/],
    'of a burst that is no number': ['rate_limit: {interval: 1s, burst: x}', /burst is a whole number$/],
  };
  for (const [what, [text, line]] of Object.entries(CASES)) {
    it(what, () => {
      assert.throws(
        () => parseWebConfig(text, '/'),
        ({ message }: Error) => {
          assert.match(message, line);
          assert.doesNotMatch(message, /\n|s3cret|\$2y/);
          return true;
        },
      );
    });
  }

  it('of any text whatever, without ever quoting what may be a secret', () => {
    const secret = 'hunter2hunter2';
    const piece = fc.oneof(
      fc.string({ maxLength: 8 }),
      fc.constantFrom(
        secret,
        'basic_auth_users:',
        '\n',
        '  ',
        ': ',
        '- ',
        '[',
        '{',
        '"',
        '&a ',
        '*a',
        'bearer_tokens:\n  x: ',
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          parseWebConfig(pieces.join(''), '/');
        } catch (error) {
          const { message } = error as Error;
          assert.match(message, /^(?:line \d+: |has nothing)/);
          assert.doesNotMatch(message, /[\n\r]/);
          // As a name it is shown, which is what names are for.
          assert.ok(!message.includes(`"${secret}`) && !/hunter2hunter2 \S*hunter2/.test(message), message);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('what promtool takes is taken, and what it refuses is refused', {
  skip: NO_PROMTOOL || (NO_OPENSSL ?? false),
}, () => {
  const { certFile, keyFile } = makeCertificate(directory, 'pair');
  const pair = `tls_server_config:\n  cert_file: ${certFile}\n  key_file: ${keyFile}\n`;
  const TEXTS: Record<string, string> = {
    'an empty object': '{}',
    'a certificate and a key': pair,
    'no key': `tls_server_config:\n  cert_file: ${certFile}`,
    'no certificate': `tls_server_config:\n  key_file: ${keyFile}`,
    'a file that is not there': pair.replace('pair.pem', 'none.pem'),
    'a key that is a certificate': pair.replace('pair.key', 'pair.pem'),
    ...Object.fromEntries(
      ['NoClientCert', 'RequestClientCert', 'RequireAnyClientCert', 'RequireClientCert', 'VerifyClientCertIfGiven'].map(
        (type) => [type, `${pair}  client_auth_type: ${type}`],
      ),
    ),
    RequireAndVerifyClientCert: `${pair}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ${certFile}`,
    'a type that is none': `${pair}  client_auth_type: yes please`,
    'an authority and no type': `${pair}  client_ca_file: ${certFile}`,
    'an authority that is not there': `${pair}  client_auth_type: RequestClientCert\n  client_ca_file: none.pem`,
    ...Object.fromEntries(
      [...CIPHERS.keys()].map((cipher) => [`the cipher ${cipher}`, `${pair}  cipher_suites: [${cipher}]`]),
    ),
    "OpenSSL's name of a cipher": `${pair}  cipher_suites: [ECDHE-RSA-AES128-SHA]`,
    'a cipher without a future': `${pair}  cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]`,
    ...Object.fromEntries(
      [...CURVES.keys(), 'secp256r1'].map((curve) => [`the curve ${curve}`, `${pair}  curve_preferences: [${curve}]`]),
    ),
    ...Object.fromEntries(
      [...TLS_VERSIONS.keys(), 'TLS9', 'TLSv1.2'].map((version) => [
        `from ${version}`,
        `${pair}  min_version: ${version}`,
      ]),
    ),
    headers: 'http_server_config: {http2: false, headers: {X-Frame-Options: deny, X-XSS-Protection: 1}}',
    'a header in small letters': 'http_server_config: {headers: {x-frame-options: deny}}',
    'a value of a header in large letters': 'http_server_config: {headers: {X-Frame-Options: DENY}}',
    'a header that may not be set': 'http_server_config: {headers: {Set-Cookie: a}}',
    'neither true nor false': 'http_server_config: {http2: 2}',
    on: 'http_server_config: {http2: on}',
    users: `basic_auth_users:\n  a: ${HASH}\n  b: ${HASH.replace('2y', '2a')}`,
    'a user with a password': 'basic_auth_users: {a: secret}',
    'a list of users': 'basic_auth_users: [a]',
    'a name that is there twice': `basic_auth_users: {a: ${HASH}, a: ${HASH}}`,
    'a name that nobody knows': 'basic_auth: {}',
    'a name in a section that nobody knows': `${pair}  certificate: x`,
    'no YAML': 'a: [',
  };
  for (const [what, text] of Object.entries(TEXTS)) {
    it(what, () => {
      const path = join(directory, 'both.yml');
      writeFileSync(path, text);
      const { status, stderr } = spawnSync('promtool', ['check', 'web-config', path], { encoding: 'utf8' });
      const settings = { ...NO_TLS, webConfigFile: path };
      const { problem } = readSecurity(settings);
      assert.equal(problem === undefined, status === 0, `${stderr}; we: ${problem}`);
    });
  }
});

describe('the file', () => {
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };

  it('is named in the line, with the variable', () => {
    const path = file('bad.yml', 'foo: 1');
    assert.equal(
      readWebConfig(path).problem?.startsWith(`GUNICORN_OTEL_WEB_CONFIG_FILE=${path} line 1: foo is not known`),
      true,
    );
  });

  it('is not waited for, and not read beyond its bounds', () => {
    mkdirSync(join(directory, 'folder'));
    execFileSync('mkfifo', [join(directory, 'pipe')]);
    const cases: [string, RegExp][] = [
      [join(directory, 'none.yml'), /cannot be read \(ENOENT\)$/],
      [join(directory, 'folder'), /cannot be read \(EISDIR\)$/],
      [join(directory, 'pipe'), /cannot be read \(it is no file\)$/],
      [file('large.yml', `#${'x'.repeat(256 * 1024)}`), /cannot be read \(it has more than 256 KiB\)$/],
    ];
    for (const [path, line] of cases) assert.match(readWebConfig(path).problem ?? '', line);
  });

  it('does not grow in memory by its anchors', () => {
    const levels = Array.from({ length: 30 }, (_, i) => `a${i}: &a${i} [*a${i - 1}, *a${i - 1}]`).join('\n');
    assert.match(readWebConfig(file('bomb.yml', levels)).problem ?? '', /line \d+: /);
  });
});

it('without a web configuration neither YAML nor bcrypt is loaded', () => {
  const source = `
    const { default: Module } = await import('node:module');
    await import(${JSON.stringify(new URL('../src/export/endpoint.js', import.meta.url).href)});
    const { readSecurity } = await import(${JSON.stringify(new URL('../src/security/security.js', import.meta.url).href)});
    readSecurity({ ...${JSON.stringify(NO_TLS)}, webConfigFile: process.argv[1] ?? '' });
    console.log(Object.keys(Module._cache).filter((path) => /node_modules.(yaml|bcryptjs)./.test(path)).length > 0);`;
  const path = join(directory, 'some.yml');
  writeFileSync(path, '{}');
  const loads = (...args: string[]) =>
    execFileSync(process.execPath, ['--input-type=module', '--eval', source, ...args], { encoding: 'utf8' }).trim();
  assert.deepEqual([loads(), loads(path)], ['false', 'true']);
});
