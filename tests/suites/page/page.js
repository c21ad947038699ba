'use strict';
// The page in a real Chromium: errors in the console, accessibility, layout, hostile names, the keyboard, a switchover,
// the token, and what loading costs. Prints "ok NAME" or "FAIL NAME: why" for each test.

const { execFileSync } = require('child_process');
const fs = require('fs');
const path = require('path');
const { parseArgs } = require('util');
const { chromium } = require('playwright-core');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const options = ['open', 'closed', 'token', 'profile', 'cluster', 'screenshots'];
const { values: given } = parseArgs({ options: Object.fromEntries(options.map((name) => [name, { type: 'string' }])) });
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const EVIL = '<img src=x onerror=window.pwned=1>';

// The bars: what loading may cost.
const MOST_BYTES = 150 * 1024;
const MOST_REQUESTS = 5;
const MOST_PAINT_MS = 300;

let failed = 0;

async function test(name, run) {
  try {
    const more = await run();
    console.log(`ok ${name}${more ? ` (${more})` : ''}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}: ${error.message}`);
  }
}

function check(holds, why) {
  if (!holds) throw new Error(why);
}

// A browser of its own for each look: colours, size, and everything that its console said.
async function look(settings, run) {
  const profile = fs.mkdtempSync(`${given.profile}-`);
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: FLAGS, headless: true, viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce', ...settings,
  });
  try {
    const page = context.pages()[0] || (await context.newPage());
    // What only a defect, not a busy machine, reaches.
    page.setDefaultTimeout(60000);
    page.said = [];
    page.requests = [];
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && page.said.push(message.text()));
    page.on('pageerror', (error) => page.said.push(String(error)));
    page.on('request', (request) => page.requests.push(request));
    return await run(page);
  } finally {
    await context.close();
  }
}

async function live(page, url = given.open) {
  await page.goto(`${url}/`);
  await page.waitForSelector('#link[data-state=live]');
  await page.waitForSelector('.server[data-role=primary]');
  await page.waitForSelector('#digests tbody tr');
}

async function screenshot(page, name) {
  if (!given.screenshots) return;
  fs.mkdirSync(given.screenshots, { recursive: true });
  const to = (part) => path.join(given.screenshots, `${name}-${part}.png`);
  await page.evaluate(() => {
    document.activeElement.blur();
    scrollTo(0, 0);
  });
  await page.screenshot({ path: to('top') });
  await page.evaluate(() => document.querySelector('header').remove());
  for (const section of await page.locator('main > section').all()) await section.screenshot({ path: to(await section.getAttribute('id')) });
}

function quiet(page) {
  check(page.said.length === 0, `the console says: ${page.said.join(' | ')}`);
}

async function accessible(page) {
  // By the protocol, which no policy of the page restricts.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
  const lines = violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.target} ${node.any[0]?.message || ''}`).join('; ')}`);
  check(!lines.length, lines.join(' | '));
}

// Sections and cards neither overlap nor leave the viewport.
async function laidOut(page) {
  const wrong = await page.evaluate(() => {
    const found = [];
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > width) found.push(`the page is ${document.documentElement.scrollWidth} wide, the viewport ${width}`);
    const box = (node) => ({ node: node.id || node.className || node.tagName, ...node.getBoundingClientRect().toJSON() });
    for (const group of ['main > *', '.proxy, .server', 'figure', '#digests tbody tr', '.bar > *', '.timeline li']) {
      const boxes = [...document.querySelectorAll(group)].map(box).filter((one) => one.width && one.height);
      for (const one of boxes) if (one.left < -0.5 || one.right > width + 0.5) found.push(`${one.node} reaches from ${one.left} to ${one.right}`);
      boxes.forEach((one, at) => {
        for (const other of boxes.slice(at + 1)) {
          const apart = one.right <= other.left + 0.5 || other.right <= one.left + 0.5 || one.bottom <= other.top + 0.5 || other.bottom <= one.top + 0.5;
          if (!apart) found.push(`${one.node} overlaps ${other.node}`);
        }
      });
    }
    return found;
  });
  check(!wrong.length, wrong.slice(0, 5).join(' | '));
}

async function looks() {
  const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
  for (const [name, settings] of [['light', { colorScheme: 'light' }], ['dark', { colorScheme: 'dark' }], ['phone light', { ...phone, colorScheme: 'light' }], ['phone dark', { ...phone, colorScheme: 'dark' }]]) {
    await look(settings, async (page) => {
      await live(page);
      // Charts have something to show, and rates are known.
      await page.waitForTimeout(2500);
      await page.locator('#digests details summary').first().click();
      await page.fill('#sql', 'SELECT a FROM t WHERE id = 7 FOR UPDATE');
      await page.click('#ask button');
      await page.waitForSelector('#answer dl');
      await test(`accessible, ${name}`, () => accessible(page));
      await test(`laid out, ${name}`, () => laidOut(page));
      await test(`quiet, ${name}`, () => quiet(page));
      await screenshot(page, name.replace(' ', '-'));
    });
  }
}

async function loading() {
  await look({}, async (page) => {
    await live(page);
    await test('loading costs little', async () => {
      const bytes = await page.evaluate(() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].reduce((sum, entry) => sum + entry.transferSize, 0));
      const requests = page.requests.filter((request) => !request.url().startsWith('data:'));
      const outside = requests.filter((request) => !request.url().startsWith(given.open));
      check(!outside.length, `asks ${outside.map((request) => request.url())}`);
      check(requests.length <= MOST_REQUESTS, `${requests.length} requests`);
      check(bytes <= MOST_BYTES, `${bytes} bytes`);
      // Several times: a browser on a busy machine paints late at times.
      const paints = [];
      do {
        if (paints.length) await page.reload();
        await page.waitForSelector('.server');
        await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length);
        paints.push(await page.evaluate(() => Math.round(performance.getEntriesByName('first-contentful-paint')[0].startTime)));
      } while (paints.length < 5 || (paints.length < 40 && Math.min(...paints) >= MOST_PAINT_MS));
      check(Math.min(...paints) < MOST_PAINT_MS, `the first paint after ${paints} ms`);
      return `${requests.length} requests, ${bytes} bytes, first paint after ${paints.join(', ')} ms`;
    });
  });
}

async function hostile() {
  await look({}, async (page) => {
    await live(page);
    await test('hostile names are text', async () => {
      await page.fill('#filter', 'onerror');
      await page.waitForSelector('#digests tbody tr');
      const shown = await page.locator('#digests tbody').innerText();
      check(shown.includes(`\`${EVIL}\``), 'the digest is not shown');
      check(shown.includes(`${EVIL} · ${EVIL}`), 'the account and the schema are not shown');
      await page.fill('#sql', `SELECT '${EVIL}'`);
      await page.click('#ask button');
      await page.waitForSelector('#answer dl');
      const made = await page.evaluate(() => ({ pwned: window.pwned, images: document.images.length, scripts: document.scripts.length }));
      check(made.pwned === undefined && made.images === 0 && made.scripts === 1, JSON.stringify(made));
    });
    await test('nothing inline runs', async () => {
      const ran = await page.evaluate(() => {
        const script = document.createElement('script');
        script.append(document.createTextNode('window.inline = 1'));
        document.body.append(script);
        try {
          document.body.innerHTML = '<p>';
          return 'HTML was made of a text';
        } catch {
          return window.inline;
        }
      });
      check(ran === undefined, ran);
    });
  });
}

async function keyboard() {
  await look({}, async (page) => {
    await live(page);
    const walk = async () => {
      const all = await page.evaluate(() => {
        const nodes = [...document.querySelectorAll('a[href], button, input, textarea, summary, pre[tabindex]')].filter((node) => node.checkVisibility());
        nodes.forEach((node, at) => (node.probe = at));
        return nodes.length;
      });
      await page.evaluate(() => document.activeElement.blur());
      const reached = new Set();
      const blind = new Set();
      for (let at = 0; at < all + 10; at++) {
        await page.keyboard.press('Tab');
        const seen = await page.evaluate(() => {
          const node = document.activeElement;
          if (!node || node.probe === undefined) return null;
          const box = node.getBoundingClientRect();
          const style = getComputedStyle(node);
          const visible = box.right > 0 && box.bottom > 0 && box.top < innerHeight && box.left < innerWidth;
          return { probe: node.probe, name: node.id || node.textContent.slice(0, 30), marked: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && visible };
        });
        if (seen) reached.add(seen.probe);
        if (seen && !seen.marked) blind.add(seen.name);
      }
      return { all, reached, blind };
    };
    await test('the keyboard reaches everything', async () => {
      // The page shows new figures meanwhile, and what it replaces cannot be reached.
      let walked = await walk();
      for (let at = 0; at < 5 && (walked.reached.size < walked.all || walked.blind.size); at++) walked = await walk();
      check(walked.reached.size >= walked.all, `${walked.reached.size} of ${walked.all}`);
      check(!walked.blind.size, `without a visible focus: ${[...walked.blind]}`);
      return `${walked.all} places`;
    });
    await test('sorting and themes by keyboard', async () => {
      await page.focus('#digests th[data-sort=count] button');
      await page.keyboard.press('Enter');
      check((await page.getAttribute('#digests th[data-sort=count]', 'aria-sort')) === 'descending', 'not sorted');
      await page.focus('#theme');
      await page.keyboard.press('Enter');
      await page.keyboard.press('Enter');
      check((await page.evaluate(() => getComputedStyle(document.body).backgroundColor)) === 'rgb(20, 23, 28)', 'not dark');
    });
  });
}

// What changes while nobody looks, or is sent twice.
async function corners() {
  await look({}, async (page) => {
    await live(page);
    await test('open details have the newest figures', async () => {
      const shows = await page.evaluate(async () => {
        const details = document.querySelector('#digests details');
        const toggled = (open) => new Promise((done) => {
          details.addEventListener('toggle', done, { once: true });
          details.open = open;
        });
        await toggled(true);
        for (const digest of shown.digests.digests) digest.rows_sent = 123456789;
        showDigests();
        await toggled(false);
        await toggled(true);
        return details.lastChild.textContent;
      });
      check(shows.includes('123,456,789 sent'), shows);
    });
    await test('times of other days have a date', async () => {
      const wrong = await page.evaluate(() => {
        const date = (ms) => new Date(ms).toLocaleDateString();
        const before = shown.at - 3 * 86400000;
        if (!clock(before).includes(date(before))) return clock(before);
        return clock(shown.at).includes(date(shown.at)) ? clock(shown.at) : '';
      });
      check(!wrong, wrong);
    });
    await test('a clock that is set back does not stop the charts', async () => {
      const added = await page.evaluate(() => {
        const newest = shown.points[shown.points.length - 1];
        const before = { ...newest, at_ms: newest.at_ms - 60000 };
        handlers.now({ ...shown.now, point: before });
        handlers.now({ ...shown.now, point: before });
        return shown.points.filter((point) => point === before).length;
      });
      check(added === 1, `${added} points`);
    });
    await test('a cluster without a server says what was looked for', async () => {
      const said = await page.evaluate((evil) => {
        const watch = { resource: 'pods', looks_for: `pods with the labels ${evil} in namespace ns`, connected: true, since_ms: 0 };
        handlers.now({ ...shown.now, report: { ...shown.now.report, servers: [], writer: null, kubernetes: [watch] } });
        return document.getElementById('alarms').textContent;
      }, EVIL);
      check(said.includes(`There is no server among the pods with the labels ${EVIL} in namespace ns.`), said);
      check(!(await page.evaluate(() => window.pwned)), 'a label ran');
    });
  });
  await look({}, async (page) => {
    await test('a tab that is hidden from the beginning stops reading', async () => {
      await page.addInitScript(() => {
        Object.defineProperty(document, 'hidden', { get: () => true });
        const later = window.setTimeout;
        window.setTimeout = (run, ms) => later(run, ms === 30000 ? 3000 : ms);
      });
      await live(page);
      await page.waitForFunction(() => reading === null);
    });
  });
  await look({}, async (page) => {
    await test('a form that is sent twice is one reader', async () => {
      let ended = 0;
      page.on('requestfailed', (request) => (ended += request.url().endsWith('/events') ? 1 : 0));
      await page.goto(`${given.closed}/`);
      await page.waitForSelector('#login:not([hidden])');
      const before = page.requests.length;
      await page.evaluate((token) => {
        for (let at = 0; at < 2; at++) {
          document.getElementById('token').value = token;
          document.getElementById('login').requestSubmit();
        }
      }, given.token);
      await page.waitForSelector('.server[data-role=primary]');
      const count = () => page.requests.slice(before).filter((request) => request.url().endsWith('/events')).length;
      for (let at = 0; at < 300 && count() - ended !== 1; at++) await page.waitForTimeout(100);
      await page.waitForTimeout(1000);
      const asked = count();
      check(asked - ended === 1, `${asked} requests, ${ended} of them ended`);
    });
  });
}

async function token() {
  await look({}, async (page) => {
    await test('a token is asked for', async () => {
      await page.goto(`${given.closed}/`);
      await page.waitForSelector('#login:not([hidden])');
      check(!(await page.content()).includes('db-0'), 'the page has data before');
      await page.fill('#token', 'wrong');
      await page.keyboard.press('Enter');
      await page.waitForFunction(() => document.getElementById('login-why').textContent.includes('does not accept'));
      await page.fill('#token', given.token);
      await page.keyboard.press('Enter');
      await page.waitForSelector('.server[data-role=primary]');
      check(await page.isHidden('#login'), 'the form stays');
      await page.reload();
      await page.waitForSelector('.server[data-role=primary]');
      check((await page.locator('.server[data-name=db-2]').innerText()).includes('drained by configuration'), 'no server is drained');
      await accessible(page);
    });
  });
}

// Another site, on another port of this machine, tries to read and to send.
async function otherSite() {
  await look({}, async (page) => {
    await test('other sites get nothing', async () => {
      await page.route('http://evil.example/', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>evil</title>' }));
      await page.goto('http://evil.example/');
      const got = await page.evaluate(async (url) => {
        const found = [];
        for (const [where, how] of [['events', {}], ['topology', {}], ['explain', { method: 'POST', body: 'SELECT 1' }], ['explain', { method: 'POST', body: 'SELECT 1', headers: { 'X-Pointsman': 'explain' } }]]) {
          try {
            found.push(`${where}: ${(await fetch(`${url}/${where}`, how)).status}`);
          } catch {
            // Refused by the browser, as it should be.
          }
        }
        const frame = document.createElement('iframe');
        frame.src = url;
        document.body.append(frame);
        await new Promise((done) => (frame.onload = done));
        if (frame.contentDocument) found.push('the page in a frame');
        return found;
      }, given.open);
      check(!got.length, got.join(', '));
      const framed = page.frames().find((frame) => frame !== page.mainFrame());
      check(!framed || !framed.url().startsWith(given.open), 'the page stands in a frame of another site');
    });
  });
}

async function switchover() {
  await look({}, async (page) => {
    await live(page);
    await test('a switchover is seen', async () => {
      const before = await page.getAttribute('.server[data-role=primary]', 'data-name');
      const began = Date.now();
      execFileSync('tests/setup/cluster.sh', ['switchover', given.cluster], { stdio: 'pipe' });
      const done = Date.now();
      await page.waitForFunction((old) => {
        const card = document.querySelector('.server[data-role=primary]');
        return card && card.getAttribute('data-name') !== old;
      }, before);
      const after = await page.getAttribute('.server[data-role=primary]', 'data-name');
      const seen = Math.max(0, Date.now() - done);
      await page.waitForFunction(([from, to]) => document.getElementById('history').textContent.includes(to) && document.getElementById('history').textContent.includes(from), [before, after]);
      check((await page.title()).startsWith(after), 'the title has another primary');
      await page.waitForFunction(() => document.querySelector('#history .cost')?.textContent.includes('without a primary'));
      await laidOut(page);
      quiet(page);
      await screenshot(page, 'switchover');
      return `${before} → ${after}, shown ${seen} ms after its end, which took ${done - began} ms`;
    });
  });
}

(async () => {
  for (const part of [looks, loading, hostile, keyboard, corners, token, otherSite, switchover]) {
    try {
      await part();
    } catch (error) {
      failed += 1;
      console.log(`FAIL ${part.name}: ${error.message}`);
    }
  }
  process.exit(failed ? 1 : 0);
})();
