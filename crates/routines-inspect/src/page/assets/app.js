// Owns what the page does: it asks for one page of rows a second, and shows them. Data becomes text nodes, never markup.
'use strict';

const base = new URL('.', document.currentScript.src);
const $ = (id) => document.getElementById(id);
const tableBody = document.querySelector('#routines tbody');
const groupBody = document.querySelector('#groups tbody');

// ===== what is looked at: kept in the address, so that it can be reloaded and sent to others =====

const ask = { view: 'table', q: '', sort: 'id', desc: false, page: 0, id: '' };
const open = new Map(); // of the tree: id -> how many pages of its children are shown
let paused = false;
let folded = new Set(); // what a filter opened and the reader closed again
let round = 0;
let timer = 0;

function readAddress() {
  const from = new URLSearchParams(location.search);
  ask.view = ['table', 'tree', 'groups'].includes(from.get('view')) ? from.get('view') : 'table';
  ask.q = from.get('q') ?? '';
  ask.sort = from.get('sort') ?? 'id';
  ask.desc = from.get('desc') === 'true';
  ask.page = Math.max(0, Number.parseInt(from.get('page') ?? '1', 10) - 1 || 0);
  ask.id = from.get('id') ?? '';
}

function writeAddress() {
  const to = new URLSearchParams();
  if (ask.view !== 'table') to.set('view', ask.view);
  if (ask.q) to.set('q', ask.q);
  if (ask.sort !== 'id') to.set('sort', ask.sort);
  if (ask.desc) to.set('desc', 'true');
  if (ask.page) to.set('page', ask.page + 1);
  if (ask.id) to.set('id', ask.id);
  const text = to.toString();
  history.replaceState(null, '', text ? `?${text}` : location.pathname);
}

function change(what) {
  Object.assign(ask, what);
  writeAddress();
  refresh();
}

// ===== asking =====

async function fetchJson(query) {
  const answer = await fetch(new URL(`json?${new URLSearchParams(query)}`, base));
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer.json();
}

const query = (more) => ({ q: ask.q, sort: ask.sort, desc: ask.desc, page: ask.page, ...more });

// Asks at once, and again later: after a second, or longer where answers take long.
async function refresh() {
  const mine = ++round;
  clearTimeout(timer);
  const start = performance.now();
  try {
    const [seen, one] = await Promise.all([looks[ask.view](), ask.id ? fetchJson({ id: ask.id }) : null]);
    if (mine !== round) return;
    show(seen);
    showDetails(one);
    status(paused ? 'paused' : 'live', paused ? '' : 'on');
  } catch (error) {
    if (mine !== round) return;
    status(error instanceof TypeError ? 'no answer, trying again' : error.message, 'lost');
  }
  const pause = Math.max(1000, 4 * (performance.now() - start));
  timer = setTimeout(() => !paused && !document.hidden && refresh(), pause);
}

const looks = {
  table: () => fetchJson(query({ view: 'routines' })),
  groups: () => fetchJson(query({ view: 'groups' })),
  tree: async () => {
    const top = await fetchJson(query({ view: 'tree' }));
    await unfold(top, { left: 60 });
    return top;
  },
};

// Adds the children of what is open. A filter opens the way to what it found, as long as that is not too much to ask for.
async function unfold(level, budget) {
  const leads = (row) => row.matches === false && !folded.has(row.id_text) && budget.left-- > 0;
  const wanted = level.routines.filter((row) => row.children > 0 && (open.has(row.id_text) || leads(row)));
  await Promise.all(wanted.map(async (row) => {
    const pages = open.get(row.id_text) ?? 1;
    const at = (page) => fetchJson({ q: ask.q, sort: ask.sort, desc: ask.desc, view: 'tree', parent: row.id_text, page });
    const levels = await Promise.all(Array.from({ length: pages }, (_, page) => at(page)));
    row.level = { routines: levels.flatMap((one) => one.routines), matching: levels[0].matching };
    await unfold(row.level, budget);
  }));
}

// ===== building =====

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'onclick') made.addEventListener('click', value);
    else made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Changes only what differs, so that selections and focus survive.
function put(parent, wanted) {
  const now = parent.childNodes;
  wanted.forEach((node, at) => {
    if (now[at] !== node) parent.insertBefore(node, now[at] ?? null);
  });
  while (now.length > wanted.length) parent.lastChild.remove();
}

function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

const digits = new Intl.NumberFormat('en');
const count = (number) => digits.format(number);

function duration(ms) {
  if (ms === null || ms === undefined) return '';
  if (ms < 1000) return `${ms} ms`;
  if (ms < 60000) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60000);
  const two = (number) => String(number).padStart(2, '0');
  if (minutes < 60) return `${minutes} m ${two(Math.floor(ms / 1000) % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${two(minutes % 60)} m` : `${Math.floor(hours / 24)} d ${two(hours % 24)} h`;
}

function busy(us) {
  if (us === null || us === undefined) return '';
  return us < 1000 ? `${us} µs` : us < 10000 ? `${(us / 1000).toFixed(1)} ms` : duration(Math.round(us / 1000));
}

const chip = (state, label = state) => el('span', { class: `state ${state}` }, label);

function valueChip(tag, name, value, attributes = {}) {
  const shown = String(value);
  const redacted = shown === '[redacted]' ? ' redacted' : '';
  return el(tag, { class: `value${redacted}`, 'data-name': name, title: `${name}: ${shown}`, ...attributes }, shown);
}

const values = (row) => Object.entries(row.values).filter(([name]) => name !== 'deadline');

function deadline(row) {
  const left = row.values.deadline;
  if (left === undefined || left === 'none') return null;
  const over = String(left).startsWith('cancelled');
  return el('span', { class: over ? 'deadline over' : 'deadline' }, String(left));
}

const pair = (name, value) => (/[\s]/.test(value) || value === '' ? `"${name}=${value}"` : `${name}=${value}`);

// ===== the table =====

const columns = {
  id: (row) => row.id_text,
  parent: (row) => row.parent_text ?? '',
  kind: (row) => row.kind,
  name: (row) => row.name ?? '',
  spawned_at: (row) => row.spawned_at ?? '',
  state: (row) => [chip(row.state)],
  age: (row) => duration(row.age_ms),
  idle: (row) => duration(row.idle_ms),
  polls: (row) => (row.state === 'alive' ? '' : count(row.polls)),
  busy: (row) => busy(row.busy_us),
  deadline: (row) => [deadline(row)],
  values: (row) => values(row).map(([name, value]) => valueChip('span', name, value)),
};
const numbers = new Set(['id', 'parent', 'age', 'idle', 'polls', 'busy', 'deadline']);

function fill(cell, content, column) {
  if (typeof content === 'string') {
    text(column === 'spawned_at' ? cell.firstChild : cell, content);
    if (column === 'name' || column === 'spawned_at') cell.title = content;
    return;
  }
  const nodes = content.filter(Boolean);
  const same = nodes.length === cell.childNodes.length && nodes.every((node, at) => node.isEqualNode(cell.childNodes[at]));
  if (!same) cell.replaceChildren(...nodes);
}

function tableRow(row) {
  const made = el('tr', { 'data-id': row.id_text, tabindex: '-1' });
  for (const column of Object.keys(columns)) {
    const cell = el('td', { 'data-col': column, class: numbers.has(column) ? 'number' : null });
    if (column === 'spawned_at') cell.append(el('bdi'));
    made.append(cell);
  }
  return made;
}

function showTable(seen) {
  const known = new Map([...tableBody.children].map((row) => [row.dataset.id, row]));
  keepFocus(tableBody, () => put(tableBody, seen.routines.map((row) => {
    const made = known.get(row.id_text) ?? tableRow(row);
    Object.entries(columns).forEach(([column, show], at) => fill(made.children[at], show(row), column));
    mark(made);
    return made;
  })));
}

// Moving a row takes its focus away, and a routine may end under it.
function keepFocus(list, move) {
  const had = document.activeElement?.closest('[data-id], [data-group]');
  const inside = had && list.contains(had);
  const items = inside ? rows() : [];
  move();
  if (inside && document.activeElement !== had) {
    const next = had.isConnected ? had : rows()[Math.min(items.indexOf(had), rows().length - 1)];
    next?.focus({ preventScroll: true });
  }
  const all = rows();
  if (all.length && !all.some((row) => row.tabIndex === 0)) all[0].tabIndex = 0;
}

function mark(node) {
  if (node.dataset.id === ask.id) node.setAttribute('aria-current', 'true');
  else node.removeAttribute('aria-current');
}

// ===== the groups =====

function showGroups(seen) {
  const known = new Map([...groupBody.children].map((row) => [row.dataset.group, row]));
  keepFocus(groupBody, () => put(groupBody, seen.groups.map((group) => {
    const key = `${group.kind} ${group.spawned_at ?? ''}`;
    const made = known.get(key) ?? el('tr', { 'data-group': key, tabindex: '-1' }, ...Array.from({ length: 8 }, () => el('td')));
    made.dataset.q = [pair('kind', group.kind), group.spawned_at && pair('spawned_at', group.spawned_at)].filter(Boolean).join(' ');
    const cells = [
      count(group.count), group.kind, [el('span', { class: 'at' }, group.spawned_at ?? 'unknown')],
      Object.entries(group.states).map(([state, n]) => chip(state, `${state} ${count(n)}`)),
      duration(group.oldest_ms), count(group.polls), busy(group.busy_us),
      Object.entries(group.values).flatMap(([name, seen]) => commonest(name, seen)),
    ];
    cells.forEach((content, at) => fill(made.children[at], content));
    [0, 4, 5, 6].forEach((at) => made.children[at].classList.add('number'));
    made.children[7].dataset.col = 'values';
    return made;
  })));
}

function commonest(name, seen) {
  if (seen.distinct > 20 && seen.commonest[0][1] === 1) {
    return [el('span', { class: 'value', 'data-name': name }, el('span', { class: 'times' }, `${count(seen.distinct)} different`))];
  }
  const chips = seen.commonest.map(([value, n]) => {
    const made = valueChip('span', name, value);
    made.append(el('span', { class: 'times' }, ` × ${count(n)}`));
    return made;
  });
  const more = seen.distinct - chips.length;
  return more > 0 ? [...chips, el('span', { class: 'value', 'data-name': name }, el('span', { class: 'times' }, `${count(more)} more`))] : chips;
}

// ===== the tree =====

function treeItem(row) {
  const made = el('li', { 'data-id': row.id_text, role: 'treeitem', tabindex: '-1' });
  const toggle = el('button', { class: 'toggle', type: 'button', tabindex: '-1', 'aria-hidden': 'true' });
  made.append(el('div', { class: 'row' }, toggle, el('span', { class: 'facts' })), el('ul', { role: 'group', hidden: true }));
  return made;
}

function showLevel(list, level, depth, more) {
  const known = new Map([...list.children].map((item) => [item.dataset.id, item]));
  const items = level.routines.map((row) => {
    const made = known.get(row.id_text) ?? treeItem(row);
    const [line, below] = made.children;
    const unfolded = Boolean(row.level);
    line.firstChild.disabled = row.children === 0;
    text(line.firstChild, unfolded ? '▾' : '▸');
    made.setAttribute('aria-level', depth);
    if (row.children) made.setAttribute('aria-expanded', unfolded);
    else made.removeAttribute('aria-expanded');
    made.classList.toggle('around', row.matches === false);
    mark(made);
    fill(line.lastChild, [
      el('span', { class: 'id' }, row.id_text), ' ', el('span', { class: 'kind' }, row.kind), ' ',
      row.name && el('strong', {}, row.name), ' ', chip(row.state), ' ',
      el('span', { class: 'age' }, duration(row.age_ms)), ' ',
      row.children ? el('span', { class: 'count', title: 'children' }, count(row.children)) : null, ' ',
      row.spawned_at && el('span', { class: 'at' }, row.spawned_at), ' ', deadline(row), ' ',
      ...values(row).map(([name, value]) => valueChip('span', name, value)),
    ].filter(Boolean).map((node) => (typeof node === 'string' ? document.createTextNode(node) : node)));
    below.hidden = !unfolded;
    if (unfolded) showLevel(below, row.level, depth + 1, () => open.set(row.id_text, (open.get(row.id_text) ?? 1) + 1));
    else below.replaceChildren();
    return made;
  });
  const left = level.matching - level.routines.length;
  if (more && left > 0) {
    const button = el('button', { class: 'more', type: 'button', onclick: () => { more(); refresh(); } }, `${count(left)} more`);
    items.push(el('li', { role: 'none' }, button));
  }
  put(list, items);
}

function fold(id, wanted) {
  if (wanted) { open.set(id, open.get(id) ?? 1); folded.delete(id); }
  else { open.delete(id); folded.add(id); }
  refresh();
}

// ===== one routine =====

let lastDetails = null;

function showDetails(one) {
  const aside = $('details');
  if (!ask.id) return hideDetails();
  const row = one.routines[0];
  if (row) lastDetails = { id: ask.id, row, chain: one.chain };
  const known = lastDetails?.id === ask.id ? lastDetails : null;
  const wanted = known ? describe(known.row, known.chain, !row) : [heading(chip('done', 'ended')), el('p', {}, 'It has ended, or never was.')];
  document.body.classList.add('with-details');
  const opening = aside.hidden || aside.dataset.id !== ask.id;
  aside.hidden = false;
  aside.dataset.id = ask.id;
  // A panel that is the same but for its numbers keeps its buttons, and their focus.
  if (!opening && sameShape(aside, wanted)) refill(aside, wanted);
  else aside.replaceChildren(...wanted);
}

function hideDetails() {
  lastDetails = null;
  document.body.classList.remove('with-details');
  $('details').hidden = true;
  $('details').replaceChildren();
}

const shape = (node) => (node.nodeType === 3 ? '' : `${node.tagName}${[...node.childNodes].map(shape)}`);
const sameShape = (aside, wanted) => [...aside.childNodes].map(shape).join() === wanted.map(shape).join();

function refill(parent, wanted) {
  [...parent.childNodes].forEach((node, at) => {
    const next = wanted[at];
    if (node.isEqualNode(next)) return;
    if (node.tagName === 'DL' || node.tagName === 'DD' || node.tagName === 'H2') refill(node, [...next.childNodes]);
    else node.replaceWith(next);
  });
}

const heading = (state) => el('h2', {}, `Routine ${ask.id}`, state,
  el('button', { type: 'button', 'aria-keyshortcuts': 'Escape', onclick: close }, 'Close'));

function describe(row, chain, ended) {
  const facts = [
    ['Name', row.name], ['Kind', row.kind], ['Spawned at', row.spawned_at && el('span', { class: 'at' }, row.spawned_at)],
    ['Age', duration(row.age_ms)], ['Idle', duration(row.idle_ms)], ['Polls', row.state === 'alive' ? 'not counted' : count(row.polls)],
    ['Busy', busy(row.busy_us)], ['Deadline', deadline(row)], ['Children', row.children ? count(row.children) : ''],
  ].filter(([, fact]) => fact);
  const own = values(row);
  return [
    heading(ended ? chip('done', 'ended') : chip(row.state)),
    el('dl', {}, ...facts.flatMap(([name, fact]) => [el('dt', {}, name), el('dd', {}, fact)])),
    el('h3', {}, 'Values'),
    own.length
      ? el('p', { class: 'values' }, ...own.map(([name, value]) => valueChip('button', name, value,
        { type: 'button', title: 'Show all with this value', onclick: () => search(pair(name, String(value))) })))
      : el('p', {}, 'None.'),
    el('h3', {}, 'Started by'),
    el('ol', { class: 'chain' }, el('li', { class: 'self' }, `${row.id_text} `, row.name ?? row.kind), ...chain.map((parent) => link(parent, ended))),
    el('p', {}, el('button', { type: 'button', disabled: ended, onclick: () => showInTree(row.id_text) }, 'Show in tree')),
  ];
}

// What became of the parents of one that has ended is not asked.
function link(parent, ended) {
  if (parent.gone) return el('li', { class: 'gone', 'data-id': parent.id_text }, `${parent.id_text} ${parent.id_text.startsWith('foreign') ? 'was not started as a routine' : 'has ended'}`);
  return el('li', { 'data-id': parent.id_text },
    el('button', { type: 'button', onclick: () => change({ id: parent.id_text }) }, parent.id_text), ' ',
    parent.name ?? parent.kind, ' ', ended ? null : chip(parent.state), parent.spawned_at && el('span', { class: 'at' }, parent.spawned_at),
    ...values(parent).map(([name, value]) => valueChip('span', name, value)));
}

function search(q, more) {
  $('search').value = q;
  folded = new Set();
  change({ q, page: 0, ...more });
}

function showInTree(id) {
  open.set(id, 1);
  search(pair('id', id), { view: 'tree' });
}

function close() {
  const row = document.querySelector(`[data-id="${CSS.escape(ask.id)}"]`);
  change({ id: '' });
  hideDetails();
  (rows().includes(row) ? row : rows()[0])?.focus();
}

// ===== all of it =====

function show(seen) {
  for (const [view, id] of [['table', 'routines'], ['tree', 'tree'], ['groups', 'groups']]) {
    $(id).hidden = ask.view !== view;
    $(`view-${view}`).setAttribute('aria-pressed', ask.view === view);
  }
  for (const th of document.querySelectorAll('th[data-sort]')) {
    const sorted = th.dataset.sort === ask.sort;
    if (sorted) th.setAttribute('aria-sort', ask.desc ? 'descending' : 'ascending');
    else th.removeAttribute('aria-sort');
  }
  if (ask.view === 'table') showTable(seen);
  if (ask.view === 'groups') showGroups(seen);
  if (ask.view === 'tree') keepFocus($('tree'), () => showLevel($('tree'), seen, 1));
  const what = { table: '', tree: ' top-level', groups: ' groups' }[ask.view];
  const filtered = ask.q || ask.view !== 'table';
  text($('total'), filtered ? `${count(seen.matching)}${what} of ${count(seen.total)} routines` : `${count(seen.total)} routines`);
  const pages = Math.max(1, Math.ceil(seen.matching / seen.per_page));
  if (ask.page >= pages) return change({ page: pages - 1 });
  text($('page'), `${count(ask.page + 1)} / ${count(pages)}`);
  $('prev').disabled = ask.page === 0;
  $('next').disabled = ask.page >= pages - 1;
  $('next').dataset.last = pages - 1;
  $('empty').hidden = seen.matching > 0;
  text($('empty'), ask.q ? 'Nothing matches.' : 'Nothing lives.');
}

function status(words, look) {
  text($('live'), words);
  $('live').className = look;
}

const rows = () => [...document.querySelectorAll('#routines:not([hidden]) tbody tr, #groups:not([hidden]) tbody tr, #tree:not([hidden]) li[data-id]')]
  .filter((row) => row.offsetParent !== null);

function turn(by) {
  const last = Number($('next').dataset.last ?? 0);
  const page = Math.min(last, Math.max(0, ask.page + by));
  if (page !== ask.page) change({ page });
}

function pick(row) {
  if (!row) return;
  if (row.dataset.q) search(row.dataset.q, { view: 'table', sort: 'id', desc: false });
  else change({ id: row.dataset.id });
}

function focusRow(row) {
  if (!row) return;
  for (const other of rows()) if (other.tabIndex === 0) other.tabIndex = -1;
  row.tabIndex = 0;
  row.focus();
  row.scrollIntoView({ block: 'nearest' });
}

document.addEventListener('click', (event) => {
  const th = event.target.closest('th[data-sort]');
  if (th) {
    const numeric = th.classList.contains('number') && !['id', 'parent'].includes(th.dataset.sort);
    return change({ sort: th.dataset.sort, desc: ask.sort === th.dataset.sort ? !ask.desc : numeric, page: 0 });
  }
  const row = event.target.closest('#routines tr[data-id], #groups tr[data-group], #tree li[data-id]');
  if (!row) return;
  if (event.target.closest('.toggle')) return fold(row.dataset.id, row.getAttribute('aria-expanded') !== 'true');
  if (event.target.closest('button') || String(getSelection())) return;
  focusRow(row);
  pick(row);
});

for (const view of ['table', 'tree', 'groups']) {
  $(`view-${view}`).addEventListener('click', () => {
    if (view === ask.view) return;
    // Groups come by size, the others by id.
    change({ view, page: 0, sort: view === 'groups' ? 'count' : 'id', desc: view === 'groups' });
  });
}
$('prev').addEventListener('click', () => turn(-1));
$('next').addEventListener('click', () => turn(1));
$('pause').addEventListener('click', () => {
  paused = !paused;
  $('pause').setAttribute('aria-pressed', paused);
  text($('pause'), paused ? 'Resume' : 'Pause');
  status(paused ? 'paused' : 'live', paused ? '' : 'on');
  if (!paused) refresh();
});

let typing = 0;
$('search').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(() => search($('search').value), 150);
});

const keys = {
  '/': () => { $('search').focus(); $('search').select(); },
  ArrowDown: () => step(1), j: () => step(1),
  ArrowUp: () => step(-1), k: () => step(-1),
  ArrowRight: (row) => row?.getAttribute('aria-expanded') === 'false' && fold(row.dataset.id, true),
  ArrowLeft: (row) => {
    if (row?.getAttribute('aria-expanded') === 'true') fold(row.dataset.id, false);
    else focusRow(row?.parentElement.closest('li[data-id]'));
  },
  Enter: (row) => pick(row),
  Home: () => focusRow(rows()[0]), End: () => focusRow(rows().at(-1)),
  n: () => turn(1), p: () => turn(-1),
  Escape: () => { if (ask.id) close(); },
};

function step(by) {
  const all = rows();
  const at = all.indexOf(document.activeElement);
  focusRow(all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))]);
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target;
  if (target === $('search')) {
    // The browser's own Escape would empty the field.
    if (event.key === 'Escape') { target.blur(); event.preventDefault(); }
    if (event.key === 'ArrowDown') { step(1); event.preventDefault(); }
    if (event.key === 'Enter') { clearTimeout(typing); search(target.value); }
    return;
  }
  const row = target.closest?.('#routines tr[data-id], #groups tr[data-group], #tree li[data-id]');
  const act = Object.hasOwn(keys, event.key) ? keys[event.key] : null;
  if (!act || (event.key === 'Enter' && (!row || target.closest('button')))) return;
  const inRows = ['ArrowLeft', 'ArrowRight', 'Home', 'End'].includes(event.key);
  if (inRows && !row) return;
  event.preventDefault();
  act(row);
});

document.addEventListener('visibilitychange', () => !document.hidden && !paused && refresh());

readAddress();
$('search').value = ask.q;
refresh();
