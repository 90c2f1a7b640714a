/** Holds src/server/page-files.ts, and what the files of the page may be: all of them served, few bytes, nothing inline. */
import assert from 'node:assert/strict';
import { copyFileSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setLogLevel } from '../src/report.ts';
import { PAGE_POLICY, pageRoutes } from '../src/server/page-files.ts';
import { freshDirectory } from './processes.ts';

setLogLevel('none');

const BUILT = fileURLToPath(new URL('../src/page/', import.meta.url));
const SOURCES = fileURLToPath(new URL('../../src/page/', import.meta.url));
const FILES = readdirSync(BUILT).filter((name) => /\.(html|css|js)$/.test(name));
const MAX_BYTES = 60_000;

describe('the files of the page', () => {
  it('are served as what they are, and may load from nowhere else', async () => {
    const types = { html: 'text/html', css: 'text/css', js: 'text/javascript' };
    const routes = pageRoutes();
    for (const [path, answer] of Object.entries(routes)) {
      const file = path === '/' ? 'index.html' : path.slice(1);
      const { status, type, body, headers } = await answer();
      assert.equal(status, 200, path);
      assert.equal(type, `${types[file.split('.')[1] as keyof typeof types]}; charset=utf-8`);
      assert.deepEqual(body, readFileSync(join(BUILT, file)));
      assert.equal(headers?.['Content-Security-Policy'], PAGE_POLICY);
    }
  });

  it('are all served, and no other', () => {
    const served = Object.keys(pageRoutes()).map((path) => (path === '/' ? 'index.html' : path.slice(1)));
    assert.deepEqual(served.sort(), FILES.sort());
  });

  it('name only one another, and load by relative paths, so that a proxy may put them below a path of its own', () => {
    for (const file of FILES) {
      const text = readFileSync(join(BUILT, file), 'utf8');
      const named = [...text.matchAll(/(?:from '\.\/|(?:href|src)=")([^'"#]+)['"]/g)].map(([, name]) => name!);
      const others = ['data:,', 'metrics', 'healthz', 'status.json'];
      assert.deepEqual(
        named.filter((name) => !FILES.includes(name) && !others.includes(name)),
        [],
        file,
      );
      assert.doesNotMatch(text.replaceAll('http://www.w3.org/2000/svg', ''), /https?:\/\//, file);
    }
  });

  it(`are less than ${MAX_BYTES} bytes`, () => {
    const bytes = FILES.reduce((sum, file) => sum + readFileSync(join(BUILT, file)).length, 0);
    assert.ok(bytes < MAX_BYTES, `${bytes}`);
  });

  it('have no way from text to HTML or code, and nothing inline that the policy would refuse', () => {
    for (const file of readdirSync(SOURCES).filter((name) => name.endsWith('.ts'))) {
      const text = readFileSync(join(SOURCES, file), 'utf8');
      assert.doesNotMatch(
        text,
        /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function/,
        file,
      );
    }
    assert.doesNotMatch(
      readFileSync(join(BUILT, 'index.html'), 'utf8'),
      /<style|style=|\son\w+=|<script(?! type="module" src=)/,
    );
  });
});

describe('a file that is missing', () => {
  it('is a 500 that says which and what to do, for all of the page, until it is there', async (t) => {
    const directory = freshDirectory(t);
    for (const file of FILES) copyFileSync(join(BUILT, file), join(directory, file));
    rmSync(join(directory, 'page.css'));
    const routes = pageRoutes(pathToFileURL(`${directory}/`));
    for (const path of ['/', '/page.css', '/page.js']) {
      const { status, type, body } = await routes[path]!();
      assert.deepEqual([status, type], [500, 'text/plain; charset=utf-8']);
      assert.match(String(body), /^the page cannot be shown, .*page\.css.*install it again\n$/);
    }
    copyFileSync(join(BUILT, 'page.css'), join(directory, 'page.css'));
    assert.equal((await routes['/']!()).status, 200);
    // From now on they are of one version, whatever is installed meanwhile.
    rmSync(join(directory, 'page.js'));
    assert.equal((await routes['/page.js']!()).status, 200);
  });
});
