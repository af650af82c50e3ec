// --- how tokens are shown ------------------------------------------------------------------------------
const isAtEnd = () => list.scrollHeight - list.clientHeight - list.scrollTop < 60;

function showAs(name) {
  const wasAtEnd = isAtEnd();
  shows = name;
  list.dataset.shows = name;
  redraw();
  if (wasAtEnd) list.scrollTop = list.scrollHeight;
}

// --- search: a text over several tokens, a piece, or an id ---------------------------------------------
const search = $('tk-search'), query = search.querySelector('input');
let hits = [], hit = 0;

function findHits(wanted) {
  const found = new Map();  // first cell -> one past the last
  const texts = cells.texts.map(text => text.toLowerCase()), whole = texts.join(''), text = wanted.toLowerCase();
  const starts = [];
  let length = 0;
  for (const each of texts) { starts.push(length); length += each.length; }
  let cell = 0;
  for (let at = whole.indexOf(text); at >= 0; at = whole.indexOf(text, at + 1)) {
    while (cell + 1 < starts.length && starts[cell + 1] <= at) cell++;
    let past = cell + 1;
    while (past < starts.length && starts[past] < at + text.length) past++;
    found.set(cell, past);
  }
  const isId = /^\d+$/.test(wanted), isPiece = /^(▁|<0x)/.test(wanted);
  if (isId || isPiece) cells.ids.forEach((id, position) => {
    const holder = cells.of(position);
    if ((isId ? id === +wanted : cells.pieces[position].includes(wanted)) && !found.has(holder)) found.set(holder, holder + 1);
  });
  return [...found].sort((one, other) => one[0] - other[0]);
}

function drawHits() {
  const spans = hits.map(([first, past]) => [cells.firsts[first], cells.firsts[past]]);
  mark('hit', spans);
  mark('here', hits.length ? [spans[hit]] : []);
  search.querySelector('output').textContent = !query.value ? '' : hits.length ? say('found', { at: hit + 1, n: hits.length }) : say('found_none');
  for (const button of search.querySelectorAll('.tk-step')) button.disabled = hits.length < 2;
}

function runSearch() {
  hits = query.value ? findHits(query.value) : [];
  hit = Math.min(hit, Math.max(0, hits.length - 1));
  drawHits();
}

function stepTo(number) {
  if (!hits.length) return;
  hit = (number + hits.length) % hits.length;
  drawHits();
  reveal(hits[hit][0]);
}

function openSearch(isOpen) {
  search.hidden = !isOpen;
  $('tk-find').setAttribute('aria-expanded', isOpen);
  if (isOpen) return query.focus();
  query.value = '';
  runSearch();
  $('tk-find').focus();
}

function wireSearch() {
  query.placeholder = say('search_hint');
  query.setAttribute('aria-label', say('search'));
  query.addEventListener('input', () => { hit = 0; runSearch(); stepTo(0); });
  search.addEventListener('keydown', event => {
    if (event.key === 'Escape') openSearch(false);
    else if (event.key === 'Enter' && event.target === query) { event.preventDefault(); stepTo(hit + (event.shiftKey ? -1 : 1)); }
  });
  const step = (name, text, way) => {
    const node = makeButton('tk-step', text, () => stepTo(hit + way));
    node.setAttribute('aria-label', say(name));
    return node;
  };
  const close = makeButton('tk-end', '×', () => openSearch(false));
  close.setAttribute('aria-label', say('close'));
  search.append(step('previous', '↑', -1), step('next', '↓', 1), close);
}

// --- copy ------------------------------------------------------------------------------------------------
const ORIGIN_NAMES = { u: 'user', a: 'assistant', j: 'join', c: 'control', n: 'answer' };
function asRows() {
  const rows = [];
  for (let cell = 0; cell < cells.length; cell++) {
    const { start, ids, pieces, text, origin, turn } = cells.at(cell);
    ids.forEach((id, number) => rows.push({ position: start + number, id, piece: pieces[number], text: number ? '' : text, origin: ORIGIN_NAMES[origin], turn }));
  }
  return rows;
}
const COPIES = { text: () => cells.texts.join(''), ids: () => JSON.stringify(cells.ids), json: () => JSON.stringify(asRows(), null, 1) };

function openMenu(isOpen) {
  $('tk-menu').hidden = !isOpen;
  $('tk-copy').setAttribute('aria-expanded', isOpen);
}

function wireCopy() {
  const button = $('tk-copy');
  let timer = 0;
  $('tk-menu').append(...Object.keys(COPIES).map(name => makeButton('', say('copy_' + name), async () => {
    openMenu(false);
    button.focus();
    await copy(COPIES[name]());
    $('tk-said').textContent = say('copied');
    clearTimeout(timer);
    timer = setTimeout(() => { $('tk-said').textContent = ''; }, 2000);
  })));
  button.addEventListener('click', () => openMenu($('tk-menu').hidden));
  $('tk-actions').addEventListener('keydown', event => { if (event.key === 'Escape' && !$('tk-menu').hidden) { openMenu(false); button.focus(); } });
  document.addEventListener('click', event => { if (!event.target.closest('.tk-copying')) openMenu(false); });
}

// --- findings of the linter ------------------------------------------------------------------------------
const SEVERITIES = { error: '✕', warning: '!', note: 'i' };
let wantsFindings = null;  // whether somebody has folded them out or in; until then only errors are out

function drawFindings() {
  const findings = view.findings ?? [], head = $('tk-findings-head'), rows = $('tk-findings-list');
  $('tk-findings').hidden = !findings.length;
  head.setAttribute('aria-expanded', wantsFindings === true);
  head.replaceChildren(make('span', 'tk-word', say('findings')), ...Object.keys(SEVERITIES).map(severity => {
    const n = findings.filter(finding => finding.s === severity).length;
    return n ? severityBadge(severity, say(severity + (n > 1 ? '_many' : '_one'), { n })) : '';
  }));
  rows.hidden = wantsFindings === false || (!wantsFindings && !findings.some(finding => finding.s === 'error'));
  rows.classList.toggle('brief', !wantsFindings);
  const key = JSON.stringify(findings);
  if (rows.dataset.key === key) return;  // keeps the focus on a button
  rows.dataset.key = key;
  rows.replaceChildren(...findings.map(drawFinding));
}

function severityBadge(severity, text) {
  const node = make('span', 'tk-badge ' + severity), icon = make('i', '', SEVERITIES[severity]);
  icon.setAttribute('aria-hidden', 'true');
  node.append(icon, text);
  return node;
}

function drawFinding(finding, index) {
  const row = make('li', finding.s), { findings, repairs } = window.yuanDemo;
  const sentence = findings[finding.c]?.[lang] ?? finding.c;
  row.append(severityBadge(finding.s, say(finding.s)), make('span', 'tk-sentence', fill(sentence, finding.v)));
  if (finding.r) row.append(makeButton('tk-repair', repairs[finding.c]?.[lang] ?? say('repair'), () => trigger('repair', { code: finding.c, index })));
  const show = isTap => publish('light', { spans: finding.at, show: isTap });
  row.addEventListener('mouseenter', () => show(false));
  row.addEventListener('mouseleave', () => publish('light', null));
  row.addEventListener('focusin', () => show(true));
  row.addEventListener('focusout', () => publish('light', null));
  row.addEventListener('click', event => { if (!event.target.closest('button')) show(true); });
  return row;
}

// --- what changed since the last send --------------------------------------------------------------------
let showsChange = false;
function drawChange() {
  const { change } = view, box = $('tk-change');
  box.hidden = !change;
  list.querySelectorAll('.gone').forEach(node => node.remove());
  list.classList.toggle('changes', showsChange && !!change);
  mark('added', showsChange && change ? change.new : []);
  if (!change) return;
  const facts = { reuse: change.reuse, n: view.prompt_tokens, added: change.added, removed: change.removed };
  box.firstElementChild.textContent = say(showsChange ? 'change_long' : 'change', facts);
  if (showsChange) change.gone.forEach(([position, text, n]) => drawGone(position, text, n));
}

function drawGone(position, text, n) {
  const node = make('s', 'gone');
  write(node, text.trimEnd() || text);
  node.title = say('gone_title', { n });
  if (!cells.length) return;
  if (position < cells.ids.length) nodeOf(cells.of(position)).before(node); else blocks[blocks.length - 1].node.append(node);
}

// --- what the prompt cost -----------------------------------------------------------------------------------
const seconds = value => value.toFixed(value < 10 ? 2 : 1);
function drawWork() {
  const { work, speed } = view;
  $('tk-work').hidden = !work;
  if (!work) return;
  const facts = [say('work', { ...work, first: seconds(work.first) }), speed && say('speed', { n: '' + speed })];
  if (work.queue >= 0.1) facts.push(say('work_queue', { n: seconds(work.queue) }));
  $('tk-work').textContent = facts.filter(Boolean).join(' · ');
}

// --- what stays ------------------------------------------------------------------------------------------
// The origins that are in the list, as they look there.
function drawKey() {
  const present = Object.keys(ORIGINS).filter(code => cells.origins.includes(code)), key = present.join('');
  if ($('tp-key').dataset.key === key) return;
  $('tp-key').dataset.key = key;
  $('tp-key').replaceChildren(...present.map(code => {
    const entry = make('span');
    entry.append(make('i', 'like ' + code, code === 'c' ? '<>' : code === 'j' ? '·' : 'a'), say(ORIGINS[code]));
    return entry;
  }));
}

function drawGlossary() {
  element.querySelector('summary').textContent = say('glossary');
  $('tp-glossary').replaceChildren(...glossary.map(item => {
    const row = make('div'), name = make('dt'), ids = item.ids.join(' ');
    const size = item.ids.length === 1 ? 'id ' + ids : item.ids.length ? say('pieces', { n: item.ids.length }) + ': ' + ids : say('tip_unused_id');
    name.append(make('code', '', item.name), make('small', '', size));
    row.append(name, make('dd', '', meaning(item.name)));
    return row;
  }));
}

function wire() {
  makeSwitch($('tp-switch'), say('show_label'), ['text', 'pieces', 'ids', 'bytes'].map(name => [name, say('show_' + name)]), shows, showAs);
  list.setAttribute('aria-label', say('list_label'));
  card.setAttribute('aria-label', say('card_label'));
  $('tk-find').textContent = say('search');
  $('tk-find').addEventListener('click', () => openSearch(search.hidden));
  $('tk-copy').textContent = say('copy');
  wireSearch(); wireCopy(); drawGlossary();
  $('tk-findings-head').addEventListener('click', () => { wantsFindings = wantsFindings !== true; drawFindings(); });
  const changes = makeButton('', say('show_change'), () => {
    showsChange = !showsChange;
    changes.setAttribute('aria-pressed', showsChange);
    drawChange();
  });
  changes.setAttribute('aria-pressed', 'false');
  $('tk-change').append(changes);
}

function redraw() {
  const hadFocus = list.contains(document.activeElement);
  drawList(); drawWork(); drawChange(); followStop(hadFocus); followCard();
  if (query.value) runSearch();
}

// The end is followed unless somebody has scrolled up in what is being answered, or searches.
let follows = true;
const toEnd = () => { if (follows) list.scrollTop = list.scrollHeight; };
// Another tab hid the list, and its place with it.
new ResizeObserver(toEnd).observe(list);

function draw(newView) {
  const isPreview = newView.mode === 'preview' || newView.mode === 'blocked';
  follows = (isPreview || isAtEnd()) && search.hidden && !list.contains(document.activeElement);
  view = newView;
  cells = view.cellList;
  drawState(); drawMissing(); drawFindings(); drawKey(); redraw();
  toEnd();
}

wire();
subscribe('view', draw);
subscribe('light', light);
