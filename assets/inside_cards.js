
// --- what it looked at -----------------------------------------------------------------------------------
const WEIGHT_UNIT = 1e-5, CHANGE_UNIT = 1e-3;  // yuan_demo/ui/inside_view.py
const looks = {};  // what was built once for each card: {tools, said, heat}

function build(name, what, ...middle) {
  looks[name] = { tools: make('div', 'in-tools'), said: make('div', 'in-said'), heat: makeHeat(say(name === 'filter' ? 'in_filter' : 'in_attention')) };
  const { tools, said, heat } = looks[name];
  bodyOf(name).replaceChildren(make('p', 'in-what', say(what)), tools, said, ...middle, heat.node);
}

function strongestRow(token, weight, most) {
  const row = make('li'), button = makeButton('', undefined, () => looks.attention.heat.goTo(token));
  const text = make('b'), track = make('i'), place = make('small', '', token === at.position ? say('in_this') : placeOf(token));
  write(text, textOf(token), false);
  track.style.width = 100 * weight / most + '%';
  button.append(text, place, make('span', 'in-number', percent(weight)), track);
  row.append(button);
  return row;
}

function drawAttention() {
  if (!looks.attention) build('attention', 'in_attention_what');
  const { tools, said, heat } = looks.attention, weights = found.attention.weights.map(each => each * WEIGHT_UNIT);
  if (!tools.firstChild) tools.append(
    makeChooser(say('in_which_layer'), layerChoices(), choice.attention.layer, layer => choose('attention', { layer })),
    makeChooser(say('in_which_head'), headChoices(), choice.attention.head, head => choose('attention', { head })));
  const best = weights.map((_, token) => token).sort((one, other) => weights[other] - weights[one]).slice(0, 10).filter(token => weights[token] > 0);
  const list = make('ol', 'in-best');
  list.append(...best.map(token => strongestRow(token, weights[token], weights[best[0]])));
  said.replaceChildren(make('h4', '', say('in_strongest')), list, make('h4', '', say('in_all_tokens')));
  heat.show(weights, weights[best[0]]);
}

// --- what the filter mixed in ----------------------------------------------------------------------------
const CHANGES = ['changed', 'previous', 'second'];  // rows of the server's
let change = 'previous';

function filterWords(numbers) {
  const [all, one, two] = numbers.map(percent), { position } = at;
  const words = [say('in_filter_here', { text: nameOf(position), all })];
  if (position > 0) words.push(say('in_filter_one', { text: nameOf(position - 1), n: one }));
  if (position > 1) words.push(say('in_filter_two', { text: nameOf(position - 2), n: two }));
  return words.join(lang ? '' : ' ');
}

function layerTable(here) {
  const fold = make('details', 'in-layers'), table = make('table'), head = make('tr'), body = make('tbody'), top = make('thead');
  head.append(...['in_which_layer', ...CHANGES.map(name => 'in_' + name)].map(name => {
    const cell = make('th', '', say(name));
    cell.scope = 'col';
    return cell;
  }));
  top.append(head);
  body.append(...here.map((numbers, layer) => {
    const row = make('tr'), name = make('th', '', count.format(layer + 1));
    name.scope = 'row';
    row.append(name, ...numbers.map(each => {
      const cell = make('td', 'in-number', percent(each * CHANGE_UNIT));
      cell.style.setProperty('--heat', Math.min(1, each * CHANGE_UNIT).toFixed(3));
      return cell;
    }));
    return row;
  }));
  table.append(top, body);
  fold.open = !!looks.filter.said.querySelector('details')?.open;
  fold.append(make('summary', '', say('in_filter_layers')), table);
  return fold;
}

function drawFilter() {
  const row = () => found.filter.rows[CHANGES.indexOf(change)].map(each => each * CHANGE_UNIT);
  const colour = () => { const numbers = row(); looks.filter.heat.show(numbers, Math.max(...numbers)); };
  if (!looks.filter) build('filter', 'in_filter_what');
  const { tools, said } = looks.filter;
  if (!tools.firstChild) {
    const measure = make('div', 'tp-switch');
    tools.append(makeChooser(say('in_which_layer'), layerChoices(), choice.filter.layer, layer => choose('filter', { layer })), measure);
    makeSwitch(measure, say('in_heat'), ['previous', 'second', 'changed'].map(name => [name, say('in_' + name)]), change, name => { change = name; drawFilter(); });
    for (const button of measure.children) button.title = say(`in_${button.dataset.value}_title`);
  }
  const here = found.filter.rows.map(numbers => numbers[numbers.length - 1] * CHANGE_UNIT);
  said.replaceChildren(make('p', '', filterWords(here)), layerTable(found.filter.here), make('h4', '', say('in_all_tokens')));
  colour();
}

// --- the three of them -----------------------------------------------------------------------------------
const DRAW = { lens: drawLens, attention: drawAttention, filter: drawFilter };
const drawn = {};

// Only what is open, and only if there is news of it.
function drawParts() {
  for (const name of Object.keys(DRAW)) {
    const news = found[name];
    if (!isOpen(name) || !news || drawn[name] === news) continue;
    drawn[name] = news;
    DRAW[name]();
  }
}

function choose(name, changes) {
  Object.assign(choice[name], changes);
  ask();
}

function setOpen(name, isNowOpen) {
  parts[name].firstElementChild.setAttribute('aria-expanded', isNowOpen);
  bodyOf(name).hidden = !isNowOpen;
}

// --- start --------------------------------------------------------------------------------------------
element.querySelector('h3').textContent = say('in_title');
for (const name of Object.keys(DRAW)) {
  const fold = parts[name].firstElementChild;
  fold.textContent = say('in_' + name);
  fold.addEventListener('click', () => {
    setOpen(name, !isOpen(name));
    if (found?.key === at?.key) drawParts();
    if (isOpen(name)) ask();
  });
}
setOpen('lens', true);
const [backward, forward] = $('in-step').querySelectorAll('button');
for (const [button, by, name] of [[backward, -1, 'in_before'], [forward, 1, 'in_after']]) {
  button.setAttribute('aria-label', button.title = say(name));
  button.addEventListener('click', () => step(by));
}
const moments = element.querySelector('.in-where .tp-switch');
makeSwitch(moments, say('in_moment'), [['chosen', say('in_chosen')], ['read', say('in_read')]], moment, name => { moment = name; draw(); });
for (const button of moments.children) button.title = say(`in_${button.dataset.value}_title`);
$('in-ask').firstChild.addEventListener('click', () => {
  if (asked) {
    asked = null;
    isLive = false;
    trigger('stop_asking', {});
    draw();
  } else ask();
});
subscribe('answers', news => {
  ({ isWriting, isStarted } = news);
  // What another model wrote cannot be asked of this one.
  answers = news.answers.filter(answer => !answer.foreign);
  draw();
});
subscribe('stretch', chosen => {
  stretch = chosen;
  if (chosen) own = null;
  draw();
});
// While another tab hid this one nothing was drawn.
new ResizeObserver(() => { if (isStale) draw(); }).observe(element);
