// The list of lessons. `props.value` is '' or the open lesson as a JSON string (yuan_demo/ui/lessons.py);
// words and lessons come with the page, as window.yuanDemo.words and window.yuanDemo.lessons.
const lang = document.documentElement.lang.startsWith('zh') ? 1 : 0;
const say = (key, values = {}) => window.yuanDemo.words[key][lang].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const root = element.querySelector('.ls');

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function drawCard(lesson, index) {
  const card = make('li', 'ls-card'), title = make('h3', '', lesson.title[lang]), button = make('button', '', say('lesson_load'));
  card.dataset.name = lesson.name;
  title.id = 'ls-' + lesson.name;
  button.type = 'button';
  button.id = 'ls-load-' + lesson.name;
  // A screen reader says the button and the title: eleven buttons read "Load".
  button.setAttribute('aria-labelledby', button.id + ' ' + title.id);
  button.addEventListener('click', () => trigger('lesson', { name: lesson.name }));
  const words = make('div', 'ls-words');
  words.append(title, make('p', '', lesson.text[lang]));
  card.append(make('span', 'ls-number', index + 1), words, button);
  card.firstChild.setAttribute('aria-hidden', 'true');
  return card;
}

function markOpen() {
  const open = props.value ? JSON.parse(props.value).active : null;
  root.querySelectorAll('.ls-card').forEach(card => {
    const isOpen = card.dataset.name === open;
    card.classList.toggle('open', isOpen);
    if (isOpen) card.setAttribute('aria-current', 'true'); else card.removeAttribute('aria-current');
    card.querySelector('button').textContent = say(isOpen ? 'lesson_reload' : 'lesson_load');
  });
}

const list = make('ol');
list.setAttribute('aria-label', say('lesson_list'));
list.append(...window.yuanDemo.lessons.map(drawCard));
root.replaceChildren(list);
watch('value', markOpen);
markOpen();
