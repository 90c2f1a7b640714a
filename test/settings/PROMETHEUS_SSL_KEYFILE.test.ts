/** PROMETHEUS_SSL_KEYFILE: the private key of the endpoint's certificate. */
import { holdSetting, NO_LINE } from './setting-cases.ts';

holdSetting('sslKeyfile', {
  variable: 'PROMETHEUS_SSL_KEYFILE',
  fallback: '',
  valid: [
    ['/etc/tls/tls.pem', '/etc/tls/tls.pem'],
    ['relative.pem', 'relative.pem'],
    ['/with space/ä.pem', '/with space/ä.pem'],
  ],
  invalid: [...NO_LINE],
});
