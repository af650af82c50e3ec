
// --- numbers over all tokens -----------------------------------------------------------------------------
// A page of boxes at a time: a prompt of 8,000 tokens costs no more than one of 200.
const BOXES = 200;

function makeHeat(label) {
  const node = make('div', 'in-heat'), list = make('div', 'in-list'), bar = make('div', 'in-pages'), span = make('span');
  let values = [], strongest = 1, start = 0, marked = null;
  const back = makeButton('', say('in_earlier'), () => turn(-BOXES)), on = makeButton('', say('in_later'), () => turn(BOXES));
  list.setAttribute('role', 'list');
  list.setAttribute('aria-label', label);
  list.tabIndex = 0;
  bar.append(back, span, on);
  node.append(list, bar);

  function box(value, token) {
    const one = make('span', 'in-k'), text = make('span');
    write(text, textOf(token).replace(/\n$/, '') || '↵', false);
    one.append(text, make('small', '', percent(value)));
    one.style.setProperty('--heat', Math.min(1, value / strongest).toFixed(3));
    one.setAttribute('role', 'listitem');
    one.title = say('in_box', { n: token + 1, text: nameOf(token), value: percent(value) });
    if (token === marked) one.classList.add('on');
    return one;
  }

  function drawPage() {
    const end = Math.min(values.length, start + BOXES), boxes = [];
    for (let token = start; token < end; token++) {
      boxes.push(box(values[token], token));
      if (textOf(token).endsWith('\n')) boxes.push(make('br'));
    }
    list.replaceChildren(...boxes);
    bar.hidden = values.length <= BOXES;
    back.disabled = start === 0;
    on.disabled = end === values.length;
    span.textContent = say('in_span', { from: start + 1, to: end, all: values.length });
    const chosen = list.querySelector('.on');
    if (chosen) list.scrollTop = chosen.offsetTop - list.clientHeight / 2;
  }

  function turn(by) {
    start = Math.max(0, Math.min(values.length - 1, start + by));
    drawPage();
    list.scrollTop = by < 0 ? list.scrollHeight : 0;
  }

  function goTo(token) {
    marked = token;
    start = Math.floor(token / BOXES) * BOXES;
    drawPage();
  }

  // Where the position stands is looked at first.
  function show(numbers, most) {
    const isLikeBefore = numbers.length === values.length;
    [values, strongest] = [numbers, most || 1];
    if (isLikeBefore) drawPage(); else goTo(numbers.length - 1);
  }
  return { node, show, goTo };
}

function makeChooser(label, choices, value, onChoose) {
  const node = make('label', 'in-choose'), box = make('select');
  box.append(...choices.map((text, index) => {
    const option = make('option', '', text);
    option.value = index ? index - 1 : '';
    return option;
  }));
  box.value = value ?? '';
  box.addEventListener('change', () => onChoose(box.value === '' ? null : +box.value));
  node.append(make('span', '', label), box);
  return node;
}
const layerChoices = () => [say('in_mean_layers'), ...Array.from({ length: found.layers }, (_, layer) => say('in_layer', { n: layer + 1 }))];
const headChoices = () => [say('in_mean_heads'), ...Array.from({ length: found.heads }, (_, head) => say('in_head', { n: head + 1 }))];
