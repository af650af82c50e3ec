// Two settings, formats or seeds against each other on one question (yuan_demo/ui/duel_handlers.py).
const { lang, say, make, makeButton, drawPair } = window.yuanDemo;
const root = element.querySelector('.du');
const FORMATS = ['n_join', 'newline', 'sep', 'llama_factory', 'roles', 'last_question', 'fastchat_yuan2', 'yuanchat'];
const NUMBERS = ['temperature', 'top_k', 'top_p', 'repetition_penalty', 'seed'];
const EXAMPLES = { temperature: '0.7', top_k: '40', top_p: '0.9', repetition_penalty: '1.2', seed: '1' };
let ask = 0, isAsking = false, sides = [];

// --- what B changes -------------------------------------------------------------------------------------
const form = make('form', 'du-form'), fields = {};
function field(name, input) {
  const label = make('label');
  input.name = name;
  fields[name] = input;
  label.append(make('span', '', say('du_' + name)), input);
  form.append(label);
}
function choice(name, options) {
  const select = make('select');
  for (const [value, text] of [['', say('du_as_a')], ...options]) {
    const option = make('option', '', text);
    option.value = value;
    select.append(option);
  }
  field(name, select);
}
choice('format', FORMATS.map(name => [name, say('format_' + name)]));
choice('greedy', [['on', say('du_on')], ['off', say('du_off')]]);
for (const name of NUMBERS) {
  const input = make('input');
  Object.assign(input, { type: 'text', inputMode: 'decimal', autocomplete: 'off', placeholder: say('du_as_a'), title: EXAMPLES[name] });
  field(name, input);
}
const dice = makeButton('du-dice', say('du_dice'), () => { fields.seed.value = 1 + Math.floor(Math.random() * 999_999); });
form.append(dice);

function read() {
  const out = {};
  if (fields.format.value) out.format = fields.format.value;
  if (fields.greedy.value) out.greedy = fields.greedy.value === 'on';
  for (const name of NUMBERS) {
    const text = fields[name].value.trim(), number = Number(text.replace(',', '.'));
    // What is no number goes as it is: the answer to it says what it must be.
    if (text) out[name] = Number.isFinite(number) ? number : text;
  }
  return out;
}
const named = (name, value) => say('du_' + name) + ' ' + (name === 'format' ? say('format_' + value) : name === 'greedy' ? say(value ? 'du_on' : 'du_off') : value);

// --- asking ---------------------------------------------------------------------------------------------
const button = makeButton('du-ask', '', () => {
  if (isAsking) { isAsking = false; trigger('stop_asking', {}); return drawState(''); }
  sides = [];
  isAsking = true;
  result.replaceChildren();
  trigger('duel', { ask: ++ask, changes: read() });
  drawState('');
});
const status = make('p', 'du-status'), result = make('div', 'du-result');
status.setAttribute('role', 'status');
function drawState(text, isBad = false) {
  button.textContent = say(isAsking ? 'du_stop' : 'du_ask');
  button.classList.toggle('stop', isAsking);
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle('bad', isBad);
}
form.addEventListener('submit', event => { event.preventDefault(); if (!isAsking) button.click(); });

// Rows come piece by piece; should one be passed over, the last has all.
function take(side, { scores, cells, prompt, finish, seed, place }) {
  const record = sides[side] ??= { rows: [], pieces: {} };
  while (record.rows.length < scores.from) record.rows.push(null);
  record.rows.splice(scores.from, scores.rows.length, ...scores.rows);
  Object.assign(record.pieces, scores.pieces);
  Object.assign(record, { cells, finish, seed, place, settings: scores.settings }, prompt ? { prompt } : {});
}
function note({ settings, place }) {
  const facts = settings ? [say(settings.greedy ? 'du_settings_greedy' : 'du_settings', { ...settings, temperature: '' + settings.temperature,
    top_k: '' + settings.top_k, top_p: '' + settings.top_p, penalty: '' + settings.repetition_penalty })] : [];
  return [...facts, ...(place ? [say('du_in_line', { n: '' + place })] : [])].join(' · ');
}

watch('value', () => {
  const news = JSON.parse(props.value || '{}');
  if (news.is !== 'duel' || news.ask !== ask) return;
  if (!news.sides) {
    isAsking = false;
    return drawState(news.error?.[lang ? 'zh' : 'en'] ?? '', !!news.error);
  }
  news.sides.forEach((each, side) => take(side, each));
  if (sides.every(each => each.finish)) isAsking = false;
  const names = [say('du_a_name'), say('du_b_name', { changes: Object.entries(news.changes).map(([name, value]) => named(name, value)).join(lang ? '，' : ', ') })];
  drawPair(result, ...sides.map((record, side) => ({ name: names[side], note: note(record), record })));
  drawState(say('du_question', { question: news.question.trim() }));
});

const head = make('div', 'du-head');
head.append(make('h3', '', say('du_title')), make('p', '', say('du_what')));
const row = make('div', 'du-row');
row.append(button, make('small', '', say('du_greedy_note')));
root.replaceChildren(head, make('p', 'du-b', say('du_b')), form, make('p', 'du-else', say('du_b_else')), row, status, result);
drawState('');
