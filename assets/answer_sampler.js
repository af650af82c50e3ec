// --- the sampler opened: how one token is chosen, step by step, under settings that can be moved -----------
const KNOBS = { temperature: [0.05, 3, 0.05], top_k: [0, 200, 1], top_p: [0.05, 1, 0.05], repetition_penalty: [0.5, 2, 0.05] };
let knobs = null, knobsFor = null, isOpen = false, samplerAsk = 0, samplerTimer = 0, sampled = null, sampledKey = '';

// The token whose choice is looked at: what the mouse passes over asks nothing of the server.
function tokenOpened() {
  const was = pointed;
  pointed = null;
  const token = tokenShown();
  pointed = was;
  return token;
}

function openSampler() {
  isOpen = !isOpen;
  $('an-fold').setAttribute('aria-expanded', isOpen);
  $('an-sampler-body').hidden = !isOpen;
  sampledKey = '';
  followSampler();
}

// Asks again where the token or a setting is another one.
function followSampler() {
  $('an-sampler').hidden = !shown?.rows.length || shown.isPrompt || !shown.settings || !!shown.foreign || isWriting;
  if (!isOpen || $('an-sampler').hidden) return;
  if (knobsFor !== shown.number) { knobs = { ...shown.settings }; knobsFor = shown.number; sampled = null; drawKnobs(); }
  const token = tokenOpened(), key = shown.number + ':' + token + JSON.stringify(knobs);
  if (key === sampledKey) return;
  sampledKey = key;
  clearTimeout(samplerTimer);
  samplerTimer = setTimeout(() => trigger('open_sampler', { ask: ++samplerAsk, place: token, settings: knobs,
    ids: [...shown.prompt.i, ...cells.ids.slice(0, token)] }), 60);
}

function drawKnobs() {
  const rows = Object.entries(KNOBS).map(([name, [low, high, step]]) => {
    const row = make('label'), input = make('input'), value = make('output', '', '' + knobs[name]);
    Object.assign(input, { type: 'range', min: low, max: Math.max(high, knobs[name]), step, value: knobs[name], name });
    input.addEventListener('input', () => { knobs[name] = +input.value; value.textContent = input.value; followSampler(); });
    row.append(make('span', '', say('an_knob_' + name)), input, value);
    return row;
  });
  const greedy = make('label', 'an-check'), box = make('input');
  Object.assign(box, { type: 'checkbox', checked: knobs.greedy, name: 'greedy' });
  box.addEventListener('change', () => { knobs.greedy = box.checked; knobs.seed ??= 1; followSampler(); });
  greedy.append(box, make('span', '', say('an_knob_greedy')));
  const seed = make('label'), number = make('input');
  Object.assign(number, { type: 'number', min: 0, step: 1, value: knobs.seed ?? 1, name: 'seed' });
  number.addEventListener('input', () => { if (number.validity.valid && number.value !== '') { knobs.seed = +number.value; followSampler(); } });
  seed.append(make('span', '', say('an_knob_seed')), number);
  $('an-knobs').replaceChildren(greedy, ...rows, seed);
}

function stepsTable({ ids, pieces, steps, chosen }) {
  const table = make('table'), head = make('tr'), left = make('tr', 'left');
  head.append(make('th', '', say('an_candidate')));
  left.append(make('th', '', say('an_left')));
  for (const [name, size] of steps) {
    const cell = make('th', '', say('an_step_' + name));
    cell.scope = 'col';
    head.append(cell);
    left.append(make('td', '', count.format(size)));
  }
  const rows = ids.map((id, index) => {
    const row = make('tr', id === chosen ? 'chosen' : ''), name = make('th'), said = make('span');
    name.scope = 'row';
    write(said, spell(pieces[index]), false);
    name.append(said);
    if (id === chosen) name.append(make('em', 'an-tick', '✓'));
    row.append(name, ...steps.map(([, , probabilities]) => make('td', probabilities[index] ? '' : 'an-gone', probabilities[index] ? percent(probabilities[index]) : say('an_cut'))));
    return row;
  });
  table.append(head, left, ...rows);
  return table;
}

// [0, 1) in stretches as long as the chances, and where the random number falls.
function drawLot({ ids, steps, starts, chosen, draw }) {
  const bar = make('div', 'an-lot'), mark = make('b'), chances = steps[steps.length - 1][2];
  ids.forEach((id, index) => {
    if (chances[index] < 0.002) return;
    const part = make('i', id === chosen ? 'chosen' : '');
    part.style.left = 100 * starts[index] + '%';
    part.style.width = 100 * chances[index] + '%';
    bar.append(part);
  });
  mark.style.left = 100 * draw + '%';
  bar.append(mark);
  bar.setAttribute('aria-hidden', 'true');
  return bar;
}

function drawSampled(news) {
  sampled = news;
  const result = $('an-sampled');
  if (news.error) return result.replaceChildren(make('p', 'an-why', news.error[lang ? 'zh' : 'en']));
  const { sampler } = news, piece = spell(sampler.pieces[sampler.ids.indexOf(sampler.chosen)]), token = tokenOpened();
  const said = make('p', 'an-why'), isSame = cells.ids[token] === sampler.chosen;
  said.append(say(sampler.draw === null ? 'an_greedy_picks' : 'an_draw_picks', { x: sampler.draw?.toFixed(3) }), ' ');
  const name = make('code');
  write(name, piece, false);
  said.append(name, ' ', say(isSame ? 'an_as_answered' : 'an_unlike_answered'));
  result.replaceChildren(said, ...(sampler.draw === null ? [] : [drawLot(sampler)]), stepsTable(sampler));
}

$('an-sampler-body').firstChild.textContent = say('an_sampler_what');
$('an-fold').textContent = say('an_sampler');
$('an-fold').addEventListener('click', openSampler);
watch('value', () => {
  const news = JSON.parse(props.value || '{}');
  if (news.is === 'sampler' && news.ask === samplerAsk && shown) drawSampled(news);
});
