/** PROMETHEUS_SSL_CERTFILE: the certificate of the endpoint. */
import { holdSetting, NO_LINE } from './setting-cases.ts';

holdSetting('sslCertfile', {
  variable: 'PROMETHEUS_SSL_CERTFILE',
  fallback: '',
  valid: [
    ['/etc/tls/tls.pem', '/etc/tls/tls.pem'],
    ['relative.pem', 'relative.pem'],
    ['/with space/ä.pem', '/with space/ä.pem'],
  ],
  invalid: [...NO_LINE],
});
