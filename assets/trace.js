// An answer as a file (yuan_demo/ui/trace_handlers.py): saved, opened, generated again, copied as Python.
// What was opened is a record like all others in answer_store.js, with `file` its name, `text`, and
// `foreign`: true if another model than the one that wrote it is loaded.
const { lang, say, make, makeButton, write, copy, CellList, publish, spell, subscribe } = window.yuanDemo;
const MOST_MB = 16;
let shown = null, busy = null, asks = 0, drawnFor = null;  // busy: {is, ask, name, text} under way

element.querySelector('.tr').innerHTML = `
  <section class="an-card tr-file" hidden></section>
  <section class="an-card tr-card">
    <p class="an-why tr-what"></p>
    <div class="tr-row"><input type="file" accept=".json,application/json" hidden></div>
    <p class="tr-said" role="status"></p>
  </section>`;
const $ = name => element.querySelector('.' + name);
const row = $('tr-row'), said = $('tr-said'), chooser = element.querySelector('input[type=file]');
const percents = new Intl.NumberFormat(lang ? 'zh-CN' : 'en', { style: 'percent', maximumFractionDigits: 1 });
const share = new Intl.NumberFormat(lang ? 'zh-CN' : 'en', { style: 'percent' });

// --- asking -------------------------------------------------------------------------------------------
const SENT = ['turn', 'messages', 'options', 'settings', 'prompt', 'cells', 'rows', 'pieces', 'loops', 'begun', 'finish', 'work', 'speed', 'model'];
const meant = () => shown.file ? { file: shown.text } : { record: Object.fromEntries(SENT.map(name => [name, shown[name]])) };
// Each is written out: Gradio makes events of the names that stand in quotes here.
const EVENTS = {
  saved: data => trigger('save_trace', data), opened: data => trigger('open_trace', data),
  replayed: data => trigger('replay_trace', data), script: data => trigger('copy_script', data),
};

function ask(is, words, data, kept = {}) {
  busy = { is, ask: ++asks, ...kept };
  EVENTS[is]({ ask: busy.ask, ...data });
  tell(say(words));
  drawButtons();
}

function stop() {
  busy = null;
  trigger('stop_asking', {});
  tell(say('tr_stopped'));
  drawButtons();
}

function tell(...parts) {
  const text = parts.map(part => part.textContent ?? part).join('');
  // Written anew only when it says something else: a screen reader reads it out.
  if (said.textContent !== text) said.replaceChildren(...parts);
}

// --- files --------------------------------------------------------------------------------------------
async function open(file) {
  const megabytes = file.size / 1e6;
  if (megabytes > MOST_MB) return tell(say('tr_too_large', { limit: MOST_MB, size: Math.ceil(megabytes) }));
  let text;
  try { text = await file.text(); } catch { return tell(say('tr_unreadable')); }
  ask('opened', 'tr_reading_file', { file: text }, { name: file.name, text });
}

function download(name, text) {
  const link = make('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// A file may be dropped anywhere on the tab.
const panel = () => element.closest('[role=tabpanel]') ?? element;
const isFileOver = event => event.dataTransfer?.types.includes('Files') && panel().contains(event.target);
const light = isOver => { panel().classList.toggle('tr-over', isOver); panel().dataset.drop = say('tr_drop'); };
document.addEventListener('dragover', event => {
  const isOver = isFileOver(event);
  if (isOver) event.preventDefault();
  light(isOver);
});
document.addEventListener('dragleave', event => { if (!event.relatedTarget) light(false); });
document.addEventListener('drop', event => {
  light(false);
  if (!isFileOver(event)) return;
  event.preventDefault();
  if (!busy && event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
});

// --- what came of it ----------------------------------------------------------------------------------
function quoted([piece, logprob]) {
  const node = make('code');
  write(node, spell(piece), false);
  return [node, logprob];
}

function replayedParts({ isSame, agreed, at, all, expected, got, reason, change, model, differs }) {
  const parts = [];
  if (isSame) parts.push(make('b', '', all === 1 ? say('tr_agree_one') : say('tr_agree', { n: all })));
  else {
    const [then, p] = quoted(expected);
    parts.push(make('b', '', say('tr_differs', { n: at })), then);
    if (got) {
      const [now, q] = quoted(got);
      parts.push(say('tr_then', { p: percents.format(Math.exp(p)) }), now, say('tr_now', { p: percents.format(Math.exp(q)) }));
    } else parts.push(say('tr_now_nothing', { p: percents.format(Math.exp(p)), reason: say('finish_' + reason) }));
    if (agreed) parts.push(' ', say('tr_before', { n: agreed }));
  }
  if (agreed) parts.push(' ', say('tr_change', { n: change.toPrecision(1) }));
  parts.push(' ', say('tr_model_' + model));
  for (const [name, then, now] of differs) parts.push(' ', say('tr_other', { name: say('tr_name_' + name), then, now }));
  return parts;
}

const NEWS = {
  saved: ({ file, name }) => { download(name, file); tell(say('tr_saved', { name })); },
  opened: ({ record }, { name, text }) => {
    publish('opened', { ...record, file: name, text, model: window.yuanDemo.model.mark });
    tell(say('tr_opened', { name }));
    document.getElementById('answer-tokens').scrollIntoView({ block: 'start' });
  },
  replayed: news => tell(...replayedParts(news)),
  script: async ({ script }) => { await copy(script); tell(say('tr_copied', { n: script.split('\n').length - 1 })); },
};
const LAST = { saved: 'file', opened: 'record', replayed: 'isSame', script: 'script' };

watch('value', () => {
  const news = JSON.parse(props.value || '{}');
  if (!busy || news.is !== busy.is || news.ask !== busy.ask) return;
  if ('share' in news) return tell(say('tr_hashing', { p: share.format(news.share) }));
  if ('waiting' in news) return tell(news.waiting ? say('tr_waiting') : say('tr_replaying', { n: news.agreed, all: news.all }));
  const was = busy;
  busy = null;
  if (news.error) tell(news.error[lang ? 'zh' : 'en']);
  else if (LAST[was.is] in news) NEWS[was.is](news, was);
  else tell(say('tr_stopped'));
  drawButtons();
});

// --- the buttons --------------------------------------------------------------------------------------
const BUTTONS = {
  save: makeButton('', say('tr_save'), () => ask('saved', 'tr_checking', meant())),
  replay: makeButton('', say('tr_replay'), () => ask('replayed', 'tr_checking', meant())),
  script: makeButton('', say('tr_script'), () => ask('script', 'tr_copying', meant())),
  open: makeButton('', say('tr_open'), () => chooser.click()),
  stop: makeButton('', say('tr_stop'), stop),
};
BUTTONS.replay.title = say('tr_replay_title');
BUTTONS.script.title = say('tr_script_title');
row.prepend(...Object.values(BUTTONS));
chooser.addEventListener('change', () => {
  const [file] = chooser.files;
  // The same one may be chosen again.
  chooser.value = '';
  if (file && !busy) open(file);
});
chooser.setAttribute('aria-label', say('tr_open'));

function drawButtons() {
  const canBeKept = !!shown?.finish && !!shown.messages && shown.rows.length > 0;
  BUTTONS.save.hidden = !canBeKept || !!shown.file;
  BUTTONS.replay.hidden = BUTTONS.script.hidden = !canBeKept;
  BUTTONS.stop.hidden = !busy;
  for (const name of ['save', 'replay', 'script', 'open']) BUTTONS[name].disabled = !!busy;
  const what = say(!canBeKept ? 'tr_what_none' : shown.file ? 'tr_what_file' : 'tr_what');
  if ($('tr-what').textContent !== what) $('tr-what').textContent = what;
}

// --- a file that is shown -----------------------------------------------------------------------------
const ORIGINS = { u: 'origin_user', a: 'origin_assistant', j: 'origin_join', c: 'origin_control', n: 'origin_answer', '?': 'tr_origin_none' };

function fold(title, fill) {
  const node = make('details'), body = make('div', 'tr-body');
  node.append(make('summary', '', title), body);
  // Thousands of tokens are drawn for whoever wants to see them.
  node.addEventListener('toggle', () => { if (node.open && !body.hasChildNodes()) fill(body); });
  return node;
}

function drawPrompt(body) {
  const cells = new CellList(shown.prompt);
  for (let index = 0; index < cells.length; index++) {
    const { text, origin, turn, flags, ids, pieces } = cells.at(index);
    const node = make('span', origin in ORIGINS && origin !== '?' ? 'k ' + origin : 'k');
    if (ids.length > 1) node.classList.add('many');
    write(node, flags & 1 ? '▁' : text.replace(/\n$/, '') || (text ? '↵' : pieces[0]), ids.length > 1);
    node.title = say('tr_token', { origin: say(ORIGINS[origin] ?? 'tr_origin_none'), n: '' + turn, id: ids.join(' ') });
    body.append(node);
    if (text.endsWith('\n')) body.append(make('br'));
  }
}

function listOf(facts) {
  const list = make('dl');
  for (const [name, value] of Object.entries(facts)) {
    const fact = make('dd');
    write(fact, typeof value === 'string' ? value : JSON.stringify(value), false);
    list.append(make('dt', '', name), fact);
  }
  return list;
}

function drawFile() {
  const node = $('tr-file');
  node.hidden = !shown?.file;
  if (drawnFor === shown?.number) return;
  drawnFor = shown?.number;
  if (!shown?.file) return node.replaceChildren();
  const { by, work } = shown, title = make('h3', '', say('tr_badge')), name = make('small');
  write(name, shown.file, false);
  title.append(' ', name);
  const about = make('p', 'an-why', say('tr_by', { time: shown.created.replace('T', ' ').replace('Z', ' UTC'), model: by.name, size: (by.parameters / 1e6).toFixed(1), dtype: by.dtype, device: by.device }));
  const parts = [title, about, make('p', 'an-why', say(shown.foreign ? 'tr_foreign' : 'tr_same'))];
  if (work) parts.push(make('p', 'tr-work', say('tr_work', { ...work, speed: shown.speed?.toFixed(1) ?? '–' })));
  parts.push(
    fold(say('tr_prompt', { n: shown.prompt.i.length }), drawPrompt),
    fold(say('tr_settings'), body => body.append(listOf({ ...shown.options, ...shown.settings }))),
    fold(say('tr_files'), body => body.append(listOf(Object.fromEntries([
      ...Object.entries(by).filter(([key, value]) => key !== 'files' && value !== null),
      ...by.files.map(each => [each.name + ' (SHA-256)', each.sha256])])))),
    makeButton('tr-close', say('tr_close'), () => publish('opened', { close: shown.number })));
  node.replaceChildren(...parts);
}

subscribe('shown', record => {
  const isOther = record?.number !== shown?.number;
  shown = record;
  // What was said belongs to another answer.
  if (isOther && !busy && !record?.file) tell('');
  drawFile();
  drawButtons();
});
drawButtons();
