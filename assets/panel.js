// The token panel. `props.value` is the view as a JSON string (yuan_demo/ui/views.py), `props.words`
// our words in both languages, `props.glossary` the special tokens, `props.model` the loaded model.
// What people and the model wrote enters the page through textContent only.
const lang = document.documentElement.lang.startsWith('zh') ? 1 : 0;
const words = JSON.parse(props.words), glossary = JSON.parse(props.glossary), model = JSON.parse(props.model);
const say = (key, values = {}) => words[key][lang].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const count = new Intl.NumberFormat(lang ? 'zh-CN' : 'en');
const $ = name => element.querySelector('.tp-' + name);
const list = $('list'), tip = $('tip');

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// --- invisible characters -------------------------------------------------------------------
const MARKS = { ' ': '·', '\t': '⇥', '\n': '↵', '\r': '␍', '\u00a0': '⍽', '\u3000': '□' };
// Control, format, surrogate and unassigned characters, but not the joiners inside an emoji.
const INVISIBLE = /[ \t\n\r\u00a0\u3000]|[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u;
function write(node, text, isOneCharacter) {
  if (!INVISIBLE.test(text) || (isOneCharacter && !/^\p{C}+$/u.test(text) && !/^\s/.test(text))) return node.append(text);
  for (const character of text) {
    if (MARKS[character]) node.append(make('em', '', MARKS[character]), ...(character === '\n' ? ['\n'] : []));
    else if (INVISIBLE.test(character)) node.append(make('code', '', character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')));
    else node.append(character);
  }
}

// --- token list -------------------------------------------------------------------------------
const PHANTOM = 1, CROSSES = 2, TYPED = 4, PER_BLOCK = 128;
let cells = [], keys = [];

// One object per cell from the parallel arrays of a view's part.
function unpack(part, position) {
  const out = [];
  let token = 0;
  part.t.forEach((text, index) => {
    const size = part.n[index] || 1, flags = part.f[index] || 0;
    out.push({
      text, origin: part.o[index], turn: part.r[index], position: position + token,
      flags: Array.isArray(flags) ? flags[0] : flags, typed: Array.isArray(flags) ? flags[1] : null,
      ids: part.i.slice(token, token + size), pieces: part.p.slice(token, token + size),
    });
    token += size;
  });
  return out;
}

function drawCell(cell, index) {
  const node = make('span', 'k ' + cell.origin + (index % 2 ? ' alt' : ''));
  node.dataset.k = index;
  if (cell.flags & PHANTOM) node.classList.add('ph');
  if (cell.flags & CROSSES) node.classList.add('x');
  if (cell.flags & TYPED) node.classList.add('typed');
  const label = make('span');
  write(label, cell.flags & PHANTOM ? '▁' : cell.text || cell.pieces[0], cell.ids.length > 1);
  if (cell.text.endsWith('\n')) label.lastChild.remove();  // the break comes behind the box, see drawList
  node.append(label);
  if (cell.ids.length > 1) { node.classList.add('many'); label.append(make('sup', '', '×' + cell.ids.length)); }
  node.append(make('u', '', cell.ids.join(' ')));
  return node;
}

// Blocks of cells; only those that changed are drawn again, and those out of sight are not laid out.
// A block ends where a line does, as it is a line of its own.
function blocks() {
  const out = [];
  for (let start = 0; start < cells.length;) {
    let end = Math.min(start + PER_BLOCK, cells.length);
    if (end < cells.length) for (let k = end; k > start + PER_BLOCK / 2; k--) if (cells[k - 1].text.endsWith('\n')) { end = k; break; }
    out.push([start, cells.slice(start, end)]);
    start = end;
  }
  return out;
}

function drawList() {
  const next = blocks().map(([start, block], number) => {
    const key = start + '\u0001' + block.map(cell => cell.text + '\u0001' + cell.ids + cell.origin + cell.flags + cell.typed).join('\u0002');
    if (keys[number] === key) return key;
    const node = make('div', 'tp-blk');
    block.forEach((cell, offset) => {
      node.append(drawCell(cell, start + offset));
      if (cell.text.endsWith('\n')) node.append(make('br'));
    });
    if (list.children[number]) list.replaceChild(node, list.children[number]); else list.append(node);
    return key;
  });
  while (list.children.length > next.length) list.lastChild.remove();
  list.classList.toggle('long', next.length > 4);
  keys = next;
}

// --- context bar ------------------------------------------------------------------------------
const PARTS = ['history', 'message', 'answer', 'reserved', 'free'];
function drawBar(bar) {
  $('bar-head').replaceChildren(make('span', '', say('context')),
    make('span', '', say('used_of', { used: count.format(bar.history + bar.message + bar.answer + bar.excess), window: count.format(bar.window) })));
  $('bar').replaceChildren(...PARTS.map(part => {
    const node = make('i', 'f-' + part);
    node.style.width = 100 * bar[part] / bar.window + '%';
    return node;
  }));
  $('legend').replaceChildren(...PARTS.map(part => {
    const node = make('span');
    node.dataset.part = part;
    node.append(make('i', 'f-' + part), say(part) + ' ', make('b', '', count.format(bar[part])));
    if (part === 'message' && bar.excess) node.append(make('b', 'f-excess', '+ ' + count.format(bar.excess)));
    return node;
  }));
}

function drawNotice(view) {
  const node = $('notice');
  node.className = 'tp-notice' + (view.error ? ' bad' : view.dropped ? ' warn' : '');
  node.textContent = view.error ? view.error[lang ? 'zh' : 'en']
    : view.dropped ? say(view.mode === 'preview' ? 'will_drop' : 'dropped', { turns: ranges(view.dropped.turns), n: count.format(view.dropped.tokens) }) : '';
}
const ranges = turns => say(turns.length > 1 ? 'some_turns' : 'one_turn',
  { turns: turns.length > 2 ? turns[0] + '–' + turns[turns.length - 1] : turns.join(lang ? '、' : ', ') });

function drawState(view) {
  const facts = [];
  if (view.prompt_tokens) facts.push(say('prompt_tokens', { n: count.format(view.prompt_tokens) }));
  if (view.answer) facts.push(say('answer_tokens', { n: count.format(view.answer.i.length) }));
  if (view.seed != null) facts.push(say('seed_used', { n: view.seed }));
  if (view.finish) facts.push(say('finish_' + view.finish));
  if (view.prompt_tokens > view.cells.i.length) facts.push(say('cut_off', { n: count.format(view.cells.i.length) }));
  $('state').replaceChildren(say('state_' + view.mode), make('small', '', facts.join(' · ')));
}

function drawModel(speed) {
  const facts = [make('b', '', model.name), model.parameters && say('model_params', { n: model.parameters }),
    model.device + ' · ' + model.dtype, speed && say('speed', { n: speed }), model.is_embedded && say('embedded_note')];
  $('model').replaceChildren(...facts.filter(Boolean).map(fact => fact.nodeType ? fact : make('span', '', fact)));
}

let speed = null;
function draw() {
  const started = performance.now(), view = JSON.parse(props.value);
  // The end is followed unless somebody has scrolled up in what is being answered.
  const follows = view.mode === 'preview' || view.mode === 'blocked' || list.scrollHeight - list.clientHeight - list.scrollTop < 60;
  view.cells ||= { t: [], o: '', r: [], n: {}, f: {}, i: [], p: [] };
  cells = unpack(view.cells, 0);
  if (view.answer) cells = cells.concat(unpack(view.answer, view.prompt_tokens));
  if (view.speed) speed = view.speed;
  drawModel(speed); if (view.bar) drawBar(view.bar); drawNotice(view); drawState(view); drawList();
  if (follows) list.scrollTop = list.scrollHeight;
  hideTip();
  element.dataset.mode = view.mode; element.dataset.ids = JSON.stringify(cells.flatMap(cell => cell.ids));
  element.dataset.ms = (performance.now() - started).toFixed(1); element.dataset.seq = +(element.dataset.seq || 0) + 1;
}

// --- details of one token -----------------------------------------------------------------------
const ORIGINS = { u: 'origin_user', a: 'origin_assistant', j: 'origin_join', c: 'origin_control', n: 'origin_answer' };
const encoder = new TextEncoder();
function bytesOf(piece) {
  const byte = /^<0x([0-9A-F]{2})>$/.exec(piece);
  return byte ? byte[1] : [...encoder.encode(piece.replaceAll('▁', ' '))].map(value => value.toString(16).toUpperCase().padStart(2, '0')).join(' ');
}
function meaning(name) {
  const entry = glossary.find(item => item.name === name);
  return entry && entry.meaning[lang];
}
function fact(label, value) {
  const node = make('div');
  node.append(make('span', '', label + ' '), value);
  return node;
}
function showTip(node) {
  const cell = cells[+node.dataset.k];
  if (!cell) return;
  const last = cell.position + cell.ids.length - 1;
  tip.replaceChildren(make('b', '', cell.pieces.join(' ')),
    fact(say('tip_position'), cell.position + (last > cell.position ? '–' + last : '')), fact(say('tip_id'), cell.ids.join(' ')));
  if (cell.origin !== 'c') tip.append(fact(say('tip_bytes'), cell.pieces.map(bytesOf).join(' ')));
  tip.append(fact(say('tip_origin'), say(ORIGINS[cell.origin]) + ' · ' + say('tip_turn', { n: cell.turn })));
  const notes = [cell.flags & PHANTOM && say('tip_phantom'), cell.flags & CROSSES && say('tip_crosses'),
    cell.ids.length > 1 && say('tip_group', { n: cell.ids.length }), cell.flags & TYPED && (cell.typed === '<n>' ? say('tip_typed_join') : say('tip_typed', { name: cell.typed })),
    cell.origin === 'c' ? meaning(cell.pieces[0]) : cell.origin === 'j' ? meaning('<n>') : cell.flags & TYPED && meaning(cell.typed)];
  notes.filter(Boolean).forEach(note => tip.append(make('p', '', note)));
  list.querySelectorAll('.on').forEach(other => other.classList.remove('on'));
  node.classList.add('on');
  tip.style.display = 'block';
  const box = node.getBoundingClientRect(), left = Math.min(box.left, innerWidth - tip.offsetWidth - 12);
  const below = box.bottom + 6 + tip.offsetHeight < innerHeight;
  tip.style.left = Math.max(12, left) + 'px';
  tip.style.top = (below ? box.bottom + 6 : Math.max(6, box.top - 6 - tip.offsetHeight)) + 'px';
}
function hideTip() {
  tip.style.display = 'none';
  list.querySelectorAll('.on').forEach(node => node.classList.remove('on'));
}
const onCell = handler => event => { const node = event.target.closest('.k'); if (node) handler(node); else hideTip(); };
// While an answer streams, tokens move under a mouse that rests; that is no pointing.
list.addEventListener('mouseover', event => {
  if (element.dataset.mode !== 'answering' || event.movementX || event.movementY) onCell(showTip)(event);
});
list.addEventListener('click', onCell(showTip));
list.addEventListener('mouseleave', hideTip);
list.addEventListener('scroll', hideTip);

// --- what stays ---------------------------------------------------------------------------------
function drawFixed() {
  const buttons = ['text', 'ids'].map(view => {
    const node = make('button', '', say('show_' + view));
    node.type = 'button'; node.dataset.view = view;
    node.setAttribute('aria-pressed', view === 'text');
    node.addEventListener('click', () => {
      const isAtEnd = list.scrollHeight - list.clientHeight - list.scrollTop < 60;
      list.classList.toggle('ids', view === 'ids');
      if (isAtEnd) list.scrollTop = list.scrollHeight;
      buttons.forEach(other => other.setAttribute('aria-pressed', other === node));
    });
    return node;
  });
  $('switch').replaceChildren(...buttons);
  $('switch').setAttribute('aria-label', say('show_label'));
  $('key').replaceChildren(...Object.keys(ORIGINS).map(code => {
    const node = make('span'), swatch = make('i');
    swatch.style.background = code === 'c' ? 'rgb(var(--c))' : `rgba(var(--${code}), .45)`;
    node.append(swatch, say(ORIGINS[code]));
    return node;
  }));
  element.querySelector('summary').textContent = say('glossary');
  $('glossary').replaceChildren(...glossary.map(item => {
    const row = make('div'), name = make('dt'), text = make('dd', '', meaning(item.name));
    name.append(make('code', '', item.name), make('small', '', item.ids.length === 1 ? 'id ' + item.ids[0]
      : item.ids.length ? say('pieces', { n: item.ids.length }) + ': ' + item.ids.join(' ') : say('tip_unused_id')));
    row.append(name, text);
    return row;
  }));
}

drawFixed();
watch('value', draw);
draw();
