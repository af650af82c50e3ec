// The token list: every token of the published view. Joined behind this file, in one scope:
// tokens_card.js (details, keyboard) and tokens_tools.js (search, copy, findings, change; it starts all).
const { lang, count, fill, say, make, makeButton, makeSwitch, write, CellList, publish, subscribe, copy, glossary } = window.yuanDemo;
const $ = name => element.querySelector('.' + name);
$('tl').innerHTML = `
  <section class="tk-findings" hidden><button type="button" class="tk-findings-head"></button><ul class="tk-findings-list"></ul></section>
  <section class="tk-card">
    <div class="tk-tools"><div class="tp-state"></div><div class="tp-switch"></div></div>
    <div class="tk-search" role="search" hidden><input type="text" autocomplete="off" spellcheck="false"><output></output></div>
    <ul class="tk-missing" hidden></ul>
    <div class="tp-list" role="listbox"></div>
    <div class="tk-work" hidden></div>
    <div class="tk-change" hidden><span></span></div>
    <div class="tk-foot">
      <div class="tp-key"></div>
      <div class="tk-actions"><span class="tk-said" role="status"></span><button type="button" class="tk-find" aria-expanded="false"></button>
        <span class="tk-copying"><button type="button" class="tk-copy" aria-expanded="false"></button><span class="tk-menu" hidden></span></span></div>
    </div>
  </section>
  <details class="tk-card"><summary></summary><dl class="tp-glossary"></dl></details>
  <div class="tp-tip" id="token-card" role="tooltip" hidden></div>`;
const list = $('tp-list');
const PHANTOM = 1, CROSSES = 2, TYPED = 4, ACTS = 8, PER_BLOCK = 128;
const ORIGINS = { u: 'origin_user', a: 'origin_assistant', j: 'origin_join', c: 'origin_control', n: 'origin_answer' };
let view = { mode: 'empty' }, cells = new CellList(), shows = 'text';

// --- one cell ---------------------------------------------------------------------------------
const encoder = new TextEncoder();
const hex = value => value.toString(16).toUpperCase().padStart(2, '0');
const bytesOfText = text => [...encoder.encode(text)].map(hex).join(' ');
// What a cell adds to the text: nothing for the phantom, and for the first piece not its mark.
function bytesOf(cell) {
  const isOne = cell.pieces.length === 1;
  return cell.pieces.map(piece => /^<0x([0-9A-F]{2})>$/.exec(piece)?.[1] ?? bytesOfText(isOne ? cell.text : piece.replaceAll('▁', ' '))).join(' ');
}
// What stands below a cell's text.
const BELOW = { ids: cell => cell.ids.join(' '), bytes: cell => cell.origin === 'c' ? '' : bytesOf(cell) };

function drawCell(index, offset) {
  const text = cells.texts[index], size = cells.firsts[index + 1] - cells.firsts[index];
  const flag = cells.flags.size ? cells.flags.get(index)?.[0] ?? 0 : 0;
  let className = 'k ' + cells.origins[index];
  if (offset % 2) className += ' alt';
  if (size > 1) className += ' many';
  if (flag) className += (flag & PHANTOM ? ' ph' : '') + (flag & CROSSES ? ' x' : '') + (flag & TYPED ? ' typed' : '') + (flag & ACTS ? ' acts' : '');
  const node = make('span', className);
  node.k = offset;
  const first = cells.pieces[cells.firsts[index]];
  if (shows === 'pieces') node.textContent = size > 1 ? cells.at(index).pieces.join(' ') : first;
  else {
    write(node, flag & PHANTOM ? '▁' : text || first, size > 1);
    if (text.endsWith('\n')) node.lastChild.remove();  // the break comes behind the box, see drawBlock
    if (size > 1) node.append(make('sup', '', '×' + size));
    if (BELOW[shows]) node.append(make('u', '', BELOW[shows](cells.at(index))));
  }
  return node;
}

// --- blocks of cells: only those that changed are drawn, and those out of sight are not laid out ------
let blocks = [];  // {key, start, end, node}

// A block ends where a turn does, or else where a line does, as it is a line of its own.
function cutIntoBlocks() {
  const { texts, turns, length } = cells, out = [];
  for (let start = 0; start < length;) {
    const turn = turns[start], limit = Math.min(start + PER_BLOCK, length);
    let end = start + 1;
    while (end < limit && turns[end] === turn) end++;
    if (end === limit && end < length && turns[end] === turn) {
      for (let cell = end; cell > start + PER_BLOCK / 2; cell--) if (texts[cell - 1].endsWith('\n')) { end = cell; break; }
    }
    out.push({ start, end, key: blockKey(start, end) });
    start = end;
  }
  return out;
}

function blockKey(start, end) {
  const isNewTurn = start === 0 || cells.turns[start - 1] !== cells.turns[start];
  const ids = cells.ids.slice(cells.firsts[start], cells.firsts[end]).join();
  let key = shows + (isNewTurn ? cells.turns[start] : '') + '\u0001' + ids + cells.origins.slice(start, end) + cells.texts.slice(start, end).join('\u0001');
  if (cells.flags.size) for (let cell = start; cell < end; cell++) if (cells.flags.has(cell)) key += '\u0002' + (cell - start) + cells.flags.get(cell);
  return key;
}

function drawBlock({ start, end }) {
  const node = make('div', 'tp-blk');
  if (start === 0 || cells.turns[start - 1] !== cells.turns[start]) node.dataset.turn = cells.turns[start];
  node.cells = [];
  for (let cell = start; cell < end; cell++) {
    const drawn = drawCell(cell, cell - start);
    node.cells.push(drawn);
    node.append(drawn);
    if (cells.texts[cell].endsWith('\n')) node.append(make('br'));
  }
  return node;
}

function drawList() {
  const known = new Map();
  for (const block of blocks) {
    if (known.has(block.key)) known.get(block.key).push(block.node); else known.set(block.key, [block.node]);
  }
  const next = cutIntoBlocks();
  for (const block of next) block.node = known.get(block.key)?.shift();
  for (const unused of known.values()) for (const node of unused) node.remove();
  next.forEach((block, number) => {
    block.node ??= drawBlock(block);
    block.node.start = block.start;
    if (list.children[number] !== block.node) list.insertBefore(block.node, list.children[number] ?? null);
  });
  list.classList.toggle('long', next.length > 4);
  blocks = next;
}

const cellAt = node => node.k + node.parentNode.start;
function blockOf(cell) {
  let low = 0, high = blocks.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (blocks[middle].end <= cell) low = middle + 1; else high = middle;
  }
  return blocks[low];
}
function nodeOf(cell) {
  const block = blockOf(cell);
  return block.node.cells[cell - block.start];
}

// --- marks: a class on every cell of some tokens, or on a whole block of them -------------------------
const marked = {};
function mark(name, spans) {
  for (const node of marked[name] || []) node.classList.remove(name);
  const nodes = marked[name] = [];
  for (const [start, end] of spans) {
    if (start >= end || start >= cells.ids.length) continue;
    const past = cells.of(end - 1) + 1;
    for (let cell = cells.of(start); cell < past;) {
      const block = blockOf(cell), isWhole = cell === block.start && block.end <= past;
      if (isWhole) nodes.push(block.node);
      else for (let each = cell; each < Math.min(block.end, past); each++) nodes.push(nodeOf(each));
      cell = block.end;
    }
  }
  for (const node of nodes) node.classList.add(name);
}

function light(lit) {
  mark('lit', lit?.spans ?? []);
  if (lit?.show && lit.spans.length) reveal(cells.of(lit.spans[0][0]));
}

// Scrolls the list, not the page.
function reveal(cell) {
  if (cell >= cells.length) return;
  const node = nodeOf(cell), top = () => node.getBoundingClientRect().top - list.getBoundingClientRect().top;
  // Twice: blocks on the way get their height only when they come into sight.
  for (let step = 0; step < 2; step++) {
    if (top() < 0 || top() > list.clientHeight - 40) list.scrollTop += top() - list.clientHeight / 3;
  }
}

// --- what is said around the list ---------------------------------------------------------------------
function drawState() {
  const facts = [];
  if (view.prompt_tokens) facts.push(say('prompt_tokens', { n: view.prompt_tokens }));
  if (view.answer) facts.push(say('answer_tokens', { n: view.answer.i.length }));
  if (view.seed != null) facts.push(say('seed_used', { n: '' + view.seed }));
  if (view.finish) facts.push(say('finish_' + view.finish));
  if (view.cells && view.prompt_tokens > view.cells.i.length) facts.push(say('cut_off', { n: view.cells.i.length }));
  const state = view.place ? say('state_waiting', { n: view.place }) : say('state_' + view.mode);
  $('tp-state').replaceChildren(state, make('small', '', facts.join(' · ')));
}

// Turns that are not in the list, struck out above it: the newest of them, and how many more.
const MOST_CHIPS = 3;
function drawMissing() {
  const turns = view.turns ?? [], gone = turns.filter(turn => turn.s === 'dropped');
  const cut = turns.filter(turn => turn.s === 'cut'), unwritten = turns.filter(turn => turn.s === 'unwritten');
  const chips = gone.slice(-MOST_CHIPS).map(turn => chip(turn.n, turn.q, say('tokens', { n: turn.w })));
  if (gone.length > MOST_CHIPS) chips.unshift(make('li', '', say('more_turns', { n: gone.length - MOST_CHIPS })));
  for (const turn of cut) chips.push(chip(turn.n, turn.q, say('tokens_cut', { n: turn.w - turn.k })));
  if (unwritten.length) chips.push(make('li', '', say('unwritten_turns', { n: unwritten.length })));
  $('tk-missing').replaceChildren(...chips);
  $('tk-missing').setAttribute('aria-label', say('missing_label'));
  $('tk-missing').hidden = !chips.length;
}
function chip(number, text, size) {
  const node = make('li'), words = make('s', '', text.trim() || '…');
  words.dir = 'auto';
  node.append(make('b', '', number), words, make('span', '', size));
  return node;
}
