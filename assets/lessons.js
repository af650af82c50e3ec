// The list of lessons, and above it the table of the one that is open. The lessons come with the page,
// as window.yuanDemo.lessons; which one is open comes from lesson_banner.js.
const { lang, say, make, makeButton, subscribe, lessons } = window.yuanDemo;
const root = element.querySelector('.ls');

function drawCard(lesson, index) {
  const card = make('li', 'ls-card'), title = make('h3', '', lesson.title[lang]), number = make('span', 'ls-number', index + 1);
  const button = makeButton('', say('lesson_load'), () => trigger('lesson', { name: lesson.name }));
  card.dataset.name = lesson.name;
  title.id = 'ls-' + lesson.name;
  button.id = 'ls-load-' + lesson.name;
  // A screen reader says the button and the title: many buttons read "Load".
  button.setAttribute('aria-labelledby', button.id + ' ' + title.id);
  number.setAttribute('aria-hidden', 'true');
  const words = make('div', 'ls-words');
  words.append(title, make('p', '', lesson.text[lang]));
  card.append(number, words, button);
  return card;
}

function drawRow(tag, cells) {
  const node = make('tr');
  node.append(...cells.map((cell, index) => {
    const isHead = tag === 'th' || index === 0, box = make(isHead ? 'th' : 'td', '', cell);
    if (isHead) box.scope = tag === 'th' ? 'col' : 'row';
    return box;
  }));
  return node;
}

// A region of its own that scrolls, so that the page never does; the keyboard can scroll it too.
function drawTable({ head, rows }) {
  const frame = make('div', 'lb-table'), table = make('table'), top = make('thead'), body = make('tbody');
  frame.tabIndex = 0;
  frame.setAttribute('role', 'region');
  frame.setAttribute('aria-label', say('lesson_table'));
  top.append(drawRow('th', head));
  body.append(...rows.map(cells => drawRow('td', cells)));
  table.append(top, body);
  frame.append(table);
  return frame;
}

const place = make('div', 'ls-table'), list = make('ol');
list.setAttribute('aria-label', say('lesson_list'));
list.append(...lessons.map(drawCard));
root.replaceChildren(place, list);

subscribe('lesson', open => {
  if (open?.table) root.closest('#panel-tabs').scrollTop = 0;
  place.replaceChildren(...(open?.table ? [make('h3', '', open.title), drawTable(open.table)] : []));
  for (const card of list.children) {
    const isOpen = card.dataset.name === open?.active;
    card.classList.toggle('open', isOpen);
    if (isOpen) card.setAttribute('aria-current', 'true'); else card.removeAttribute('aria-current');
    card.querySelector('button').textContent = say(isOpen ? 'lesson_reload' : 'lesson_load');
  }
});
