// What is open in place of one's own conversation, a lesson or a link: title, text, what to try, and
// the way back. `props.value` is '' or {active, title, text, task, table} as a JSON string; it is handed
// on to the list of lessons, which draws the table.
const { say, make, makeButton, publish } = window.yuanDemo;
const root = element.querySelector('.lb');
let shown = '', isFolded = false;

function fold() {
  isFolded = !isFolded;
  draw();
  root.querySelector('.lb-fold').focus();
}

function draw() {
  const scene = props.value ? JSON.parse(props.value) : null;
  root.hidden = !scene;
  publish('lesson', scene);
  if (!scene) { shown = ''; return root.replaceChildren(); }
  if (scene.active !== shown) { shown = scene.active; isFolded = false; }
  const head = make('div', 'lb-head'), foldButton = makeButton('lb-fold', say(isFolded ? 'lesson_unfold' : 'lesson_fold'), fold);
  const body = make('div', 'lb-body');
  foldButton.setAttribute('aria-expanded', String(!isFolded));
  body.hidden = isFolded;
  body.append(make('p', '', scene.text));
  if (scene.task) {
    const task = make('p', 'lb-task', scene.task);
    task.prepend(make('b', '', say('lesson_try')));
    body.append(task);
  }
  head.append(make('h3', '', scene.title), foldButton, makeButton('lb-back', say('lesson_back'), () => trigger('back', {})));
  root.replaceChildren(head, body);
}

watch('value', draw);
draw();
