
// --- what it would have said at each depth ---------------------------------------------------------------
const SVG = 'http://www.w3.org/2000/svg';

function guess([id, p]) {
  const node = make('span', 'in-guess'), text = make('span');
  write(text, spell(found.lens.pieces[id] ?? '' + id), false);
  node.style.setProperty('--heat', p.toFixed(3));
  node.append(text, make('small', '', percent(p)));
  if (id === at.chosen) {
    node.classList.add('own');
    node.title = say('an_chosen');
  }
  return node;
}

const depthName = depth => depth ? say('in_layer', { n: depth }) : say('in_embedding');

function depthRow([best, entropy, p, rank], depth) {
  const row = make('tr'), name = make('th', '', depthName(depth)), words = make('td', 'in-guesses');
  name.scope = 'row';
  words.append(...best.map(guess));
  row.append(name, words);
  if (p !== null) {
    const own = make('td', 'in-number', percent(p));
    own.append(make('small', '', say('in_rank', { n: rank })));
    row.append(own);
  }
  row.append(make('td', 'in-number', Math.max(0, entropy).toFixed(2)));
  return row;
}

// The probability of the chosen token over depth: 0 % at the bottom, 100 % at the top.
function depthLine(depths) {
  const chart = document.createElementNS(SVG, 'svg'), width = 100, height = 40;
  const points = depths.map(([, , p], depth) => `${(depth / (depths.length - 1) * width).toFixed(2)},${((1 - p) * height).toFixed(2)}`);
  for (const [tag, path] of [['polygon', `0,${height} ${points.join(' ')} ${width},${height}`], ['polyline', points.join(' ')]]) {
    const shape = document.createElementNS(SVG, tag);
    shape.setAttribute('points', path);
    chart.append(shape);
  }
  chart.setAttribute('class', 'in-line');
  chart.setAttribute('viewBox', `0 -1 ${width} ${height + 2}`);
  chart.setAttribute('preserveAspectRatio', 'none');
  chart.setAttribute('aria-hidden', 'true');  // the words below say it
  return chart;
}

function depthWords(depths) {
  const text = spell(cells.pieces[at.position + 1]).trim() || say('blank');
  const words = [say('in_line', { text, first: percent(depths[0][2]), last: percent(depths[depths.length - 1][2]) })];
  let first = depths.length;
  while (first && depths[first - 1][3] === 1) first--;
  if (first < depths.length) words.push(say('in_line_top', { where: depthName(first) }));
  return words.join(lang ? '' : ' ');
}

function drawLens() {
  const { depths } = found.lens, hasOwn = depths[0][2] !== null, frame = make('div', 'in-scroll');
  const table = make('table', 'in-depths'), head = make('tr'), body = make('tbody'), top = make('thead');
  for (const name of ['in_depth', 'in_best', ...(hasOwn ? ['in_own'] : []), 'in_entropy']) {
    const cell = make('th', '', say(name));
    cell.scope = 'col';
    if (name === 'in_entropy') cell.title = say('in_entropy_title');
    head.append(cell);
  }
  top.append(head);
  body.append(...depths.map(depthRow));
  table.append(top, body);
  frame.append(table);
  frame.tabIndex = 0;
  frame.setAttribute('role', 'region');
  frame.setAttribute('aria-label', say('in_lens'));
  bodyOf('lens').replaceChildren(make('p', 'in-what', say('in_lens_what')),
    ...(hasOwn ? [depthLine(depths), make('p', 'in-said', depthWords(depths))] : [make('p', 'in-said', say('in_no_next'))]), frame);
  frame.scrollTop = frame.scrollHeight;
}
