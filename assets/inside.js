// The Why tab, below: what happens inside the model at one token. Joined behind this file, in one
// scope: inside_lens.js (its guesses by depth), inside_heat.js (numbers over all tokens) and
// inside_cards.js (attention and filter; it starts all).
const { lang, count, say, make, makeButton, makeSwitch, write, CellList, percent, spell, subscribe } = window.yuanDemo;
const $ = name => element.querySelector('.' + name);
$('in').innerHTML = `
  <section class="in-card">
    <h3></h3><p class="in-what"></p>
    <div class="in-where" hidden>
      <div class="in-step"><button type="button">‹</button><span class="in-token" role="status"></span><button type="button">›</button></div>
      <div class="tp-switch"></div>
    </div>
    <div class="in-ask" hidden><button type="button"></button><span role="status"></span></div>
  </section>
  ${['lens', 'attention', 'filter'].map(name => `<section class="in-card in-part" data-part="${name}" hidden>
    <button type="button" class="in-fold" aria-expanded="false"></button><div class="in-body" hidden></div></section>`).join('')}`;
const parts = Object.fromEntries([...element.querySelectorAll('.in-part')].map(node => [node.dataset.part, node]));
const bodyOf = name => parts[name].lastElementChild;
const isOpen = name => parts[name].firstElementChild.getAttribute('aria-expanded') === 'true';

let answers = [], isWriting = false, isStarted = false;
let stretch = null, own = null;  // what the tab above chose; what the arrows here chose: {number, token}
let moment = 'chosen', isLive = false, live = null;  // live: number of the answer that is followed
let asked = null, asks = 0, trouble = null;  // trouble: {key, text}
let found = null;  // {key, layers, heads, lens, attention, filter}
const choice = { attention: { layer: null, head: null }, filter: { layer: null } };
let cells = new CellList(), at = null;  // at: {record, token, key, ids, chosen}

// --- numbers and names --------------------------------------------------------------------------------

// A token as text: bytes that make up one character stand as bytes.
function textOf(token) {
  const cell = cells.at(cells.of(token)), piece = cells.pieces[token];
  if (cell.flags & 1) return '▁';
  return cell.ids.length === 1 ? cell.text || piece : /^<0x(..)>$/.exec(piece)?.[1] ?? spell(piece);
}
const nameOf = token => textOf(token).trim() || say('blank');
const ORIGINS = { u: 'origin_user', a: 'origin_assistant', j: 'origin_join', c: 'origin_control', n: 'origin_answer' };
function placeOf(token) {
  const { origin, turn } = cells.at(cells.of(token));
  return say(turn ? 'in_place_of_turn' : 'in_place', { n: token + 1, origin: say(ORIGINS[origin]), turn: '' + turn });
}

// --- which token --------------------------------------------------------------------------------------
// Of a stretch the token that the model was least sure of.
const leastLikely = (rows, start = 0, end = rows.length) => rows.slice(start, end).reduce((least, row, place) => row && row[0] < (rows[least]?.[0] ?? 1) ? start + place : least, start);

function target() {
  const known = number => answers.find(each => each.number === number && each.rows.length);
  const mine = own && known(own.number), theirs = stretch && known(stretch.answer.number);
  const record = mine || theirs || answers.filter(each => each.rows.length).pop();
  if (!record) return null;
  const last = record.rows.length - 1;
  const token = Math.min(last, mine ? own.token : theirs ? leastLikely(record.rows, stretch.start, stretch.end) : leastLikely(record.rows));
  // The position before it chose it; its own position chooses what comes next.
  const before = token + (moment === 'read');
  return { record, token, last, key: [record.number, token, moment].join(), ids: () => [...record.prompt.i, ...record.cells.i.slice(0, before)],
    position: (record.prompt?.i.length ?? 0) + before - 1, chosen: record.cells.i[before] ?? null };
}

function step(by) {
  own = { number: at.record.number, token: Math.max(0, Math.min(at.last, at.token + by)) };
  draw();
}

// --- asking -------------------------------------------------------------------------------------------
const isSame = (one, other) => one && Object.keys(other).every(name => one[name] === other[name]);

// What is open and not there yet; the first time the depths, which say the most.
function missing() {
  const here = found?.key === at.key ? found : {}, lacking = {};
  if (!here.lens && (isOpen('lens') || !here.layers)) lacking.lens = true;
  for (const name of ['attention', 'filter']) if (isOpen(name) && !isSame(here[name], choice[name])) lacking[name] = choice[name];
  return lacking;
}

function ask() {
  const lacking = missing();
  if (!Object.keys(lacking).length || isWriting) return;
  asked = { ask: ++asks, key: at.key, record: at.record, progress: '' };
  trouble = null;
  trigger('look_inside', { ask: asks, ids: at.ids(), chosen: at.chosen, ...lacking });
  drawAsk();
}

let soon = 0;
function askSoon() {
  clearTimeout(soon);
  soon = setTimeout(() => { if (isLive && at && !isStale) ask(); }, 250);
}

watch('value', () => {
  const { is, ask: number, error, done, ...told } = JSON.parse(props.value || '{}');
  if (is !== 'inside' || asked?.ask !== number) return;
  if (done !== undefined) asked.progress = say('in_layers_done', { n: done, all: told.layers });
  else {
    trouble = error ? { key: asked.key, text: error[lang ? 'zh' : 'en'] } : null;
    if (told.layers) found = { ...(found?.key === asked.key ? found : { key: asked.key }), ...told };
    if (told.layers && !isLive) { isLive = true; live = at?.record.number; }
    if (error) isLive = false;
    asked = null;
  }
  draw();
});

// --- the whole ----------------------------------------------------------------------------------------
function drawAsk() {
  const [button, status] = $('in-ask').children, isAsking = !!asked;
  const isHere = found?.key === at.key;
  button.hidden = isHere && !isAsking;
  button.disabled = !isAsking && (isWriting || !at.record.prompt?.i.length);
  button.textContent = say(isAsking ? 'in_stop' : 'in_look');
  button.title = isAsking ? '' : say('in_look_title');
  const text = isAsking ? asked.progress || say('in_looking') : trouble?.key === at.key ? trouble.text : say(isWriting ? 'in_writing' : !at.record.prompt?.i.length ? 'in_lost' : isHere ? 'in_live' : 'in_look_title');
  if (status.textContent !== text) status.textContent = text;
}

function drawWhere() {
  const [back, on] = $('in-step').querySelectorAll('button'), name = make('b');
  back.disabled = at.token === 0;
  on.disabled = at.token === at.last;
  write(name, textOf((at.record.prompt?.i.length ?? 0) + at.token), false);
  $('in-token').replaceChildren(name, make('small', '', say('in_token', { n: at.token + 1, all: at.last + 1 })));
}

let isStale = false, cellsOf = null;
function draw() {
  isStale = !element.offsetParent;
  if (isStale) return;
  at = target();
  // While it is written, the least likely token jumps about.
  $('in-where').hidden = !at || (isWriting && at.record === answers[answers.length - 1]);
  $('in-ask').hidden = !at;
  $('in-what').textContent = say(at ? 'in_what' : 'in_none');
  if (at?.record.number !== live) isLive = false;
  const isKnown = at && found && (found.key === at.key || (isLive && +found.key.split(',')[0] === live));
  for (const node of Object.values(parts)) node.hidden = !isKnown;
  if (!at) return;
  const size = at.record.rows.length;
  if (cellsOf?.record !== at.record || cellsOf.size !== size) {
    cells = new CellList(at.record.prompt, at.record.cells);
    cellsOf = { record: at.record, size };
  }
  drawWhere();
  drawAsk();
  if (found?.key === at.key) drawParts();
  // What is dimmed belongs to the token before, until the new one is there.
  for (const node of Object.values(parts)) node.classList.toggle('old', found?.key !== at.key);
  if (isLive && asked?.key !== at.key && Object.keys(missing()).length) askSoon();
}
