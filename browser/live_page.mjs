// Owns the test of the live page: what someone who looks for a request does, in a browser, with the storefront under load
// and with a crowd of 100 000. Started by `run`, which says what the environment holds.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';

const { BROWSER, MODULES, PICTURES, PROGRAMS } = process.env;
const { chromium } = createRequire(MODULES)('playwright-core');
const PATIENCE = 20_000;
const CROWD = 100_000;
const CREW = 1_000;
const EVERYBODY = CROWD + CROWD / CREW;
const SCRIPT = '<script>window.stolen = 1</script><img src=x onerror="window.stolen = 1">';

let browser, storefront, crowd;
const complaints = [];
const strangers = [];

/** Starts a program that prints where its page is, and what else it says as `name: address`. */
async function start(program, ...options) {
    const child = spawn(`${PROGRAMS}/${program}`, options, { stdio: ['pipe', 'pipe', 'inherit'] });
    const said = {};
    for await (const line of createInterface(child.stdout)) {
        const [, name, url] = /^(page|shop): (http:[^ ,]+)/.exec(line) ?? [];
        if (name) said[name] = url;
        if (said.page && (said.shop || program !== 'storefront')) break;
    }
    child.stdout.resume();
    assert.ok(said.page, `${program} ended without a page`);
    return { ...said, stop: () => child.kill() };
}

before(async () => {
    storefront = await start('storefront', '--inspect', '--concurrency', '16');
    crowd = await start('examples/crowd', String(CROWD), '--serve');
    browser = await chromium.launch({
        executablePath: BROWSER,
        args: ['--no-sandbox', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
    });
});
after(async () => {
    await browser?.close();
    storefront?.stop();
    crowd?.stop();
});

/** Opens a page that is watched for errors and for requests to other hosts, and closed after `use`. */
async function open(url, use, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 560 }, ...options });
    context.setDefaultTimeout(PATIENCE);
    context.on('request', (request) => {
        if (new URL(request.url()).origin !== new URL(url).origin) strangers.push(request.url());
    });
    context.on('weberror', (error) => complaints.push(String(error.error())));
    context.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    const page = await context.newPage();
    try {
        await page.goto(url);
        await page.locator('#routines tbody tr').first().waitFor();
        await use(page);
    } finally {
        await context.close();
    }
}

/** Waits until `holds`, which runs in the page, is true of `given`. */
const until = (page, holds, given) => page.waitForFunction(holds, given, { timeout: PATIENCE });

/** Types into the search field and waits until so many match. */
async function search(page, words, matching) {
    await page.locator('#search').fill(words);
    await total(page, matching);
}

/** Waits until the page says that so many match. */
const total = (page, matching) =>
    until(page, (n) => document.querySelector('#total').textContent.replace(/[\s,_']/g, '').match(/\d+/)?.[0] === String(n), matching);

/** The ids of the rows, in their order. */
const ids = (page) => page.locator('#routines tbody tr').evaluateAll((rows) => rows.map((row) => Number(row.dataset.id)));

/** The texts of a column. */
const column = (page, name) => page.locator(`#routines tbody td[data-col="${name}"]`).allTextContents();

/** What the service says, which is what the page is compared with. */
async function json(url, query) {
    const answer = await fetch(`${url}/json?${new URLSearchParams(query)}`);
    assert.equal(answer.status, 200);
    return answer.json();
}

/** An order that stays with the supplier until its customer leaves: its request, its supplier and the supplier's warehouses. */
async function order(id, tenant = 'acme') {
    const leaving = new AbortController();
    const answer = fetch(`${storefront.shop}/orders`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-request-id': id, 'x-tenant': tenant },
        body: JSON.stringify({ sku: 1, quantity: 2, trouble: 'slow-supplier' }),
        signal: leaving.signal,
    }).then((early) => early.text(), () => 'left');
    const leave = async () => {
        leaving.abort();
        assert.equal(await answer, 'left');
    };
    for (const end = Date.now() + PATIENCE; Date.now() < end; await setTimeout(50)) {
        const { routines } = await json(storefront.page, { q: JSON.stringify(`request_id=${id}`) });
        const root = routines.find((one) => one.name === 'POST /orders');
        const supplier = routines.find((one) => one.parent === root?.id && one.children === 2);
        const warehouses = routines.filter((one) => one.parent === supplier?.id);
        if (routines.length === 4 && warehouses.length === 2) return { leave, root, supplier, warehouses };
    }
    leaving.abort();
    throw new Error(`the order ${id} does not reach its warehouses: ${await answer}`);
}

/** Waits until the row of this id has the focus. */
const focused = (page, id) => until(page, (id) => document.activeElement?.dataset.id === String(id), id);

const row = (page, id) => page.locator(`#routines tr[data-id="${id}"]`);

async function picture(page, name) {
    if (PICTURES) await page.screenshot({ path: `${PICTURES}/${name}.png` });
}

test('a request is found by its id, with all it started, and is gone when it ends', async () => {
    const { leave } = await order('looked-for');
    await open(storefront.page, async (page) => {
        await search(page, 'looked-for', 4);
        const values = page.locator('#routines td[data-col="values"] .value[data-name="request_id"]');
        for (const text of await values.allTextContents()) assert.match(text, /looked-for/);
        assert.equal(await values.count(), 4);
        await leave();
        await total(page, 0);
        assert.deepEqual(await ids(page), []);
    });
});

test('the tree leads from a request down to the tasks of its task', async () => {
    const { leave, root, supplier, warehouses } = await order('tree');
    await open(storefront.page, async (page) => {
        await search(page, 'request_id=tree', 4);
        await page.locator('#view-tree').click();
        await page.locator(`#tree li[data-id="${root.id}"]`).waitFor();
        for (const { id } of [root, supplier]) await page.locator(`#tree li[data-id="${id}"] > .row > .toggle`).click();
        for (const { id } of warehouses) {
            await page.locator(`#tree li[data-id="${root.id}"] li[data-id="${supplier.id}"] li[data-id="${id}"]`).waitFor();
        }
        await picture(page, 'live-tree-dark');
    }, { colorScheme: 'dark' });
    await leave();
});

test('the details of a task name the chain of its parents', async () => {
    const { leave, root, supplier, warehouses } = await order('chain');
    await open(storefront.page, async (page) => {
        await search(page, 'request_id=chain', 4);
        await row(page, warehouses[0].id).click();
        await page.locator(`#details[data-id="${warehouses[0].id}"] .chain`).waitFor();
        const chain = await page.locator('#details .chain [data-id]').evaluateAll((links) => links.map((link) => Number(link.dataset.id)));
        assert.deepEqual(chain.slice(0, 2), [supplier.id, root.id]);
        assert.match(await page.locator('#details').textContent(), /supplier\.rs/);
        await picture(page, 'live-details');
    });
    await leave();
});

test('a script in a header value stays text, in every view', async () => {
    const { leave, root } = await order('scripted', SCRIPT);
    await open(storefront.page, async (page) => {
        await search(page, 'window.stolen', 4);
        assert.equal(await row(page, root.id).locator('.value[data-name="tenant"]').count(), 1);
        assert.ok((await row(page, root.id).locator('.value[data-name="tenant"]').textContent()).includes(SCRIPT));
        await row(page, root.id).click();
        await until(page, (script) => document.querySelector('#details').textContent.includes(script), SCRIPT);
        await page.keyboard.press('Escape');
        for (const view of ['tree', 'groups', 'table']) {
            await page.locator(`#view-${view}`).click();
            await page.locator(`#view-${view}[aria-pressed="true"]`).waitFor();
            await until(page, (script) => document.querySelector('main').innerText.includes(script), SCRIPT);
            assert.equal(await page.locator('main img, main script, #details img, #details script').count(), 0);
        }
        assert.equal(await page.evaluate(() => window.stolen), undefined);
    });
    await leave();
});

test('the page follows the load by itself, and stands still while it is paused', async () => {
    await open(storefront.page, async (page) => {
        const first = await ids(page);
        const others = (ids) =>
            [...document.querySelectorAll('#routines tbody tr')].map((row) => Number(row.dataset.id)).join() !== ids.join();
        await until(page, others, first);
        await search(page, 'request_id=paused', 0);
        await page.locator('#pause').click();
        const { leave } = await order('paused');
        await open(storefront.page, async (other) => {
            await search(other, 'request_id=paused', 4);
        });
        assert.deepEqual(await ids(page), []);
        await page.locator('#pause').click();
        await total(page, 4);
        await leave();
    });
});

test('a crowd is sorted as a whole by its columns, both ways', async () => {
    await open(crowd.page, async (page) => {
        for (const [name, field, order] of [
            ['id', 'id_text', (a, b) => a - b],
            ['parent', 'parent_text', (a, b) => a - b],
            ['name', 'name', (a, b) => (a < b ? -1 : 1)],
        ]) {
            const head = page.locator(`#routines th[data-sort="${name}"]`);
            for (let turn = 0; turn < 2; turn += 1) {
                const before = await head.getAttribute('aria-sort');
                await head.locator('button').click();
                await until(page, ([name, before]) => {
                    const now = document.querySelector(`#routines th[data-sort="${name}"]`).getAttribute('aria-sort');
                    return now && now !== before;
                }, [name, before]);
                const desc = (await head.getAttribute('aria-sort')) === 'descending';
                const { routines } = await json(crowd.page, { sort: name, desc });
                const shown = await column(page, name);
                assert.deepEqual(shown, routines.map((one) => one[field] ?? ''));
                const valued = shown.filter(Boolean);
                assert.deepEqual(valued, valued.toSorted(desc ? (a, b) => order(b, a) : order));
            }
        }
        const { routines: [last] } = await json(crowd.page, { sort: 'id', desc: true, per_page: 1 });
        assert.ok(last.id >= CROWD);
    });
});

test('a crowd is filtered by a value', async () => {
    await open(crowd.page, async (page) => {
        await search(page, 'crew=', EVERYBODY);
        await search(page, 'number=77777', 1);
        assert.match((await column(page, 'values'))[0], /77777/);
        await search(page, 'crew=77', CREW + 1);
        const crews = await page.locator('.value[data-name="crew"]').allTextContents();
        assert.ok(crews.length > 1 && crews.every((text) => /\b77$/.test(text.trim())), String(crews));
    });
});

test('a crowd of 100 000 is paged through, each routine on one page', async () => {
    await open(crowd.page, async (page) => {
        const seen = new Set();
        let shown = await ids(page);
        const size = shown.length;
        assert.ok(size <= 1_000, 'the page holds no more than it shows');
        for (let turn = 0; turn < 10; turn += 1) {
            for (const id of shown) assert.ok(!seen.has(id), `${id} twice`);
            shown.forEach((id) => seen.add(id));
            await page.locator('#next').click();
            await until(page, (last) => {
                const first = document.querySelector('#routines tbody tr')?.dataset.id;
                return first !== undefined && Number(first) !== last;
            }, shown[0]);
            shown = await ids(page);
        }
        assert.equal(seen.size, 10 * size);
        await page.locator('#prev').click();
        await until(page, (ids) => ids.includes(Number(document.querySelector('#routines tbody tr').dataset.id)), [...seen]);
    });
});

test('everything is done by keyboard', async () => {
    await open(crowd.page, async (page) => {
        const first = await ids(page);
        await page.keyboard.press('n');
        await until(page, (id) => document.querySelector('#routines tbody tr')?.dataset.id !== String(id), first[0]);
        await page.keyboard.press('p');
        await until(page, (id) => document.querySelector('#routines tbody tr')?.dataset.id === String(id), first[0]);
        await page.keyboard.press('/');
        await until(page, () => document.activeElement?.id === 'search');
        await page.keyboard.type('crew=5 number=5003');
        await total(page, 1);
        const [wanted] = await ids(page);
        await page.keyboard.press('ArrowDown');
        await focused(page, wanted);
        await page.keyboard.press('Enter');
        await page.locator(`#details[data-id="${wanted}"]`).waitFor();
        await page.keyboard.press('Escape');
        await page.locator('#details').waitFor({ state: 'hidden' });
        // What is there is selected, so that what is typed replaces it.
        await page.keyboard.press('/');
        await page.keyboard.press('Backspace');
        await page.keyboard.press('Escape');
        await until(page, () => document.activeElement?.id !== 'search');
        await until(page, (many) => document.querySelectorAll('#routines tbody tr').length === many, first.length);
        const all = await ids(page);
        for (const [key, at] of [['j', 0], ['j', 1], ['ArrowDown', 2], ['k', 1], ['ArrowUp', 0]]) {
            await page.keyboard.press(key);
            await focused(page, all[at]);
        }
    });
});

/** WCAG's contrast of the text of `selector` with the page behind it, as the browser computes the colours. */
const contrast = (page, selector) =>
    page.evaluate((selector) => {
        const light = (colour) => {
            const [r, g, b] = colour.match(/[\d.]+/g).slice(0, 3).map((part) => {
                const share = part / 255;
                return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const text = light(getComputedStyle(document.querySelector(selector)).color);
        const transparent = 'rgba(0, 0, 0, 0)';
        const behind = [document.body, document.documentElement].map((one) => getComputedStyle(one).backgroundColor);
        const ground = light(behind.find((colour) => colour !== transparent) ?? 'rgb(255, 255, 255)');
        return { ground, ratio: (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05) };
    }, selector);

test('it is readable in light and in dark', async () => {
    const waiting = await Promise.all(['acme', 'bolt', 'crag', 'dune'].map((tenant, at) => order(`req-40${at}`, tenant)));
    const grounds = {};
    for (const colorScheme of ['light', 'dark']) {
        await open(storefront.page, async (page) => {
            await page.locator('.value[data-name="tenant"]').first().waitFor();
            for (const selector of ['#routines td', '#routines th', '#total', '.value[data-name="tenant"]']) {
                const { ground, ratio } = await contrast(page, selector);
                assert.ok(ratio >= 4.5, `${colorScheme}: contrast of ${selector} is ${ratio.toFixed(1)}`);
                grounds[colorScheme] = ground;
            }
            await page.locator('#search').fill('request_id=');
            await until(page, () => !document.querySelector('#routines .value')?.closest('tbody').textContent.includes('worker'));
            await picture(page, `live-page-${colorScheme}`);
        }, { colorScheme });
    }
    assert.ok(grounds.light > 0.5 && grounds.dark < 0.2, JSON.stringify(grounds));
    await Promise.all(waiting.map(({ leave }) => leave()));
});

test('nothing complained, and no other host was asked for anything', () => {
    assert.deepEqual({ complaints, strangers }, { complaints: [], strangers: [] });
});
