// --- details of one token: on hover, on tap, and on keyboard focus -------------------------------------
const card = $('tp-tip');
let shown = null, isKept = false;  // the node that the card is about; whether it stays

const meaning = name => glossary.find(item => item.name === name)?.meaning[lang];
const share = new Intl.NumberFormat(lang ? 'zh-CN' : 'en', { style: 'percent', maximumSignificantDigits: 2 });
const originOf = cell => say(ORIGINS[cell.origin]);
const range = cell => cell.start + (cell.end - cell.start > 1 ? '–' + (cell.end - 1) : '');

function codePoints(text) {
  const points = [...text].map(character => 'U+' + character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0'));
  return points.length > 6 ? points.slice(0, 6).join(' ') + ' …' : points.join(' ');
}

function factsOf(cell) {
  const isText = cell.origin !== 'c', size = cell.ids.length;
  const facts = [['position', range(cell)], ['id', cell.ids.join(' ')], ['piece', cell.pieces.join(' ')]];
  if (isText) facts.push(['bytes', bytesOf(cell) || say('tip_no_bytes')]);
  if (isText && cell.text) facts.push(['characters', codePoints(cell.text)]);
  facts.push(['origin', originOf(cell) + ' · ' + say('tip_turn', { n: '' + cell.turn })]);
  if (view.bar) facts.push(['cost', say('tip_share', { n: size, window: view.bar.window, share: share.format(size / view.bar.window) })]);
  return facts;
}

function notesOf(cell) {
  const { flags, typed, origin } = cell, name = cell.pieces[0];
  const typedNote = typed === '<n>' ? say('tip_typed_join') : say('tip_typed', { name: typed });
  return [flags & PHANTOM && say('tip_phantom'), flags & CROSSES && say('tip_crosses'),
    cell.ids.length > 1 && say('tip_group', { n: cell.ids.length }), flags & TYPED && typedNote, flags & ACTS && say('tip_acts', { name }),
    origin === 'c' ? meaning(name) : flags & TYPED ? meaning(typed) : origin === 'j' && isInJoin(cell) && meaning('<n>')].filter(Boolean);
}
// Whether a cell is part of a join <n>, whose beginning may lie inside the token before it.
function isInJoin(cell) {
  let last = cells.of(cell.start);
  while (cells.origins[last + 1] === 'j') last++;
  return cells.texts[last].endsWith('n>');
}

function showCard(node) {
  const cell = cells.at(cellAt(node)), title = make('b', 'tp-title'), facts = make('dl');
  write(title, cell.flags & PHANTOM ? '▁' : cell.text || cell.pieces[0], cell.ids.length > 1);
  for (const [name, value] of factsOf(cell)) facts.append(make('dt', '', say('tip_' + name)), make('dd', '', value));
  const close = makeButton('tp-close', '×', () => hideCard(true));
  close.setAttribute('aria-label', say('close'));
  card.replaceChildren(close, title, facts, ...notesOf(cell).map(note => make('p', '', note)));
  shown?.classList.remove('on');
  shown = node;
  node.classList.add('on');
  card.hidden = false;
  place(node.getBoundingClientRect());
  publish('point', cell.start);
}

// Beside the token; on a phone the style sheet puts it at the bottom, and the token must not be under it.
const isSheet = matchMedia('(max-width: 760px)');
function place(box) {
  const { offsetWidth: width, offsetHeight: height } = card;
  if (isSheet.matches) {
    const hidden = box.bottom + 12 - (innerHeight - height);
    if (!isKept || hidden <= 0) return;
    element.style.paddingBottom = height + 'px';  // the page may end too early to scroll so far
    scrollBy(0, hidden);
    return;
  }
  const isBelow = box.bottom + 6 + height < innerHeight;
  card.style.left = Math.max(12, Math.min(box.left, innerWidth - width - 12)) + 'px';
  card.style.top = (isBelow ? box.bottom + 6 : Math.max(6, box.top - 6 - height)) + 'px';
}

function keepCard(node) {
  isKept = true;
  card.classList.add('kept');
  showCard(node);
}

function hideCard(isWanted) {
  if (!shown || (isKept && !isWanted)) return;
  card.hidden = true;
  element.style.paddingBottom = '';
  card.classList.remove('kept');
  shown.classList.remove('on');
  shown = null;
  isKept = false;
  publish('point', null);
}

// The token that the card is about may be gone with the next view, or stand elsewhere.
function followCard() {
  if (!shown) return;
  if (!isKept || !shown.isConnected) hideCard(true); else showCard(shown);
}

const cellNode = event => event.target.closest('.k');
list.addEventListener('mouseover', event => {
  // While an answer streams, tokens move under a mouse that rests; that is no pointing.
  if (isKept || (view.mode === 'answering' && !event.movementX && !event.movementY)) return;
  const node = cellNode(event);
  if (node) showCard(node); else hideCard();
});
list.addEventListener('mouseleave', () => hideCard());
list.addEventListener('scroll', () => { if (document.activeElement !== shown) hideCard(); });
list.addEventListener('click', event => {
  const node = cellNode(event);
  if (!node || (isKept && node === shown)) return hideCard(true);
  makeStop(cellAt(node));
  keepCard(node);
});
document.addEventListener('click', event => {
  if (isKept && !card.contains(event.target) && !list.contains(event.target)) hideCard(true);
});
// Pressing Escape anywhere takes it away.
document.addEventListener('keydown', event => { if (event.key === 'Escape' && shown) hideCard(true); });

// --- keyboard: the list is one tab stop, the arrow keys move in it ---------------------------------
let stop = null, stopCell = 0;

function makeStop(cell) {
  const node = nodeOf(cell);
  stopCell = cell;
  if (stop === node) return node;
  stop?.removeAttribute('tabindex');
  stop = node;
  node.tabIndex = 0;
  return node;
}

function spoken(cell) {
  if (cell.text.trim()) return cell.text;
  return cell.text.includes('\n') ? say('line_break') : cell.text ? say('blank') : cell.pieces.join(' ');
}

// Made when a token gets the focus, and not for thousands on every draw.
function introduce(node) {
  const cell = cells.at(cellAt(node));
  node.setAttribute('role', 'option');
  node.setAttribute('aria-selected', 'true');
  node.setAttribute('aria-setsize', cells.length);
  node.setAttribute('aria-posinset', cellAt(node) + 1);
  node.setAttribute('aria-label', say('token_label', { n: range(cell), text: spoken(cell), origin: originOf(cell) }));
  node.setAttribute('aria-describedby', 'token-card');
}

function moveTo(cell) {
  const node = makeStop(Math.max(0, Math.min(cells.length - 1, cell)));
  introduce(node);
  node.focus({ preventScroll: true });
  reveal(stopCell);
  if (isKept) keepCard(node); else showCard(node);
}

// The nearest token of the next line, or of the one before.
function onOtherLine(cell, step) {
  const from = nodeOf(cell).getBoundingClientRect(), distance = box => Math.abs(box.left - from.left);
  let best = cell, line = null;
  for (let next = cell + step; next >= 0 && next < cells.length; next += step) {
    const box = nodeOf(next).getBoundingClientRect();
    if (Math.abs(box.top - from.top) < 4) continue;
    if (line !== null && Math.abs(box.top - line.top) > 4) break;
    if (line === null || distance(box) < distance(line)) { best = next; line = box; }
  }
  return best;
}

const MOVES = {
  ArrowRight: cell => cell + 1, ArrowLeft: cell => cell - 1, Home: () => 0, End: () => cells.length - 1,
  ArrowDown: cell => onOtherLine(cell, 1), ArrowUp: cell => onOtherLine(cell, -1),
};
list.addEventListener('keydown', event => {
  if (!cellNode(event) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'Enter' || event.key === ' ') keepCard(stop);
  else if (MOVES[event.key]) moveTo(MOVES[event.key](cellAt(stop)));
  else return;
  event.preventDefault();
});
list.addEventListener('focusin', event => {
  const node = cellNode(event);
  if (!node || !node.matches(':focus-visible')) return;
  introduce(node);
  if (!isKept) showCard(node);
});
list.addEventListener('focusout', () => hideCard());

// After a draw there is one tab stop again; the focus stays where it was.
function followStop(hadFocus) {
  if (stop?.isConnected) { stopCell = cellAt(stop); return; }
  stop = null;
  if (!cells.length) return;
  const node = makeStop(hadFocus ? Math.min(stopCell, cells.length - 1) : cells.length - 1);
  if (hadFocus) node.focus({ preventScroll: true });
}
