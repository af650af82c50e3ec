// The Answer tab: every token of an answer as a heat map. Joined behind this file, in one scope:
// answer_report.js (how it ended) and answer_details.js (one token's candidates; it starts all).
const { lang, count, say, make, makeButton, makeSwitch, write, CellList, makeMoves, publish, subscribe, percent, spell } = window.yuanDemo;
const $ = name => element.querySelector('.' + name);
$('an').innerHTML = `
  <section class="an-card">
    <div class="an-what"><span></span><small></small></div>
    <label class="an-which" hidden><span></span><select></select></label>
    <div class="an-list" role="listbox" hidden></div>
    <div class="an-rate" hidden><button type="button"></button><span role="status"></span></div>
    <div class="an-key" hidden><div class="tp-switch"></div><div class="an-scale"><span></span><i></i><span></span></div></div>
  </section>
  <div class="an-loops" role="status"></div>
  <section class="an-card an-details" hidden></section>
  <section class="an-card an-asked" hidden><form class="an-asked-form"></form><p class="an-asked-said" role="status"></p><ul class="an-asked-list"></ul></section>
  <section class="an-card an-sampler" hidden><button type="button" class="an-fold" aria-expanded="false"></button>
    <div class="an-sampler-body" hidden><p class="an-why"></p><div class="an-knobs"></div><div class="an-sampled"></div></div></section>
  <section class="an-card an-report" hidden></section>`;
const list = $('an-list'), chooser = element.querySelector('select');
let answers = [], shown = null, isWriting = false, isStarted = false, wanted = null;  // wanted: a record's number
let measure = 'probability', cells = new CellList(), boxes = [], isStale = false;  // boxes: a node per token

// --- numbers ------------------------------------------------------------------------------------------
const LOGPROB = 0, RANK = 1, ENTROPY = 2, EOD = 3, CANDIDATES = 4;
const DOUBTFUL = Math.log(0.01), LATE = 100, VAGUE = 4;  // where a colour is at its strongest
const NOTHING = '\u00a0';  // where all is as certain as can be, a number would only be noise
const wholePercent = p => p >= 0.995 ? NOTHING : p < 0.005 ? '<1%' : Math.round(100 * p) + '%';
const MEASURES = {
  probability: { heat: row => row[LOGPROB] / DOUBTFUL, text: row => wholePercent(Math.exp(row[LOGPROB])), key: { p: '1 %' } },
  rank: { heat: row => Math.log(row[RANK]) / Math.log(LATE), text: row => row[RANK] > 1 ? '#' + row[RANK] : NOTHING, key: { n: LATE } },
  entropy: { heat: row => row[ENTROPY] / VAGUE, text: row => row[ENTROPY] < 0.05 ? NOTHING : row[ENTROPY].toFixed(1), key: { n: VAGUE } },
};
const nats = row => Math.max(0, row[ENTROPY]).toFixed(2);  // rounding may leave it below 0

// --- the tokens ---------------------------------------------------------------------------------------
function dress(node, row) {
  const { heat, text } = MEASURES[measure];
  node.style.setProperty('--heat', row ? Math.max(0, Math.min(1, heat(row))).toFixed(3) : 0);
  node.lastChild.textContent = row ? text(row) : '–';
}

function drawBox(token, cell, isAlone) {
  const node = make('span', 'an-k'), text = make('span', 'an-text'), piece = cells.pieces[token];
  // Bytes that make up one character stand as bytes, in a frame with the character.
  const said = isAlone ? cell.text || piece : /^<0x(..)>$/.exec(piece)?.[1] ?? spell(piece);
  write(text, cell.flags & 1 ? '▁' : said.replace(/\n$/, '') || '↵', false);
  node.append(text, make('small'));
  if (cell.origin === 'c') node.classList.add('c');
  node.token = token;
  boxes[token] = node;
  dress(node, shown.rows[token]);
  return node;
}

function drawCell(index) {
  const cell = cells.at(index), group = make('span', 'an-cell');
  group.key = cell.ids.join() + cell.text;
  if (cell.ids.length > 1) {
    const character = make('b');
    write(character, cell.text, true);
    group.classList.add('many');
    group.append(character);
  }
  for (let token = cell.start; token < cell.end; token++) group.append(drawBox(token, cell, cell.ids.length === 1));
  return group;
}

// Draws from the first cell on that is not there yet: an answer grows at its end.
let drawnNumber = null;
function drawList() {
  cells = new CellList(shown.cells);
  if (drawnNumber !== shown.number) { list.replaceChildren(); boxes = []; stop = null; }
  drawnNumber = shown.number;
  const drawn = list.querySelectorAll('.an-cell');
  let same = 0;
  while (same < drawn.length && same < cells.length && drawn[same].key === cells.ids.slice(cells.firsts[same], cells.firsts[same + 1]).join() + cells.texts[same]) same++;
  while (drawn[same] && list.lastChild !== drawn[same]) list.lastChild.remove();
  drawn[same]?.remove();
  boxes.length = cells.firsts[same];
  for (let cell = same; cell < cells.length; cell++) {
    list.append(drawCell(cell));
    if (cells.texts[cell].endsWith('\n')) list.append(make('br'));
  }
  shown.rows.forEach((row, token) => { if (row && boxes[token]?.lastChild.textContent === '–') dress(boxes[token], row); });
}

function drawKey() {
  const [first, last] = say('an_key_' + measure, MEASURES[measure].key).split('|');
  $('an-scale').firstChild.textContent = first;
  $('an-scale').lastChild.textContent = last;
}

// --- the whole ----------------------------------------------------------------------------------------
// Every answer, and behind it its prompt if that was rated.
const choices = () => answers.flatMap(answer => answer.rated ? [answer, answer.rated] : [answer]);
function drawChooser() {
  const all = choices(), key = all.map(each => each.number).join();
  $('an-which').hidden = all.length < 2;
  if (chooser.dataset.key !== key) {
    chooser.dataset.key = key;
    chooser.replaceChildren(...all.map(answer => {
      const option = make('option', '', answer.isPrompt ? say('an_prompt_of', { n: '' + answer.turn }) : answer.file ? say('tr_from', { name: answer.file, n: '' + answer.turn }) : say('an_turn', { n: '' + answer.turn, question: answer.question.trim() }));
      option.value = answer.number;
      return option;
    }));
  }
  if (shown) chooser.value = shown.number;
}

function drawFacts() {
  const rows = (shown?.rows ?? []).filter(Boolean), facts = shown?.file ? [say('tr_from', { name: shown.file, n: '' + shown.turn })] : [];
  $('an-what').firstChild.textContent = say(shown ? (shown.isPrompt ? 'an_what_prompt' : 'an_what') : isStarted ? 'an_none_kept' : 'an_none');
  if (rows.length) facts.push(say('an_facts', { n: shown.rows.length, p: percent(Math.exp(rows.reduce((sum, row) => sum + row[LOGPROB], 0) / rows.length)) }));
  if (rows.length && shown.seed != null) facts.push(say('seed_used', { n: '' + shown.seed }));
  element.querySelector('.an-card').classList.toggle('from-file', !!shown?.file);
  $('an-what').lastChild.textContent = facts.join(' · ');
}

function draw() {
  isStale = !element.offsetParent;
  if (isStale) return;
  const started = performance.now(), before = shown;
  shown = choices().find(each => each.number === wanted) ?? answers[answers.length - 1] ?? null;
  if (before?.number !== shown?.number) picked = null;
  drawChooser(); drawFacts(); drawRate();
  const hasTokens = !!shown?.rows.length;
  for (const node of [list, $('an-key'), $('an-details')]) node.hidden = !hasTokens;
  $('an-report').hidden = !hasTokens || shown.isPrompt;
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 30;
  if (!hasTokens) { list.replaceChildren(); $('an-loops').replaceChildren(); boxes = []; drawnNumber = null; drawnLoops = ''; }
  if (hasTokens) { drawList(); followStop(); drawReport(); showDetails(); }
  followSampler(); followAsked();
  publish('shown', shown?.isPrompt ? answers.find(each => each.rated === shown) : shown);
  if (isWriting && isAtEnd && picked === null) list.scrollTop = list.scrollHeight;
  element.dataset.draws = +(element.dataset.draws || 0) + 1;
  element.dataset.drawMs = (performance.now() - started).toFixed(1);
}
