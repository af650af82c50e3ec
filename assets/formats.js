// Two formats side by side. `props.value` is a view of yuan_demo/ui/compare.py as a JSON string.
const { say, count, make, makeButton, write, CellList } = window.yuanDemo;
const root = element.querySelector('.fc');
const EDGE = 8;  // tokens shown at either end of a long stretch that both have in common

// [[isDifferent, start, end), ...] of one side's tokens.
function stretches(runs, isFirst) {
  return runs.map(([kind, aStart, aEnd, bStart, bEnd]) => [kind !== 'same', ...(isFirst ? [aStart, aEnd] : [bStart, bEnd])])
    .filter(([, start, end]) => start < end);
}

function drawCell(cell, isDifferent) {
  const node = make('span', 'k ' + cell.origin + (isDifferent ? ' differs' : ''));
  write(node, cell.flags & 1 ? '▁' : cell.text || cell.pieces[0], cell.ids.length > 1);
  node.title = cell.pieces.join(' ') + ' · ' + cell.ids.join(' ');
  return node;
}

function drawTokens(side, runs, isFirst) {
  const node = make('div', 'fc-tokens'), cells = new CellList(side.cells);
  const append = (target, isDifferent, start, end) => {
    for (let cell = cells.of(start); cell < cells.length && cells.firsts[cell] < end; cell++)
      if (cells.firsts[cell] >= start) target.append(drawCell(cells.at(cell), isDifferent));
  };
  for (const [isDifferent, start, end] of stretches(runs, isFirst)) {
    if (isDifferent || end - start <= 3 * EDGE) { append(node, isDifferent, start, end); continue; }
    append(node, false, start, start + EDGE);
    const more = makeButton('fc-more', say('same_tokens', { n: end - start - 2 * EDGE }), () => {
      const hidden = document.createDocumentFragment();
      append(hidden, false, start + EDGE, end - EDGE);
      more.replaceWith(hidden);
    });
    node.append(more);
    append(node, false, end - EDGE, end);
  }
  return node;
}

const visible = text => text.replaceAll('\n', '\\n') || '∅';
function drawHead(side, other) {
  const head = make('div', 'fc-head'), difference = side.tokens - other.tokens;
  head.append(make('h3', '', say('format_' + side.name)));
  const template = make('p', 'fc-template');
  template.append(make('code', '', visible(side.turn)), ' … ', make('code', '', visible(side.question)));
  const cost = say('prompt_tokens', { n: count.format(side.tokens) }) + (difference ? ` (${difference > 0 ? '+' : '−'}${count.format(Math.abs(difference))})` : '');
  head.append(template, make('p', 'fc-cost', cost + (side.dropped.length ? ' · ' + say('dropped_turns', { turns: side.dropped.join(', ') }) : '')));
  return head;
}

function drawNext(side) {
  const node = make('div', 'fc-next');
  node.append(make('h4', '', say('next_token')));
  if (!side.next) { node.append(make('p', 'fc-wait', say('ask_first'))); return node; }
  for (const [piece, probability] of side.next) {
    const row = make('div', 'fc-row'), bar = make('i'), percent = probability * 100;
    bar.style.width = percent + '%';
    const label = make('code');
    write(label, piece.replaceAll('▁', ' ') || piece);
    const track = make('span', 'fc-track');
    track.append(bar);
    row.append(label, track, make('b', '', percent >= 0.1 ? percent.toFixed(1) + ' %' : '< 0.1 %'));
    node.append(row);
  }
  return node;
}

// A shade and a number for each token: meaning never by colour alone.
function drawAnswer(side, other, reference) {
  const node = make('div', 'fc-answer');
  node.append(make('h4', '', say('reference_likelihood')));
  if (!reference) { node.append(make('p', 'fc-wait', say('no_reference'))); return node; }
  if (side.mean == null) { node.append(make('p', 'fc-wait', say('ask_first'))); return node; }
  const isBetter = other.mean != null && side.mean > other.mean;
  node.append(make('p', 'fc-mean', say('mean_logprob', { n: side.mean > -0.0005 ? '0' : side.mean.toFixed(3), p: (100 * Math.exp(side.mean)).toFixed(1) }) + (isBetter ? ' ✓ ' + say('likelier') : '')));
  const tokens = make('div', 'fc-tokens');
  for (const [piece, logprob] of side.answer) {
    const token = make('span', 'fc-rated');
    token.style.setProperty('--doubt', Math.min(1, -logprob / 6));
    const text = make('span');
    write(text, piece.replaceAll('▁', ' ') || piece);
    token.append(text, make('small', '', logprob > -0.05 ? '0' : logprob.toFixed(1)));
    tokens.append(token);
  }
  node.append(tokens);
  return node;
}

function draw() {
  if (!props.value) return root.replaceChildren();
  const view = JSON.parse(props.value);
  if (view.error) return root.replaceChildren(make('p', 'fc-error', view.error));
  const [first, second] = view.sides, isSame = view.runs.every(([kind]) => kind === 'same');
  const columns = view.sides.map((side, index) => {
    const other = index ? first : second, column = make('section', 'fc-side');
    column.append(drawHead(side, other), drawTokens(side, view.runs, !index), drawNext(side), drawAnswer(side, other, view.reference));
    return column;
  });
  const summary = make('p', 'fc-summary', isSame ? say('same_prompt') : say('differ_in', {
    removed: stretches(view.runs, true).reduce((sum, [differs, start, end]) => sum + (differs ? end - start : 0), 0),
    added: stretches(view.runs, false).reduce((sum, [differs, start, end]) => sum + (differs ? end - start : 0), 0),
  }));
  const sides = make('div', 'fc-sides');
  sides.append(...columns);
  root.replaceChildren(summary, sides);
}
watch('value', draw);
draw();
