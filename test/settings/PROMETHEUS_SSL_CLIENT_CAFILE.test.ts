/** PROMETHEUS_SSL_CLIENT_CAFILE: who signs the certificates of clients. */
import { holdSetting, NO_LINE } from './setting-cases.ts';

holdSetting('sslClientCafile', {
  variable: 'PROMETHEUS_SSL_CLIENT_CAFILE',
  fallback: '',
  valid: [
    ['/etc/tls/tls.pem', '/etc/tls/tls.pem'],
    ['relative.pem', 'relative.pem'],
    ['/with space/ä.pem', '/with space/ä.pem'],
  ],
  invalid: [...NO_LINE],
});
