// The Why tab: which parts of the prompt made the model say a stretch of an answer. Joined behind this
// file, in one scope: why_tree.js (the results) and why_stretch.js (the selection; it starts all).
const { lang, count, say, make, makeSwitch, makeButton, write, CellList, makeMoves, publish, spell, subscribe } = window.yuanDemo;
const $ = name => element.querySelector('.' + name);
$('wy').innerHTML = `
  <section class="wy-card">
    <div class="wy-what"><span></span><small></small></div>
    <label class="wy-which" hidden><span></span><select></select></label>
    <div class="wy-list" role="listbox" aria-multiselectable="true" hidden></div>
    <div class="wy-quick" hidden></div>
    <div class="wy-against" hidden><label><span></span><select></select></label><input type="text" maxlength="60" autocomplete="off" spellcheck="false" hidden></div>
    <div class="wy-ask" hidden><button type="button" class="wy-find"></button><progress max="64" hidden></progress><span class="wy-spent"></span></div>
    <div class="wy-said" role="status"></div>
  </section>
  <section class="wy-card wy-found" hidden>
    <div class="wy-head"><div class="tp-switch"></div></div>
    <p class="wy-line" role="status"></p>
    <p class="wy-by"></p>
    <ul class="wy-tree"></ul>
    <div class="wy-heat" hidden><small></small><div></div></div>
  </section>`;
const list = $('wy-list'), chooser = $('wy-which').querySelector('select'), rivals = $('wy-against').querySelector('select'), typed = $('wy-against').querySelector('input');
const PASSES = 64, ANSWER_SO_FAR = -1, OWN = 'own';
let answers = [], shown = null, isWriting = false, isStarted = false, wanted = null;  // wanted: a record's number
let cells = new CellList(), boxes = [], chosen = null;  // boxes: a node per token; chosen: [start, end)
// What is asked, and what is known of it. levels: by path, {parts, effects}. open: paths.
let question = null, view = 'measured', asking = null, wish = null, asks = 0, failure = '', isStopped = false;

// --- numbers and words ----------------------------------------------------------------------------------
const percents = new Intl.NumberFormat(lang ? 'zh-CN' : 'en', { style: 'percent', maximumSignificantDigits: 2 });
const fine = new Intl.NumberFormat(lang ? 'zh-CN' : 'en', { style: 'percent', maximumFractionDigits: 1 });
const percent = p => p < 0.00095 ? '< ' + percents.format(0.001) : p > 0.9995 ? percents.format(1) : p > 0.99 ? fine.format(p) : percents.format(p);
const tidy = new Intl.NumberFormat(lang ? 'zh-CN' : 'en', { maximumSignificantDigits: 3 });
const MOST_ODDS = 1e6;
const raised = power => [...'' + power].map(digit => '⁰¹²³⁴⁵⁶⁷⁸⁹'[digit]).join('');
const odds = difference => {
  const ratio = Math.exp(Math.abs(difference)), said = ratio > MOST_ODDS ? '10' + raised(Math.round(Math.log10(ratio))) : tidy.format(ratio);
  // Not to be parted at the end of a line.
  return difference >= 0 ? `${said}\u00a0:\u00a01` : `1\u00a0:\u00a0${said}`;
};
const isNothing = value => Math.abs(value) < 0.005;
const signed = value => (value < 0 ? '−' : '+') + tidy.format(Math.abs(value));
const nats = value => (value < 0 ? '−' : '+') + Math.abs(value).toFixed(2);
const sumOf = (start, end) => shown.rows.slice(start, end).reduce((sum, row) => sum + (row?.[0] ?? 0), 0);
const isMany = () => question.end - question.start > 1;
// Of a long stretch nearly nothing remains as a product; then a token's mean is told.
const isMean = () => isMany() && question.base < Math.log(0.0005);
const chance = measure => percent(Math.exp(isMean() ? measure / (question.end - question.start) : measure));
const strength = measure => question.against ? odds(measure) : chance(measure);
const textOf = (start, end) => {
  const first = cells.of(start), last = cells.of(end - 1);
  return start === cells.firsts[first] ? cells.texts.slice(first, last + 1).join('') : cells.pieces.slice(start, end).map(spell).join('');
};
const shorten = text => { const all = [...text]; return all.length > 60 ? all.slice(0, 57).join('') + '…' : text; };

// --- asking ---------------------------------------------------------------------------------------------
function rival() {
  if (!chosen || chosen[1] - chosen[0] > 1 || !rivals.value) return null;
  return rivals.value === OWN ? typed.value || null : +rivals.value;
}

function newQuestion() {
  const [start, end] = chosen;
  question = { answer: shown, start, end, rival: rival(), against: null, spent: 0, tree: null, levels: new Map(), open: new Set(), values: null };
}

function ask(event, path) {
  if (asking) { wish = [event, path]; return; }
  failure = '';
  isStopped = false;
  if (event === 'measure' && question.spent >= PASSES) { failure = say('wy_spent', { n: PASSES }); return draw(); }
  asking = { ask: ++asks, event };
  const { answer, start, end } = question;
  trigger(event, { ask: asks, path, start, end, against: question.rival, spent: question.spent, base: question.base ?? null,
    prompt: answer.prompt.i, answer: answer.cells.i, messages: answer.messages ?? null, options: answer.options ?? null });
  draw();
}

function stop() {
  if (asking) trigger('stop_asking', {});
  isStopped = !!asking;
  asking = wish = null;
}

// Another stretch, answer or token: what was found belongs to the one before.
function forget() {
  stop();
  isStopped = false;
  question = null;
  failure = '';
}

const hasView = () => view === 'gradient' ? !!question.values : question.base !== undefined;
function find() {
  if (asking) { stop(); return draw(); }
  newQuestion();
  ask(view === 'gradient' ? 'gradients' : 'measure', []);
}

function take(news) {
  if (news.error) { failure = news.error[lang ? 'zh' : 'en']; asking = wish = null; return; }
  if (news.tree) question.tree = news.tree;
  if (news.against) question.against = news.against;
  if (news.values) question.values = news.values;
  if (news.is === 'causes') {
    question.spent = news.spent;
    question.base ??= news.base;
    for (const level of news.levels) {
      question.levels.set(level.path.join(), level);
      question.open.add(level.path.join());
    }
  }
  if (news.is === 'gradients' || news.is_over) {
    asking = null;
    if (wish) { const next = wish; wish = null; ask(...next); }
  }
}

watch('value', () => {
  const news = JSON.parse(props.value || '{}');
  if (!asking || !question || news.ask !== asking.ask || !['causes', 'gradients'].includes(news.is)) return;
  take(news);
  draw();
});

// --- the whole ------------------------------------------------------------------------------------------
function drawChooser() {
  const key = answers.map(each => each.number).join();
  $('wy-which').hidden = answers.length < 2;
  if (chooser.dataset.key !== key) {
    chooser.dataset.key = key;
    chooser.replaceChildren(...answers.map(answer => {
      const option = make('option', '', answer.file ? say('tr_from', { name: answer.file, n: '' + answer.turn }) : say('wy_turn_of', { n: '' + answer.turn, question: answer.question.trim() }));
      option.value = answer.number;
      return option;
    }));
  }
  if (shown) chooser.value = shown.number;
}

function drawAsk() {
  const button = $('wy-find'), spent = question?.spent ?? 0;
  button.textContent = say(asking ? 'wy_stop' : 'wy_find');
  button.disabled = !chosen;
  const bar = element.querySelector('progress');
  bar.hidden = $('wy-spent').hidden = !question;
  bar.value = spent;
  $('wy-spent').textContent = say('wy_passes', { n: spent, all: PASSES });
  $('wy-spent').title = bar.title = say('wy_passes_title');
  bar.setAttribute('aria-label', say('wy_passes', { n: spent, all: PASSES }));
  const text = failure || (isLive() ? say('wy_running') : asking ? say('wy_waiting') : isStopped ? say('wy_stopped') : '');
  if ($('wy-said').firstChild?.textContent !== text) $('wy-said').replaceChildren(...text ? [make('span', '', text)] : []);
  if (question && spent >= PASSES && !asking && $('wy-said').children.length < 2) {
    if (!text) $('wy-said').append(make('span', '', say('wy_spent', { n: PASSES })));
    $('wy-said').append(makeButton('wy-more', say('wy_more', { n: PASSES }), () => { question.spent = 0; failure = ''; $('wy-said').replaceChildren(); draw(); }));
  }
}

// It is drawn when it is all there: nothing can be asked about it before.
const isLive = () => isWriting && shown === answers[answers.length - 1];
let isStale = false;
function draw() {
  isStale = !element.offsetParent;
  if (isStale) return;
  const before = shown;
  shown = answers.find(each => each.number === wanted) ?? answers[answers.length - 1] ?? null;
  if (before?.number !== shown?.number || before?.mark.join() !== shown?.mark.join()) { forget(); chosen = null; }
  $('wy-what').firstChild.textContent = say(shown ? 'wy_what' : isStarted ? 'wy_none_kept' : 'wy_none');
  const hasTokens = !!shown?.rows.length && !isLive();
  for (const name of ['wy-list', 'wy-quick', 'wy-ask']) $(name).hidden = !hasTokens;
  drawChooser();
  drawStretch(hasTokens);
  drawAsk();
  drawFound();
}
