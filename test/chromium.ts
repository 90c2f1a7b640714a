/** A real Chromium for the tests of the page: Debian's, headless, ended with its test. */
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page, type Request } from 'playwright-core';
import { atEnd, type Owner } from './processes.ts';

const PATH = '/usr/bin/chromium';

/** Why tests with Chromium are skipped; false when they are not. */
export const NO_CHROMIUM = !existsSync(PATH) && `no ${PATH}: apt-get install chromium`;

/** A page, and what went wrong or elsewhere in it. */
export interface Opened {
  readonly page: Page;
  /** Whatever the page said on its console, and errors that nobody caught. */
  readonly complaints: string[];
  /** URLs of all that it asked for. */
  readonly asked: string[];
}

export async function startChromium(owner: Owner): Promise<Browser> {
  // Its sandbox does not start for root.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath: PATH, args });
  atEnd(owner, () => browser.close());
  return browser;
}

/** A fresh page in a context of its own, which reads numbers as in `en-US`; it has gone nowhere yet. */
export async function openPage(
  owner: Owner,
  browser: Browser,
  { deadlineMs = 60_000, ...options }: BrowserContextOptions & { deadlineMs?: number } = {},
): Promise<Opened> {
  const context = await browser.newContext({ locale: 'en-US', viewport: { width: 1280, height: 900 }, ...options });
  atEnd(owner, () => context.close());
  context.setDefaultTimeout(deadlineMs);
  const page = await context.newPage();
  const complaints: string[] = [];
  const asked: string[] = [];
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(String(error.stack)));
  page.on('request', (request: Request) => asked.push(request.url()));
  return { page, complaints, asked };
}
