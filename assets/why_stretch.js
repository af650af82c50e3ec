// --- the stretch: tokens of the answer, selected by mouse, thumb and keyboard -----------------------------
let drawnList = '', stop_ = null, anchor = 0, isDragging = false, isTapped = false, told = '';

function drawBox(token, cell, isAlone) {
  const node = make('span', 'wy-k'), piece = cells.pieces[token];
  const said = isAlone ? cell.text || piece : /^<0x(..)>$/.exec(piece)?.[1] ?? spell(piece);
  write(node, cell.flags & 1 ? '▁' : said.replace(/\n$/, '') || '↵', false);
  if (cell.origin === 'c') node.classList.add('c');
  node.token = token;
  node.setAttribute('role', 'option');
  node.setAttribute('aria-label', say('wy_token', { n: token + 1, text: spell(piece).trim() || say('wy_blank'), p: percent(Math.exp(shown.rows[token]?.[0] ?? 0)) }));
  boxes[token] = node;
  return node;
}

function drawList() {
  const key = shown.number + ':' + shown.cells.i.join();
  if (key === drawnList) return;
  drawnList = key;
  cells = new CellList(shown.cells);
  boxes = [];
  stop_ = null;
  const drawn = [];
  for (let index = 0; index < cells.length; index++) {
    const cell = cells.at(index);
    for (let token = cell.start; token < cell.end; token++) drawn.push(drawBox(token, cell, cell.ids.length === 1));
    if (cell.text.endsWith('\n')) drawn.push(make('br'));
  }
  list.replaceChildren(...drawn);
}

const isLast = token => token === shown.rows.length - 1 && cells.at(cells.of(token)).origin === 'c';
// Without the <eod> at its end, which says nothing.
const whole = () => [0, Math.max(1, shown.rows.length - (isLast(shown.rows.length - 1) ? 1 : 0))];

// Letters that go on from one token to the next are one word; a Chinese piece is one of its own.
const joins = token => token > 0 && /[\p{L}\p{N}]$/u.test(cells.pieces[token - 1]) && /^[\p{L}\p{N}]/u.test(cells.pieces[token])
  && !/\p{scx=Han}|\p{scx=Hiragana}/u.test(cells.pieces[token - 1] + cells.pieces[token]) || cells.firsts[cells.of(token)] < token;
function leastLikely() {
  const [, all] = whole();
  let start = 0;
  for (let token = 1; token < all; token++) if ((shown.rows[token]?.[0] ?? 0) < (shown.rows[start]?.[0] ?? 0)) start = token;
  let end = start + 1;
  while (joins(start)) start--;
  while (end < all && joins(end)) end++;
  return [start, end];
}

function choose(start, end) {
  if (chosen && chosen[0] === start && chosen[1] === end) return;
  chosen = [start, end];
  forget();
  draw();
}

function drawRivals() {
  const isOne = chosen && chosen[1] - chosen[0] === 1, token = chosen?.[0];
  $('wy-against').hidden = false;
  rivals.disabled = !isOne || !shown.rows[token];
  if (rivals.disabled) {
    rivals.dataset.key = '';
    rivals.replaceChildren(make('option', '', say('wy_against_one')));
    rivals.firstChild.value = '';
    typed.hidden = true;
    return;
  }
  const key = shown.number + ':' + token;
  if (rivals.dataset.key !== key) {
    rivals.dataset.key = key;
    const options = shown.rows[token][4].filter(([id]) => id !== cells.ids[token]).map(([id, logprob]) => [id, `${spell(shown.pieces[id] ?? '' + id)}  ${percent(Math.exp(logprob))}`]);
    rivals.replaceChildren(...[['', say('wy_against_none')], ...options, [OWN, say('wy_against_own')]].map(([value, text]) => Object.assign(make('option', '', text), { value })));
  }
  typed.hidden = rivals.value !== OWN;
}

function drawStretch(hasTokens) {
  if (!hasTokens) { list.replaceChildren(); boxes = []; drawnList = ''; chosen = null; $('wy-against').hidden = true; $('wy-what').lastChild.textContent = ''; }
  else {
    drawList();
    // Until somebody selects, all of it.
    chosen ??= whole();
    boxes.forEach((box, token) => {
      const isOn = token >= chosen[0] && token < chosen[1];
      box.classList.toggle('on', isOn);
      box.classList.toggle('first', isOn && token === chosen[0]);
      box.classList.toggle('last', isOn && token === chosen[1] - 1);
      box.setAttribute('aria-selected', isOn);
    });
    if (!stop_?.isConnected) makeStop(boxes[Math.min(chosen[0], boxes.length - 1)]);
    const sum = sumOf(...chosen), n = chosen[1] - chosen[0];
    $('wy-what').lastChild.textContent = say('wy_chosen', { n, all: shown.rows.length, p: percent(Math.exp(sum)) }) + (n > 1 ? ' · ' + say('wy_mean', { p: percent(Math.exp(sum / n)) }) : '');
    drawRivals();
  }
  const key = hasTokens ? shown.number + ':' + shown.mark + ':' + chosen : '';
  if (key === told) return;
  told = key;
  publish('stretch', hasTokens ? { answer: shown, start: chosen[0], end: chosen[1] } : null);
}

// --- by mouse and thumb -----------------------------------------------------------------------------------
const boxOf = event => event.target.closest?.('.wy-k');
const extend = token => choose(Math.min(anchor, token), Math.max(anchor, token) + 1);
function makeStop(box) {
  stop_?.removeAttribute('tabindex');
  stop_ = box;
  if (box) box.tabIndex = 0;
}

list.addEventListener('pointerdown', event => {
  const box = boxOf(event);
  if (!box || event.pointerType === 'touch' || event.button) return;
  event.preventDefault();
  if (!event.shiftKey) anchor = box.token;
  isDragging = true;
  makeStop(box);
  box.focus({ preventScroll: true });
  extend(box.token);
});
list.addEventListener('pointerover', event => { if (isDragging && boxOf(event)) extend(boxOf(event).token); });
document.addEventListener('pointerup', () => { isDragging = false; });
document.addEventListener('pointercancel', () => { isDragging = false; });
let lastPointer = '';
list.addEventListener('pointerdown', event => { lastPointer = event.pointerType; }, true);
// A finger that drags scrolls: the first tap begins a stretch, the second one ends it.
list.addEventListener('click', event => {
  const box = boxOf(event);
  if (!box || lastPointer !== 'touch') return;
  if (!isTapped) anchor = box.token;
  isTapped = !isTapped;
  makeStop(box);
  extend(box.token);
});

// --- by keyboard ------------------------------------------------------------------------------------------
const MOVES = makeMoves(() => boxes);
list.addEventListener('keydown', event => {
  const box = boxOf(event);
  if (!box || event.altKey) return;
  const isAll = event.key === 'Escape' || (event.key === 'a' && (event.ctrlKey || event.metaKey));
  if (!isAll && (event.ctrlKey || event.metaKey || !(MOVES[event.key] || event.key === ' '))) return;
  event.preventDefault();
  if (isAll) return choose(...whole());
  const token = MOVES[event.key] ? Math.max(0, Math.min(boxes.length - 1, MOVES[event.key](box.token))) : box.token;
  if (!event.shiftKey) anchor = token;
  makeStop(boxes[token]);
  stop_.focus({ preventScroll: true });
  const place = stop_.getBoundingClientRect(), frame = list.getBoundingClientRect();
  // The list scrolls, not the page.
  if (place.top < frame.top || place.bottom > frame.bottom) list.scrollTop += place.top - frame.top - list.clientHeight / 3;
  extend(token);
});

// --- start ------------------------------------------------------------------------------------------------
chooser.addEventListener('change', () => { wanted = +chooser.value; draw(); });
$('wy-which').firstChild.textContent = say('wy_which');
$('wy-against').querySelector('span').textContent = say('wy_against');
typed.placeholder = say('wy_against_typed');
typed.setAttribute('aria-label', say('wy_against_typed'));
rivals.addEventListener('change', () => { forget(); draw(); if (!typed.hidden) typed.focus(); });
typed.addEventListener('input', () => { forget(); draw(); });
typed.addEventListener('keydown', event => { if (event.key === 'Enter' && typed.value && !asking) find(); });
list.setAttribute('aria-label', say('wy_list'));
$('wy-quick').append(makeButton('', say('wy_all'), () => choose(...whole())), makeButton('', say('wy_least'), () => choose(...leastLikely())), make('small', '', say('wy_how')));
$('wy-find').addEventListener('click', find);
makeSwitch(element.querySelector('.tp-switch'), say('wy_by'), ['measured', 'gradient'].map(name => [name, say('wy_' + name)]), view, name => {
  view = name;
  failure = '';
  if (question && !hasView()) ask(view === 'gradient' ? 'gradients' : 'measure', []);
  draw();
});
subscribe('answers', news => {
  if (news.isWriting && !isWriting) { wanted = null; isTapped = false; }
  if (news.wanted) wanted = news.wanted;
  ({ isWriting, isStarted } = news);
  // What another model wrote cannot be asked of this one.
  answers = news.answers.filter(answer => !answer.foreign);
  draw();
});
// While another tab hid this one nothing was drawn.
new ResizeObserver(() => { if (isStale) draw(); }).observe(element);
