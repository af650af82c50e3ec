// The context card: how the window is spent, what had to go, and every turn. `props.value` is the view
// as a JSON string (yuan_demo/ui/views.py); it is parsed here, once, and published to the other parts.
const { lang, count, say, make, makeButton, makeSwitch, CellList, publish, subscribe, model } = window.yuanDemo;
const $ = name => element.querySelector('.' + name);
$('cx').innerHTML = `
  <div class="cx-model"></div>
  <div class="cx-card">
    <div class="cx-head"><b class="cx-title"></b><span class="cx-used"></span><span class="cx-excess"></span><span class="cx-switch tp-switch"></span></div>
    <div class="cx-bar" role="img"></div>
    <div class="tp-legend"></div>
    <div class="cx-own" hidden><span class="cx-track"><i></i></span><span></span></div>
    <button type="button" class="cx-fold" aria-expanded="false" hidden></button>
    <ol class="cx-turns" hidden></ol>
  </div>
  <div class="tp-notice" role="status"></div>
  <button type="button" class="cx-way" hidden></button>`;
const NO_CELLS = { t: [], o: '', r: [], n: {}, f: {}, i: [], p: [] };
const ORIGINS = { u: 'origin_user', a: 'origin_assistant', j: 'origin_join', c: 'origin_control' };
const DROPPING = new Set(['drop_oldest', 'keep_first', 'shrink_answer']);  // policies that heed a pin
const MOST_TURNS = 8;  // that the bar shows one by one
let view, grouping = 'parts', stretches = [], speed = null;

// --- groupings: stretches that add up to the window, each with the tokens [start, end) that it holds -
const stretch = (key, label, size, spans = [], look = key, name = '') => ({ key, label, size, spans, look, name });

function byPart(bar) {
  const kept = bar.history + bar.message;
  return [stretch('history', say('history'), bar.history, [[0, bar.history]]),
    stretch('message', say('message'), bar.message, [[bar.history, kept]]), ...rest(bar)];
}

function byTurn(bar) {
  const turns = turnSpans(), alone = turns.length > MOST_TURNS ? turns.slice(1 - MOST_TURNS) : turns;
  const older = turns.slice(0, turns.length - alone.length), fits = bar.history + bar.message;
  const groups = alone.map(turn => [turn]);
  if (older.length) groups.unshift(older);
  const out = groups.map(group => {
    const [first] = group, last = group[group.length - 1], span = [first.start, Math.min(last.end, fits)];
    const name = first === last ? '' + first.n : first.n + '–' + last.n;
    const look = group === groups[groups.length - 1] && bar.message ? 'message' : 'turn' + (last.n % 2);
    return stretch('turn-' + name, say(first === last ? 'turn' : 'turns', { n: name }), Math.max(0, span[1] - span[0]), [span], look, name);
  });
  return [...out, ...rest(bar)];
}

function byOrigin(bar) {
  const cells = view.cellList, limit = bar.history + bar.message, sizes = { u: 0, a: 0, j: 0, c: 0 }, spans = { u: [], a: [], j: [], c: [] };
  for (let cell = 0; cell < cells.length && cells.firsts[cell] < limit;) {
    const origin = cells.origins[cell], start = cells.firsts[cell];
    while (cell < cells.length && cells.origins[cell] === origin) cell++;
    const end = Math.min(cells.firsts[cell], limit);
    sizes[origin] += end - start;
    spans[origin].push([start, end]);
  }
  const present = Object.keys(ORIGINS).filter(origin => sizes[origin]);
  return [...present.map(origin => stretch('origin-' + origin, say(ORIGINS[origin]), sizes[origin], spans[origin], origin)), ...rest(bar)];
}

function rest(bar) {
  const start = view.prompt_tokens;
  return [stretch('answer', say('answer'), bar.answer, [[start, start + bar.answer]]),
    stretch('reserved', say('reserved'), bar.reserved), stretch('free', say('free'), bar.free)];
}

// The turns that are in the prompt, with their tokens [start, end).
function turnSpans() {
  let end = 0;
  return view.turns.filter(turn => turn.k).map(turn => ({ n: turn.n, start: end, end: end += turn.k }));
}
const GROUPINGS = { parts: byPart, turns: byTurn, origins: byOrigin };

// --- the bar --------------------------------------------------------------------------------------
function drawBar() {
  const bar = view.bar, used = bar.history + bar.message + bar.answer + bar.excess;
  const before = stretches.map(each => each.key + each.look).join();
  stretches = GROUPINGS[grouping](bar);
  $('cx-used').textContent = say('used_of', { used, window: bar.window });
  if (before !== stretches.map(each => each.key + each.look).join()) buildBar();
  stretches.forEach((each, index) => {
    const part = $('cx-bar').children[index], isWide = each.size > 0.05 * bar.window;
    part.style.flexGrow = each.size;
    part.textContent = each.name && isWide ? each.name : '';
    const entry = $('tp-legend').children[index];
    entry.lastChild.textContent = count.format(each.size);
    entry.classList.toggle('none', !each.size);
  });
  $('cx-bar').setAttribute('aria-label', stretches.map(each => each.label + ' ' + count.format(each.size)).join(', '));
  $('cx-excess').textContent = bar.excess ? say('excess', { n: bar.excess, reserved: bar.reserved }) : '';
  const isPart = bar.window < bar.model_window;
  $('cx-own').hidden = !isPart;
  $('cx-own').firstElementChild.firstElementChild.style.width = 100 * bar.window / bar.model_window + '%';
  $('cx-own').lastElementChild.textContent = isPart ? say('own_window', { window: bar.window, own: bar.model_window }) : '';
}

function buildBar() {
  $('cx-bar').replaceChildren(...stretches.map(each => {
    const node = make('i', 'f-' + each.look);
    node.dataset.key = each.key;
    return node;
  }));
  $('tp-legend').replaceChildren(...stretches.map(each => {
    const entry = makeButton('', undefined, () => stick(each.key));
    entry.dataset.part = entry.dataset.key = each.key;
    entry.append(make('i', 'f-' + each.look), make('span', '', each.label), make('b'));
    return entry;
  }));
}

// --- light: what is pointed at here lights up in the list, and the other way round -------------------
let stuck = null;
const lightOf = (key, show) => {
  const found = stretches.find(each => each.key === key);
  return found ? { spans: found.spans, show } : null;
};
const markStretch = key => element.querySelectorAll('[data-key]').forEach(node => node.classList.toggle('on', node.dataset.key === key));
function point(key) {
  markStretch(key ?? stuck);
  publish('light', lightOf(key ?? stuck, false));
}
// Tapped or clicked, it stays until the next time.
function stick(key) {
  stuck = stuck === key ? null : key;
  element.querySelectorAll('.tp-legend button').forEach(node => node.setAttribute('aria-pressed', node.dataset.key === stuck));
  markStretch(stuck);
  publish('light', lightOf(stuck, true));
}
const keyAt = event => event.target.closest('[data-key]')?.dataset.key;
for (const zone of [$('cx-bar'), $('tp-legend')]) {
  zone.addEventListener('mouseover', event => point(keyAt(event)));
  zone.addEventListener('mouseleave', () => point());
  zone.addEventListener('focusin', event => { if (event.target.matches(':focus-visible')) point(keyAt(event)); });
  zone.addEventListener('focusout', () => point());
}
$('cx-bar').addEventListener('click', event => stick(keyAt(event)));
subscribe('point', position => {
  if (position === null) return markStretch(stuck);
  const found = stretches.find(each => each.spans.some(([start, end]) => start <= position && position < end));
  markStretch(found?.key);
});

// --- what had to go -------------------------------------------------------------------------------
// 1, 3, 4, 5 -> 1, 3–5
function numbers(turns) {
  const runs = [];
  for (const turn of turns) {
    const run = runs[runs.length - 1];
    if (run && run[1] === turn - 1) run[1] = turn; else runs.push([turn, turn]);
  }
  const names = runs.map(([first, last]) => first === last ? '' + first : first + '–' + last);
  return say(turns.length > 1 ? 'some_turns' : 'one_turn', { turns: names.join(lang ? '、' : ', ') });
}

function losses() {
  const { dropped, shrunk, mode } = view, isSent = mode === 'sent' || mode === 'answering', out = [];
  if (dropped && view.policy === 'left_cut') out.push(say(isSent ? 'was_cut' : mode === 'history' ? 'no_room_cut' : 'will_cut', { ...dropped, n: dropped.tokens }));
  else if (dropped) out.push(say(isSent ? 'dropped' : mode === 'history' ? 'no_room' : 'will_drop', { ...dropped, turns: numbers(dropped.turns) }));
  if (shrunk) out.push(say('shrunk', shrunk));
  return out;
}

function drawNotice() {
  const node = $('tp-notice'), lines = view.error ? [view.error[lang ? 'zh' : 'en']] : losses();
  node.className = 'tp-notice' + (view.error ? ' bad' : lines.length ? ' warn' : '');
  // Written anew only when it says something else: a screen reader reads it out.
  if (node.textContent !== lines.join('')) node.replaceChildren(...lines.map(line => make('p', '', line)));
  $('cx-way').hidden = !(view.dropped || view.shrunk || view.bar?.excess);
}

// From what had to go to the setting that decides it.
function openPolicy() {
  document.querySelector('#panel-tabs [role=tab]').click();
  const settings = document.querySelector('#prompt-settings'), fold = settings.querySelector('button.label-wrap');
  if (!fold.classList.contains('open')) fold.click();
  // When Gradio has drawn them; a field that is not there yet takes no focus.
  setTimeout(() => {
    const tabs = document.querySelector('#panel-tabs'), head = tabs.querySelector('.tab-wrapper').offsetHeight;
    tabs.scrollTop += settings.getBoundingClientRect().top - tabs.getBoundingClientRect().top - head;
    settings.querySelector('input')?.focus();
  }, 200);
}

// --- turns ----------------------------------------------------------------------------------------
let drawnTurns = '';
function drawTurns() {
  const { turns } = view, fold = $('cx-fold'), number = state => turns.filter(turn => turn.s === state).length;
  const gone = number('dropped') + number('unwritten'), pinned = turns.filter(turn => view.pinned.includes(turn.n)).length;
  fold.hidden = !turns.length;
  fold.textContent = [say('turns_fold', { n: turns.length }), gone && say('turns_gone', { n: gone }), pinned && say('turns_pinned', { n: pinned })]
    .filter(Boolean).join(' · ');
  const isOpen = fold.getAttribute('aria-expanded') === 'true' && turns.length > 0, key = view.mode + view.policy + view.pinned + JSON.stringify(turns);
  $('cx-turns').hidden = !isOpen;
  if (!isOpen || key === drawnTurns) return;
  drawnTurns = key;
  const focused = $('cx-turns').contains(document.activeElement) && document.activeElement.dataset.turn;
  $('cx-turns').replaceChildren(...turns.map(drawTurn));
  if (focused) element.querySelector(`[data-turn="${focused}"]`)?.focus();
}

function drawTurn(turn, index) {
  const row = make('li', 's-' + turn.s), isNewest = index === view.turns.length - 1 && view.mode !== 'history' && view.mode !== 'sent';
  const words = make('span', 'cx-words', turn.q.trim() || '…');
  words.dir = 'auto';
  const tokens = turn.s === 'kept' ? say('tokens', { n: turn.k }) : say('tokens_of', { n: turn.k, whole: turn.w });
  const facts = make('span', 'cx-facts');
  facts.append(make('span', 'cx-tokens', tokens), make('span', 'cx-fate', say('turn_' + turn.s)));
  row.append(make('b', '', turn.n), words, facts);
  if (!isNewest && turn.s !== 'unwritten' && DROPPING.has(view.policy)) row.append(pinButton(turn));
  const light = show => publish('light', { spans: turnSpans().filter(each => each.n === turn.n).map(each => [each.start, each.end]), show });
  row.addEventListener('mouseenter', () => light(false));
  row.addEventListener('focusin', () => light(false));
  row.addEventListener('click', event => { if (!event.target.closest('button')) light(true); });
  for (const leaving of ['mouseleave', 'focusout']) row.addEventListener(leaving, () => point());
  return row;
}

function pinButton(turn) {
  const isPinned = view.pinned.includes(turn.n);
  const node = makeButton('cx-pin', say(isPinned ? 'pinned' : 'pin'), () => trigger('pin', { turn: turn.n }));
  node.dataset.turn = turn.n;
  node.setAttribute('aria-pressed', isPinned);
  node.setAttribute('aria-label', say('pin_turn', { n: '' + turn.n }));
  node.title = say('pin_title');
  return node;
}

// --- the whole ------------------------------------------------------------------------------------
function drawModel() {
  const facts = [make('b', '', model.name), model.parameters && say('model_params', { n: '' + model.parameters }),
    model.device + ' · ' + model.dtype, speed && say('speed', { n: '' + speed }), busy, model.is_embedded && say('embedded_note')];
  $('cx-model').replaceChildren(...facts.filter(Boolean).map(fact => fact.nodeType ? fact : make('span', '', fact)));
}

// How busy the server is; `null` until it has told.
let busy = null;
subscribe('health', health => {
  busy = health && make('span', 'cx-busy' + (health.status === 'ok' ? '' : ' bad'), busyWords(health));
  drawModel();
});
function busyWords({ status, running, waiting, slots }) {
  if (status !== 'ok') return say(status);
  return say(waiting ? 'busy_line' : 'busy', { running, waiting, slots });
}

function drawFixed() {
  $('cx-title').textContent = say('context');
  $('cx-way').textContent = say('choose_policy');
  $('cx-way').addEventListener('click', openPolicy);
  makeSwitch($('cx-switch'), say('group_label'), Object.keys(GROUPINGS).map(name => [name, say('group_' + name)]), grouping, name => {
    grouping = name;
    if (stuck) stick(stuck);
    if (view.bar) drawBar();
  });
  $('cx-fold').addEventListener('click', () => {
    $('cx-fold').setAttribute('aria-expanded', $('cx-fold').getAttribute('aria-expanded') !== 'true');
    drawTurns();
  });
}

function draw() {
  const started = performance.now();
  view = JSON.parse(props.value);
  view.cellList = new CellList(view.cells ?? NO_CELLS, view.answer);
  view.turns ??= []; view.pinned ??= [];
  if (view.speed) speed = view.speed;
  drawModel(); drawNotice(); drawTurns();
  element.querySelector('.cx-card').classList.toggle('stale', !view.bar);
  if (view.bar) drawBar();
  publish('view', view);
  if (stuck) publish('light', lightOf(stuck, false));
  element.dataset.mode = view.mode;
  element.dataset.ids = JSON.stringify(view.cellList.ids);
  element.dataset.ms = (performance.now() - started).toFixed(1);
  element.dataset.seq = +(element.dataset.seq || 0) + 1;
}

drawFixed();
watch('value', draw);
draw();
