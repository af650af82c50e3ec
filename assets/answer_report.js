// --- how it ended: why, P(<eod>) step by step, and where it went in circles -------------------------------
const WIDTH = 400, HEIGHT = 44, FLOOR = 6;  // of the drawing; the line's bottom is 10^-6
const heightOf = logprob => Math.min(1, -logprob / Math.LN10 / FLOOR) * (HEIGHT - 6) + 3;
const svg = (tag, attributes) => {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const name in attributes) node.setAttribute(name, attributes[name]);
  return node;
};
const across = (token, all) => all > 1 ? 4 + token / (all - 1) * (WIDTH - 8) : WIDTH / 2;

// On a scale of powers of ten: it lies near 0 until the end.
function drawLine() {
  const rows = shown.rows, all = rows.length, drawing = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', class: 'an-line', role: 'img' });
  const points = rows.map((row, token) => row && row[EOD] !== null && [across(token, all), heightOf(row[EOD])]).filter(Boolean);
  if (!points.length) return drawing;
  const line = points.map(point => point.map(n => n.toFixed(1)).join()).join(' ');
  drawing.append(svg('polygon', { points: `${points[0][0]},${HEIGHT} ${line} ${points[points.length - 1][0]},${HEIGHT}` }));
  drawing.append(svg('polyline', { points: line }), svg('line', { y1: 0, y2: HEIGHT }));
  // The end itself left out: what matters is whether it was near to ending before.
  const inner = rows.slice(0, -1).map((row, token) => [row?.[EOD] ?? -Infinity, token]);
  const [best, at] = inner.reduce((most, each) => each[0] > most[0] ? each : most, [-Infinity, 0]);
  drawing.setAttribute('aria-label', say('an_line', { n: all }) + (inner.length ? ' ' + say('an_line_most', { p: percent(Math.exp(best)), n: at + 1 }) : ''));
  drawing.addEventListener('click', event => {
    const box = drawing.getBoundingClientRect();
    select(Math.round(((event.clientX - box.left) / box.width * WIDTH - 4) / (WIDTH - 8) * (all - 1)));
  });
  return drawing;
}

function markStep(token) {
  const mark = element.querySelector('.an-line line');
  if (!mark) return;
  const x = across(token, shown.rows.length);
  mark.setAttribute('x1', x);
  mark.setAttribute('x2', x);
}

function reason() {
  if (!shown.finish) return isWriting ? say('an_why_running') : '';
  const settings = shown.settings ?? {}, last = shown.rows[shown.rows.length - 1];
  const key = shown.finish === 'stop' && shown.begun === shown.rows.length ? 'br_ended' : 'an_why_' + shown.finish;
  return key in window.yuanDemo.words ? say(key, { n: settings.max_new_tokens ?? shown.rows.length, p: last && last[EOD] !== null ? percent(Math.exp(last[EOD])) : '–' }) : '';
}

const loopText = ([start, period]) => cells.pieces.slice(start, start + period).map(spell).join('');
const adviceFor = ({ greedy, repetition_penalty }) => repetition_penalty < 1 ? 'an_loop_try_penalty' : greedy ? 'an_loop_try_greedy' : 'an_loop_try';
function drawLoop(loop) {
  const [start, period, end] = loop, node = make('p', 'an-loop'), said = make('q');
  write(said, loopText(loop).slice(0, 60), false);
  const where = make('button', '', say('an_loop_show', { n: '' + (start + period + 1) }));
  where.type = 'button';
  where.addEventListener('click', () => select(start + period));
  node.append(make('b', '', say('an_loop')), ' ', say('an_loop_where', { n: start + period + 1, size: period, times: Math.floor((end - start) / period) }), ' ', said, ' ',
    say(adviceFor(shown.settings ?? {}), { n: shown.settings?.repetition_penalty }), ' ', where);
  return node;
}

// Every token that only says again what was said; an arrow at the first of them.
function markLoops() {
  const loops = shown.loops ?? [];
  boxes.forEach((box, token) => {
    const loop = loops.find(([start, period, end]) => token >= start + period && token < end);
    box.classList.toggle('again', !!loop);
    box.classList.toggle('forced', shown.begun > token && token >= shown.forcedFrom);
    box.classList.toggle('turns', !!loop && token === loop[0] + loop[1]);
  });
}

let drawnLoops = '';
function drawReport() {
  const loops = shown.loops ?? [];
  if (shown.isPrompt) { $('an-loops').replaceChildren(); drawnLoops = ''; return markLoops(); }
  const key = shown.number + loops.map(([start, period]) => [start, period]).join('|') + loops.map(each => Math.floor((each[2] - each[0]) / each[1]));
  markLoops();
  // Written anew only when it says something else: a screen reader reads it out.
  if (drawnLoops !== key) $('an-loops').replaceChildren(...loops.map(drawLoop));
  drawnLoops = key;
  const facts = make('div', 'an-line-facts');
  facts.append(make('span', '', say('an_line_name')), make('small', '', say('an_line_scale')));
  $('an-report').replaceChildren(make('p', 'an-why', reason()), facts, drawLine());
}
