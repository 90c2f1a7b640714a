/** GUNICORN_OTEL_GAUGE_MODES: how the values of the app's gauges become one. */
import { holdSetting } from './setting-cases.ts';

holdSetting('gaugeModes', {
  variable: 'GUNICORN_OTEL_GAUGE_MODES',
  fallback: {},
  valid: [
    ['queue_depth=livesum,*=liveall', { queue_depth: 'livesum', '*': 'liveall' }],
    ['a=all', { a: 'all' }],
    [' a = min , b:c=mostrecent , ', { a: 'min', 'b:c': 'mostrecent' }],
    [
      'a=all,b=liveall,c=min,d=livemin,e=max,f=livemax,g=sum,h=livesum,i=mostrecent,j=livemostrecent',
      {
        a: 'all',
        b: 'liveall',
        c: 'min',
        d: 'livemin',
        e: 'max',
        f: 'livemax',
        g: 'sum',
        h: 'livesum',
        i: 'mostrecent',
        j: 'livemostrecent',
      },
    ],
  ],
  invalid: [
    'livesum',
    'a=',
    '=all',
    'a=avg',
    'a=ALL',
    'a=all=b',
    'a.b=all',
    '1a=all',
    'a=all,a=min',
    'a=all;b=min',
    '**=all',
  ],
  foreign: [null, 5, true, [], [{}], () => 1, { a: 'avg' }, { a: 5 }],
});
