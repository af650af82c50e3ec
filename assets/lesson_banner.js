// The open lesson, above the panel: title, text, what to try, a table, and the way back.
// `props.value` is '' or {active, title, text, task, table} as a JSON string, in the page's language.
const lang = document.documentElement.lang.startsWith('zh') ? 1 : 0;
const say = key => window.yuanDemo.words[key][lang];
const root = element.querySelector('.lb');
let shown = '', isFolded = false;

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function makeButton(className, text, onClick) {
  const node = make('button', className, text);
  node.type = 'button';
  node.addEventListener('click', onClick);
  return node;
}

function row(tag, cells) {
  const node = make('tr');
  node.append(...cells.map((cell, index) => {
    const isHead = tag === 'th' || index === 0, box = make(isHead ? 'th' : 'td', '', cell);
    if (isHead) box.scope = tag === 'th' ? 'col' : 'row';
    return box;
  }));
  return node;
}

function drawTable(table) {
  // A region of its own that scrolls, so that the page never does; the keyboard can scroll it too.
  const frame = make('div', 'lb-table'), node = make('table'), head = make('thead'), body = make('tbody');
  frame.tabIndex = 0;
  frame.setAttribute('role', 'region');
  frame.setAttribute('aria-label', say('lesson_table'));
  head.append(row('th', table.head));
  body.append(...table.rows.map(cells => row('td', cells)));
  node.append(head, body);
  frame.append(node);
  return frame;
}

function fold() {
  isFolded = !isFolded;
  draw();
  root.querySelector('.lb-fold').focus();
}

function draw() {
  const lesson = props.value ? JSON.parse(props.value) : null;
  root.hidden = !lesson;
  if (!lesson) { shown = ''; return root.replaceChildren(); }
  if (lesson.active !== shown) { shown = lesson.active; isFolded = false; }
  const head = make('div', 'lb-head'), foldButton = makeButton('lb-fold', say(isFolded ? 'lesson_unfold' : 'lesson_fold'), fold);
  const body = make('div', 'lb-body'), task = make('p', 'lb-task', lesson.task);
  foldButton.setAttribute('aria-expanded', String(!isFolded));
  body.hidden = isFolded;
  task.prepend(make('b', '', say('lesson_try')));
  body.append(make('p', '', lesson.text), task, ...(lesson.table ? [drawTable(lesson.table)] : []));
  head.append(make('h3', '', lesson.title), foldButton, makeButton('lb-back', say('lesson_back'), () => trigger('back', {})));
  root.replaceChildren(head, body);
}

watch('value', draw);
draw();
