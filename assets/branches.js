// --- branches: an answer goes on otherwise from one of its tokens, by ids; the tree of what was so ---------
const { forest, beginAnswer, keptRecord, drawPair } = window.yuanDemo;
let branchAsk = 0, branchNode = null, tree = [], here = null, compared = [], renamed = null;  // ids of nodes
let busyUntil = 0;  // what was asked for is not under way yet; a time, lest a lost connection locks this for good
const MOST_WAIT = 15_000, isBusy = () => Date.now() < busyUntil;
let isWaitNote = false, isAsking = false, isLive = false, typedAt = null;  // isAsking: "Forget all" asks

const branchCard = make('section', 'an-card br'), pairCard = make('section', 'an-card br-pair');
branchCard.hidden = pairCard.hidden = true;
// Below the candidates: it grows, and would push them away under the pointer.
$('an-details').after(branchCard, pairCard);
const canBranch = () => shown && !shown.isPrompt && !shown.file && !shown.foreign && shown.messages && shown.options && shown.settings && !isWriting;

// A candidate's name: pressed, the answer goes on from there with it.
function branchButton(id) {
  const token = tokenShown(), row = shown.rows[token], piece = shown.pieces[id] ?? '' + id;
  if (!canBranch() || id === cells.ids[token]) return make('span');
  const node = makeButton('br-go', undefined, event => {
    // The second click of two would fall on whatever stands there by then.
    if (event.detail > 1) return;
    const [, logprob] = row[CANDIDATES].find(([each]) => each === id);
    const rank = 1 + row[CANDIDATES].filter(each => each[1] > logprob).length;
    branch(token, [id], [[logprob, rank, row[ENTROPY], row[EOD], row[CANDIDATES]]], { [id]: piece });
  });
  node.title = say('br_go_title');
  return node;
}

// The same behind a string that was asked for.
function goOn(ids, logprobs, ranks, entropies, pieces) {
  if (!ids || !canBranch()) return [];
  const token = tokenOpened(), row = shown.rows[token], number = shown.number;
  // Of its first token all is known that is of the answer's own: both come from one distribution.
  const rows = ids.map((id, index) => index || !row ? [logprobs[index], ranks[index], entropies[index], null, []]
    : [logprobs[0], ranks[0], row[ENTROPY], row[EOD], row[CANDIDATES]]);
  return [makeButton('br-go-on', say('br_go_on'), event => {
    if (event.detail < 2 && shown.number === number && branch(token, ids, rows, Object.fromEntries(ids.map((id, index) => [id, pieces[index]])))) typedAt = token;
  })];
}

const spelled = pieces => pieces.map(spell).join('').replaceAll('\n', '↵').replaceAll('<0x0A>', '↵');
// Returns whether it was asked for.
function branch(token, ids, rows, pieces) {
  if (isBusy()) return false;
  if (!canBranch()) { tellWait(); return false; }
  const again = tree.find(node => node.parent === here && node.turn === shown.turn && node.at === token && node.ids?.join() === ids.join());
  if (again && here !== null) { putUp(again); return false; }
  const begun = [...cells.ids.slice(0, token), ...ids], { prompt, settings, options, messages, turn } = shown;
  const label = { n: '' + (token + 1), is: spelled(ids.map(id => pieces[id])), was: spelled([cells.pieces[token]]) };
  beginAnswer(prompt.i, begun, [...shown.rows.slice(0, token), ...rows], { ...shown.pieces, ...pieces }, token);
  typedAt = null;
  isAsking = false;
  branchNode = forest.grow({ label, turn, at: token, ids });
  picked = pointed = null;
  tellBranch('');
  busyUntil = Date.now() + MOST_WAIT;
  trigger('branch', { ask: ++branchAsk, prompt: prompt.i, begun, settings, options, messages });
  return true;
}

function tellWait() { tellBranch(say('br_wait')); isWaitNote = true; }
function tellBranch(text) {
  isWaitNote = false;
  branchCard.hidden = !tree.length && !text;
  const status = branchCard.querySelector('[role=status]');
  if (status && status.textContent !== text) status.textContent = text;
}

// --- the tree -----------------------------------------------------------------------------------------
// In the language of the page; what somebody named stays.
const nameOf = node => node.name ?? (node.label ? say('br_name', node.label) : say('br_root'));
const isLeaf = node => !tree.some(each => each.parent === node.id);

function drawNode(node, depth, place) {
  const own = nameOf(node);
  const row = make('li', node.id === here ? 'here' : ''), side = compared.indexOf(node.id);
  row.style.setProperty('--depth', Math.min(depth, 6));
  const pick = makeButton('br-pick' + (side < 0 ? '' : ' ' + 'ab'[side]), 'AB'[side] ?? '', () => {
    compared = side < 0 ? [...compared, node.id].slice(-2) : compared.filter(each => each !== node.id);
    drawTree();
    branchCard.querySelectorAll('.br-pick')[place].focus({ preventScroll: true });
  });
  pick.setAttribute('aria-pressed', side >= 0);
  pick.setAttribute('aria-label', pick.title = say('br_compare', { name: own }));
  row.append(pick);
  if (renamed === node.id) {
    const field = make('input', 'br-field');
    Object.assign(field, { type: 'text', value: own, maxLength: 80 });
    field.setAttribute('aria-label', say('br_rename'));
    const end = keeps => { if (renamed === null) return; renamed = null; if (keeps && field.value !== own) forest.rename(node.id, field.value); else drawTree(); };
    field.addEventListener('keydown', event => { if (event.key === 'Enter') end(true); else if (event.key === 'Escape') end(false); });
    field.addEventListener('blur', () => end(true));
    row.append(field);
    queueMicrotask(() => { field.focus({ preventScroll: true }); field.select(); });
    return row;
  }
  const name = makeButton('br-name', own, () => putUp(node)), facts = make('span', 'br-facts', say('br_turn', { n: '' + node.turn }));
  if (node.id === here) { name.setAttribute('aria-current', 'true'); facts.append(' · ', make('b', '', say('br_here'))); }
  name.title = say(node.id === here ? 'br_here_title' : 'br_put_up');
  row.append(name, facts, makeButton('br-rename', '✎', () => { renamed = node.id; drawTree(); }));
  row.lastChild.setAttribute('aria-label', say('br_rename_what', { name: own }));
  row.lastChild.title = say('br_rename');
  if (node.id === here || !isLeaf(node)) return row;
  row.append(makeButton('br-drop', '×', () => forest.drop(node.id)));
  row.lastChild.setAttribute('aria-label', say('br_drop_what', { name: own }));
  row.lastChild.title = say('br_drop');
  return row;
}

function putUp(node) {
  if (node.id === here || isBusy()) return;
  if (isWriting) return tellWait();
  tellBranch('');
  picked = pointed = wanted = null;
  forest.choose(node.id);
  busyUntil = Date.now() + MOST_WAIT;
  trigger('put_up', { ask: ++branchAsk, shown: forest.chatOf(node) });
}

function drawTree() {
  const list = branchCard.querySelector('ol'), rows = [];
  const add = (parent, depth) => tree.filter(node => node.parent === parent).forEach(node => { rows.push(drawNode(node, depth, rows.length)); add(node.id, depth + 1); });
  add(null, 0);
  compared = compared.filter(id => tree.some(node => node.id === id));
  list.replaceChildren(...rows);
  branchCard.querySelector('.br-hint').textContent = say(compared.length === 1 ? 'br_one_more' : 'br_hint');
  branchCard.hidden = !tree.length && !branchCard.querySelector('[role=status]').textContent;
  drawClear();
  drawCompared();
}

// It asks once before all of them go.
function drawClear() {
  const node = branchCard.querySelector('.br-ask'), count = tree.filter(each => each.at !== null).length;
  const button = (key, does) => makeButton('br-clear', say(key), () => { does(); drawClear(); node.querySelector('button')?.focus({ preventScroll: true }); });
  const all = isAsking ? [make('span', '', say('br_clear_ask', { n: count })),
    button('br_yes', () => { isAsking = false; compared = []; forest.clear(); }), button('br_no', () => { isAsking = false; })]
    : [button('br_clear', () => { isAsking = true; })];
  const key = all.map(each => each.textContent).join('|');
  if (node.dataset.key !== key) { node.dataset.key = key; node.replaceChildren(...all); }
}

// The first turn in which two nodes say something else; the last one of both where none does.
function turnApart(one, other) {
  const turns = Object.keys(one.records).filter(turn => turn in other.records).map(Number);
  return turns.find(turn => one.records[turn] !== other.records[turn]) ?? turns[turns.length - 1];
}

function drawCompared() {
  pairCard.hidden = compared.length < 2;
  if (pairCard.hidden) return;
  const pair = compared.map(forest.nodeOf), turn = turnApart(...pair), records = pair.map(node => keptRecord(node.records[turn]));
  if (records.every(Boolean)) drawPair(pairCard, ...records.map((record, side) => ({ name: nameOf(pair[side]), record, turn })));
  else pairCard.replaceChildren(make('p', 'an-why', say(isWriting && compared.includes(here) ? 'br_pair_wait' : 'br_pair_gone')));
}

// --- start --------------------------------------------------------------------------------------------
branchCard.append(make('div', 'br-head'), make('ol'), make('p', 'an-why'));
branchCard.querySelector('.br-head').append(make('b', '', say('br_title')), make('span', 'br-hint'), make('span', 'br-ask'));
branchCard.querySelector('ol').setAttribute('aria-label', say('br_title'));
branchCard.lastChild.setAttribute('role', 'status');
subscribe('branches', news => { ({ nodes: tree, current: here } = news); drawTree(); });
watch('value', () => {
  const news = JSON.parse(props.value || '{}');
  if (news.is !== 'branch' || news.ask !== branchAsk) return;
  busyUntil = 0;
  if (!news.error) return;
  // Where it had begun, the chat shows it, and what stood there before is only here.
  if (branchNode && !news.has_begun) forest.wither(branchNode.id);
  else forest.ripen();
  branchNode = null;
  typedAt = null;
  tellBranch(news.error[lang ? 'zh' : 'en']);
  isWaitNote = news.code === 'answer_running';
});
subscribe('answers', news => {
  const hasEnded = isLive && !news.isWriting;
  isLive = news.isWriting;
  if (!isLive && isWaitNote) tellBranch('');
  if (!hasEnded || typedAt === null) return;
  const token = typedAt;
  typedAt = null;
  // Once it is drawn: what was typed is looked at, unless somebody looks at another one.
  queueMicrotask(() => {
    if (picked !== null || !boxes[token]) return;
    picked = token;
    makeStop(boxes[token]);
    showDetails();
  });
});
