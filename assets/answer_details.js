// --- details of one token: on hover, on tap, and on keyboard focus ---------------------------------------
// picked: the token that a tap or the keyboard chose; pointed: the one under the mouse.
let picked = null, pointed = null, stop = null;

// Until somebody points at one: the newest while they come, then the one the model was least sure of.
function tokenShown() {
  const last = shown.rows.length - 1;
  if (pointed !== null && pointed <= last) return pointed;
  if (picked !== null && picked <= last) return picked;
  if (isWriting && shown === answers[answers.length - 1]) return last;
  return shown.rows.reduce((least, row, token) => row && row[LOGPROB] < (shown.rows[least]?.[LOGPROB] ?? 1) ? token : least, 0);
}

function bar(value, title) {
  const cell = make('td'), track = make('span', 'an-track'), fill = make('i');
  fill.style.width = 100 * value + '%';
  track.append(fill);
  cell.append(track, make('span', 'an-number', title ?? percent(value)));
  return cell;
}

function candidateRow(piece, before, after, note, isChosen, id) {
  const row = make('tr', isChosen ? 'chosen' : ''), name = make('th'), said = id === undefined ? make('span') : branchButton(id);
  name.scope = 'row';
  if (piece === null) said.textContent = note; else write(said, spell(piece), false);
  name.append(said);
  if (isChosen) {
    const tick = make('em', 'an-tick', '✓');
    tick.setAttribute('role', 'img');
    tick.setAttribute('aria-label', tick.title = say('an_chosen'));
    name.append(tick);
  }
  row.append(name, before, after);
  return row;
}

// The ten best, the chosen one if it is none of them, and everything else in a row of its own.
function candidateRows(row, chosenId, chosenPiece) {
  let before = 1, after = 1;
  const rows = row[CANDIDATES].map(([id, logprob, chance]) => {
    before -= Math.exp(logprob);
    after -= chance;
    return candidateRow(shown.pieces[id] ?? '' + id, bar(Math.exp(logprob)), bar(chance, chance ? undefined : say('an_cut')), '', id === chosenId, id);
  });
  if (!row[CANDIDATES].some(([id]) => id === chosenId)) {
    before -= Math.exp(row[LOGPROB]);
    rows.push(candidateRow(chosenPiece, bar(Math.exp(row[LOGPROB])), bar(0, say('an_in_others')), '', true));
  }
  rows.push(candidateRow(null, bar(Math.max(0, before)), bar(Math.max(0, after)), say('an_others'), false));
  rows[rows.length - 1].className = 'others';
  return rows;
}

function headRow() {
  const row = make('tr');
  for (const [name, title] of [['an_candidate'], ['an_before', 'an_before_title'], ['an_after', 'an_after_title']]) {
    const cell = make('th', '', say(name));
    cell.scope = 'col';
    if (title) cell.title = say(title);
    row.append(cell);
  }
  return row;
}

// As high as it has been for this answer: were it to shrink at the end of a page, the page would scroll
// and put another token under the mouse, whose details are higher, and so on.
let reserved = 0, reservedFor = null;
function keepHeight(node) {
  if (reservedFor !== shown.number) { reserved = 0; reservedFor = shown.number; node.style.minHeight = ''; }
  if (node.offsetHeight > reserved) { reserved = node.offsetHeight; node.style.minHeight = reserved + 'px'; }
}

function showDetails() {
  drawDetails();
  followSampler(); followAsked();
  keepHeight($('an-details'));
}

function drawDetails() {
  const token = tokenShown(), row = shown.rows[token], node = $('an-details');
  for (const box of list.querySelectorAll('.an-k.on')) box.classList.remove('on');
  boxes[token]?.classList.add('on');
  if (!row && !shown.isPrompt) return;
  markStep(token);
  node.dataset.token = token;
  if (!row) return node.replaceChildren(make('p', 'an-why', say('an_first')));
  const title = make('h3'), facts = make('dl'), table = make('table'), body = make('tbody'), head = make('thead');
  write(title, spell(cells.pieces[token]), false);
  title.append(make('small', '', say('an_step', { n: token + 1, all: shown.rows.length })));
  for (const [name, value] of [['an_probability', percent(Math.exp(row[LOGPROB]))], ['an_rank', count.format(row[RANK])],
    ['an_entropy', say('an_entropy_of', { n: nats(row) })], ...(row[EOD] === null ? [] : [['an_eod', percent(Math.exp(row[EOD]))]])]) {
    const fact = make('div');
    fact.append(make('dt', '', say(name)), make('dd', '', value));
    facts.append(fact);
  }
  node.replaceChildren(title, facts);
  if (!row[CANDIDATES].length) { if (!shown.isPrompt) node.append(make('p', 'an-why', say('br_typed'))); return; }
  head.append(headRow());
  body.append(...candidateRows(row, cells.ids[token], cells.pieces[token]));
  table.append(head, body);
  node.append(table, ...(canBranch() ? [make('small', 'br-tip', say('br_tip'))] : []));
}

const boxOf = event => event.target.closest?.('.an-k');
let isResting = false;  // other tokens came under the mouse without its moving
function point(event) {
  const box = boxOf(event);
  if (!box || box.token === pointed) return;
  pointed = box.token;
  showDetails();
}
list.addEventListener('mouseover', event => {
  // While an answer streams, tokens move under a mouse that rests; that is no pointing.
  if (!isResting && !(isWriting && !event.movementX && !event.movementY)) point(event);
});
list.addEventListener('mousemove', event => { isResting = false; point(event); });
list.addEventListener('mouseleave', () => { if (pointed !== null) { pointed = null; showDetails(); } });
list.addEventListener('click', event => {
  const box = boxOf(event);
  if (!box) return;
  picked = picked === box.token ? null : box.token;
  makeStop(box);
  box.focus({ preventScroll: true });
  showDetails();
});

// --- keyboard: the list is one tab stop, the arrow keys move in it ---------------------------------
function makeStop(box) {
  stop?.removeAttribute('tabindex');
  stop = box;
  box.tabIndex = 0;
}

// After a draw there is one tab stop again; the focus stays where it was.
function followStop() {
  const hadFocus = list.contains(document.activeElement) || (stop && !stop.isConnected && document.activeElement === document.body && picked !== null);
  if (stop?.isConnected) return;
  if (!boxes.length) return;
  makeStop(boxes[Math.min(picked ?? 0, boxes.length - 1)]);
  if (hadFocus) stop.focus({ preventScroll: true });
}

function introduce(box) {
  const row = shown.rows[box.token], piece = spell(cells.pieces[box.token]);
  box.setAttribute('role', 'option');
  box.setAttribute('aria-selected', 'true');
  box.setAttribute('aria-setsize', boxes.length);
  box.setAttribute('aria-posinset', box.token + 1);
  if (row) box.setAttribute('aria-label', say('an_token', { n: box.token + 1, text: piece.trim() || say('blank'), p: percent(Math.exp(row[LOGPROB])), rank: row[RANK], entropy: nats(row) }));
}

const MOVES = makeMoves(() => boxes);

function select(token) {
  const box = boxes[Math.max(0, Math.min(boxes.length - 1, token))];
  if (!box) return;
  picked = box.token;
  pointed = null;
  makeStop(box);
  introduce(box);
  box.focus({ preventScroll: true });
  const place = box.getBoundingClientRect(), frame = list.getBoundingClientRect();
  // The list scrolls, not the page.
  if (place.top < frame.top || place.bottom > frame.bottom) list.scrollTop += place.top - frame.top - list.clientHeight / 3;
  showDetails();
}

list.addEventListener('keydown', event => {
  if (!boxOf(event) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (MOVES[event.key]) select(MOVES[event.key](stop.token));
  else if (event.key === 'Enter' || event.key === ' ') select(stop.token);
  else if (event.key === 'Escape') { picked = null; showDetails(); }
  else return;
  event.preventDefault();
});
list.addEventListener('focusin', event => {
  const box = boxOf(event);
  if (box?.matches(':focus-visible')) { introduce(box); picked = box.token; showDetails(); }
});

// --- start --------------------------------------------------------------------------------------------
chooser.addEventListener('change', () => { wanted = +chooser.value; picked = pointed = null; draw(); });
makeSwitch(element.querySelector('.tp-switch'), say('an_measure'), Object.keys(MEASURES).map(name => [name, say('an_' + name)]), measure, name => {
  measure = name;
  drawKey();
  boxes.forEach((box, token) => dress(box, shown.rows[token]));
});
list.setAttribute('aria-label', say('an_list'));
$('an-which').firstChild.textContent = say('an_which');
drawKey();
subscribe('answers', news => {
  // A new answer is looked at as it comes.
  if (news.isWriting && !isWriting) wanted = picked = null;
  ({ answers, isWriting, isStarted } = news);
  if (news.wanted) { wanted = news.wanted; picked = pointed = null; }
  draw();
});
// While another tab hid this one nothing was drawn.
let width = 0;
new ResizeObserver(() => {
  if (isStale) draw();
  else if (width !== element.offsetWidth && shown) { reservedFor = null; showDetails(); }
  width = element.offsetWidth;
}).observe(element);
