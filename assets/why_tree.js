// --- the results: parts of the prompt, their share, and what was lost without them ------------------------
const SLIGHT = 0.1;  // nats: a tenth of the probability

const partsAt = path => path.length === 0 ? question.tree : question.levels.get(path.join())?.parts ?? nodeAt(path)?.p ?? [];
const nodeAt = path => path[0] === ANSWER_SO_FAR ? null : path.reduce((node, place) => (node ? node.p : question.tree)[place], null);
const isNow = part => part.n === shown.turn;
const slope = part => question.values.slice(...part.s).reduce((sum, each) => sum + each, 0);
const sayPart = part => say(isNow(part) ? 'wy_part_now' : 'wy_part_turn', { n: '' + part.n });
const namePart = part => isNow(part) ? say('wy_name_now', { n: '' + part.n }) : sayPart(part);
// With its blank, by which tokens differ that look alike.
const quoted = piece => piece.replaceAll('▁', '·');

// The rows of one level: {part, end, effect, path}; effect undefined while it is not measured.
function rowsAt(path) {
  const parts = partsAt(path);
  if (view === 'gradient') return parts.map((part, place) => ({ part, size: 1, effect: slope(part), path: [...path, place] }));
  const rows = [], effects = question.levels.get(path.join())?.effects ?? [];
  let place = 0;
  for (const [start, end, effect] of [...effects, [parts.length, parts.length]]) {
    for (; place < start; place++) rows.push({ part: parts[place], size: 1, path: [...path, place] });
    if (start < end) {
      const text = parts.slice(start, end).map(each => each.t).join('');
      rows.push({ part: end - start > 1 ? { ...parts[start], t: text, isGroup: true } : parts[start], size: end - start, effect, path: [...path, start] });
    }
    place = end;
  }
  return rows;
}

function strongestOf(rows) {
  return rows.reduce((best, row) => row.effect > (best?.effect ?? 0) ? row : best, null);
}

// In one line: the answer to the question.
function lineFor(row) {
  const other = question.against && quoted(question.against[1]);
  const text = other ? quoted(cells.pieces[question.start]) : textOf(question.start, question.end).trim();
  if (!row || row.effect < SLIGHT) return say(other ? 'wy_line_none_against' : 'wy_line_none', { text: shorten(text), other });
  const part = row.part.isGroup ? say('wy_part_together', { n: row.size }) : namePart(row.part);
  const values = { part, text: shorten(text), other, p: strength(question.base), q: strength(question.base - row.effect) };
  return say(other ? 'wy_line_against' : isMean() ? 'wy_line_mean' : 'wy_line', values);
}

function drawLine() {
  const rows = rowsAt([]), best = strongestOf(rows), sentences = [];
  const isWhole = view === 'gradient' || rows.every(row => row.effect !== undefined);
  if (isWhole && view === 'gradient') sentences.push(say(best ? 'wy_line_gradient' : 'wy_line_gradient_none', best ? { part: namePart(best.part) } : {}));
  else if (isWhole && rows.length) {
    sentences.push(lineFor(best));
    if ((best?.effect ?? 0) < SLIGHT && question.start > 0) sentences.push(say('wy_line_so_far'));
    const earlier = best && isNow(best.part) && strongestOf(rows.filter(row => !isNow(row.part)));
    if (earlier && earlier.effect >= SLIGHT && !earlier.part.isGroup) sentences.push(say('wy_line_earlier') + ' ' + lineFor(earlier));
  }
  const text = sentences.join(' ');
  if ($('wy-line').textContent !== text) $('wy-line').textContent = text;
}

function detail(row) {
  const { effect } = row, small = make('small');
  if (effect === undefined) return Object.assign(small, { textContent: say('wy_unmeasured') });
  const n = view === 'gradient' ? signed(effect) : nats(effect);
  if (view === 'measured' && isNothing(effect)) small.textContent = say('wy_no_effect');
  else small.textContent = view === 'gradient' ? say('wy_slope', { n })
    : say(question.against ? 'wy_effect_odds' : 'wy_effect', { n, p: strength(question.base), q: strength(question.base - effect) });
  if (effect < 0 && (view === 'gradient' || !isNothing(effect))) small.append(make('b', '', question.against ? say('wy_speaks_for', { text: quoted(question.against[1]) }) : say('wy_speaks_against')));
  return small;
}

// Of what is next to nothing no share is told.
const shareOf = ({ effect }, positive) => effect === undefined ? '' : positive < least() ? '–' : effect > (view === 'gradient' ? 0 : 0.005) ? percent(effect / positive) : percents.format(0);
const least = () => view === 'gradient' ? 1e-12 : SLIGHT;

function bar(row, positive, largest) {
  const track = make('span', 'wy-track'), fill = make('i');
  const width = row.effect > 0 ? (positive < least() ? 0 : row.effect / positive) : Math.min(1, -(row.effect ?? 0) / Math.max(largest, least()));
  fill.style.width = 100 * width + '%';
  if (row.effect < 0) fill.classList.add('less');
  track.append(fill);
  return track;
}

// A word with its blanks made visible, a longer text as it is read.
function writePart(node, part) {
  if (part.k === 'word' && !part.isGroup) write(node, part.t, false);
  else node.textContent = shorten(part.t.replace(/\s+/g, ' ').trim());
}

function nameOf(row) {
  const name = make('span', 'wy-name'), { part } = row, text = make('q');
  if (part.isGroup) name.append(make('b', '', say('wy_part_together', { n: row.size })));
  else if (part.k === 'turn') name.append(make('b', '', sayPart(part)));
  else if (part.k === 'message') name.append(make('b', '', say('wy_role_' + part.r)));
  writePart(text, part);
  name.append(text);
  return name;
}

function toggle(path) {
  const key = path.join();
  if (question.open.has(key)) question.open.delete(key);
  else {
    question.open.add(key);
    if (view === 'measured' && !question.levels.has(key)) ask('measure', path);
  }
  draw();
}

function drawRow(row, positive, largest, best) {
  const item = make('li'), key = row.path.join(), { part } = row;
  // Where gradients are shown, words stand below, all at once.
  const opens = !part.isGroup && part.k !== 'word' && (view === 'measured' || part.p.length > 0);
  const line = opens ? makeButton('wy-row', undefined, () => toggle(row.path)) : make('div', 'wy-row');
  line.append(make('i', 'wy-mark', opens ? (question.open.has(key) ? '▾' : '▸') : ''), nameOf(row), bar(row, positive, largest),
    make('span', 'wy-share', shareOf(row, positive)), detail(row));
  if (opens) line.setAttribute('aria-expanded', question.open.has(key));
  line.dataset.path = key;
  if (row === best && row.effect >= least()) {
    line.classList.add('best');
    line.querySelector('.wy-name').prepend(make('em', '', say('wy_strongest')));
  }
  item.append(line);
  if (opens && question.open.has(key)) item.append(drawLevel(row.path, row.effect));
  return item;
}

function drawLevel(path, whole) {
  const rows = rowsAt(path), node = make('ul'), measured = rows.filter(row => row.effect !== undefined);
  const positive = measured.reduce((sum, row) => sum + Math.max(0, row.effect), 0), largest = Math.max(positive, ...measured.map(row => Math.abs(row.effect)));
  // None is the strongest where one stands in for another.
  const isShared = view === 'measured' && whole >= SLIGHT && rows.length > 1 && measured.length === rows.length && positive < whole / 4;
  const best = measured.length === rows.length && !isShared ? strongestOf(rows) : null;
  node.append(...rows.map(row => drawRow(row, positive, largest, best)));
  const notes = [];
  if (rows.some(row => row.part.isGroup)) notes.push('wy_grouped');
  if (isShared) notes.push('wy_stand_in');
  node.append(...notes.map(key => make('li', 'wy-note', say(key))));
  return node;
}

// What was said before the stretch: a part of its own, in words.
function answerRow() {
  const text = textOf(0, question.start), path = [ANSWER_SO_FAR];
  const part = { k: 'answer', n: null, t: text, p: [] }, item = make('li'), key = path.join(), isOpen = question.open.has(key);
  const line = makeButton('wy-row wy-so-far', undefined, () => toggle(path)), name = make('span', 'wy-name'), said = make('q');
  writePart(said, part);
  name.append(make('b', '', say('wy_part_answer')), said);
  line.append(make('i', 'wy-mark', isOpen ? '▾' : '▸'), name);
  line.setAttribute('aria-expanded', isOpen);
  line.dataset.path = key;
  item.append(line);
  if (isOpen && question.levels.has(key)) item.append(drawLevel(path));
  return item;
}

// Every token of the prompt; against it in another colour and underlined.
function drawHeat() {
  const prompt = new CellList(shown.prompt), largest = Math.max(1e-12, ...question.values.slice(0, shown.prompt.i.length).map(Math.abs)), drawn = [];
  for (let index = 0; index < prompt.length; index++) {
    const cell = prompt.at(index), node = make('span', 'wy-h');
    const value = question.values.slice(cell.start, cell.end).reduce((sum, each) => sum + each, 0);
    write(node, cell.flags & 1 ? '▁' : cell.text.replace(/\n$/, '') || '↵', false);
    node.style.setProperty('--heat', Math.min(1, Math.abs(value) / largest).toFixed(3));
    node.classList.toggle('less', value < 0 && -value > largest / 50);
    node.title = say('wy_heat_token', { n: signed(value) });
    drawn.push(node, ...cell.text.endsWith('\n') ? [make('br')] : []);
  }
  $('wy-heat').lastChild.replaceChildren(...drawn);
}

let drawnHeat = null;
function drawFound() {
  const isThere = !!question?.tree, isFound = isThere && hasView();
  $('wy-found').hidden = !isThere;
  $('wy-heat').hidden = !isFound || view !== 'gradient';
  $('wy-heat').firstChild.textContent = say('wy_heat');
  $('wy-by').textContent = say(`wy_${view}_what`);
  if (!isFound) { $('wy-line').textContent = ''; $('wy-tree').replaceChildren(); return; }
  drawLine();
  const focused = document.activeElement?.closest?.('.wy-row')?.dataset.path, level = drawLevel([]);
  if (view === 'measured' && question.start > 0) level.append(answerRow());
  const head = make('li', 'wy-shares', say('wy_share'));
  $('wy-tree').replaceChildren(head, ...level.childNodes);
  $('wy-tree').setAttribute('aria-label', say('wy_tree'));
  if (focused !== undefined) $('wy-tree').querySelector(`[data-path="${focused}"]`)?.focus({ preventScroll: true });
  if (view === 'gradient' && drawnHeat !== question.values) { drawnHeat = question.values; drawHeat(); }
}
