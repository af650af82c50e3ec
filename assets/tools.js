// What the parts of the page share. Runs in <head>, behind page.js and the data that the server puts
// into `yuanDemo`: `words`, `glossary`, `model`, `findings`, `repairs`.
// What people and the model wrote enters the page through textContent only.
(() => {
  const yuanDemo = window.yuanDemo ??= {};
  const lang = document.documentElement.lang.startsWith('zh') ? 1 : 0;
  const count = new Intl.NumberFormat(lang ? 'zh-CN' : 'en');

  // A sentence with its {places} filled: numbers grouped, texts as they are.
  function fill(sentence, values = {}) {
    return sentence.replace(/\{(\w+)\}/g, (place, name) => {
      const value = values[name];
      return typeof value === 'number' ? count.format(value) : value ?? place;
    });
  }
  // A probability in words, and a piece of the vocabulary as it reads.
  const percents = new Intl.NumberFormat(lang ? 'zh-CN' : 'en', { style: 'percent', minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const wholePercents = new Intl.NumberFormat(lang ? 'zh-CN' : 'en', { style: 'percent' });
  const TINY = 0.0005;  // shown as less than 0.1 %
  const percent = p => p >= 1 - TINY ? wholePercents.format(1) : p === 0 ? percents.format(0) : p < TINY ? '< ' + percents.format(0.001) : percents.format(p);
  const spell = piece => piece.replaceAll('▁', ' ') || piece;

  const say = (key, values) => fill(yuanDemo.words[key][lang], values);

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

  // Buttons of which one is pressed; `choices` are [value, text] pairs.
  function makeSwitch(node, label, choices, chosen, onChoose) {
    node.setAttribute('role', 'group');
    node.setAttribute('aria-label', label);
    const press = value => buttons.forEach(button => button.setAttribute('aria-pressed', button.dataset.value === value));
    const buttons = choices.map(([value, text]) => {
      const button = makeButton('', text, () => { press(value); onChoose(value); });
      button.dataset.value = value;
      return button;
    });
    node.replaceChildren(...buttons);
    press(chosen);
  }

  // --- invisible characters ---------------------------------------------------------------------
  const MARKS = { ' ': '·', '\t': '⇥', '\n': '↵', '\r': '␍', '\u00a0': '⍽', '\u3000': '□' };
  // Control, format, surrogate and unassigned characters, but not the joiners inside an emoji.
  const INVISIBLE = /[ \t\n\r\u00a0\u3000]|[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u;
  const codePoint = character => character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0');

  // Writes a text with its invisible characters made visible.
  function write(node, text, isOneCharacter) {
    const isPlain = !INVISIBLE.test(text) || (isOneCharacter && !/^\p{C}+$/u.test(text) && !/^\s/.test(text));
    if (isPlain) return node.append(text);
    for (const character of text) {
      if (MARKS[character]) node.append(make('em', '', MARKS[character]), ...(character === '\n' ? ['\n'] : []));
      else if (INVISIBLE.test(character)) node.append(make('code', '', codePoint(character)));
      else node.append(character);
    }
  }

  // --- cells ------------------------------------------------------------------------------------
  // What is drawn as one box each, from the arrays of yuan_demo/ui/cells.py: a list of arrays and not
  // of objects, which would be made 8,000 at a time on every keystroke.
  class CellList {
    constructor(...parts) {
      parts = parts.filter(Boolean);
      const together = name => parts.length === 1 ? parts[0][name] : [].concat(...parts.map(part => part[name]));
      this.texts = together('t'); this.turns = together('r'); this.ids = together('i'); this.pieces = together('p');
      this.origins = parts.map(part => part.o).join('');
      this.length = this.texts.length;
      this.flags = new Map();  // cell -> [sum of flags, name that was typed]
      this.firsts = new Int32Array(this.length + 1);  // cell -> its first token
      let cell = 0, token = 0;
      for (const part of parts) {
        for (const index in part.f) this.flags.set(cell + +index, [].concat(part.f[index]));
        for (let index = 0; index < part.t.length; index++, cell++) {
          this.firsts[cell] = token;
          token += part.n[index] || 1;
        }
      }
      this.firsts[cell] = token;
    }

    at(cell) {
      const start = this.firsts[cell], end = this.firsts[cell + 1], [flags = 0, typed = null] = this.flags.get(cell) || [];
      return { text: this.texts[cell], origin: this.origins[cell], turn: this.turns[cell], flags, typed,
        start, end, ids: this.ids.slice(start, end), pieces: this.pieces.slice(start, end) };
    }

    // The cell that a token is drawn in.
    of(position) {
      let low = 0, high = this.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (this.firsts[middle + 1] <= position) low = middle + 1; else high = middle;
      }
      return low;
    }
  }

  // --- moving among tokens by keyboard ------------------------------------------------------------
  function onOtherLine(boxes, token, step) {
    const from = boxes[token].getBoundingClientRect();
    let best = token, line = null;
    for (let next = token + step; boxes[next]; next += step) {
      const box = boxes[next].getBoundingClientRect();
      if (Math.abs(box.top - from.top) < 6) continue;
      if (line && Math.abs(box.top - line.top) > 6) break;
      if (!line || Math.abs(box.left - from.left) < Math.abs(line.left - from.left)) { best = next; line = box; }
    }
    return best;
  }

  // Where the keys lead from a token, by the boxes that `drawn()` gives.
  const makeMoves = drawn => ({
    ArrowRight: token => token + 1, ArrowLeft: token => token - 1, Home: () => 0, End: () => drawn().length - 1,
    ArrowDown: token => onOtherLine(drawn(), token, 1), ArrowUp: token => onOtherLine(drawn(), token, -1),
  });

  // --- topics -----------------------------------------------------------------------------------
  // 'view': what the server sent, with `cellList`. 'light': {spans: [[start, end), ...], show} of tokens
  // to light up, or null. 'point': the position of the token that is pointed at, or null.
  const listeners = {}, latest = {};
  function publish(topic, data) {
    latest[topic] = data;
    for (const listener of listeners[topic] || []) listener(data);
  }
  function subscribe(topic, listener) {
    (listeners[topic] ??= []).push(listener);
    if (topic in latest) listener(latest[topic]);
  }

  // --- clipboard --------------------------------------------------------------------------------
  async function copy(text) {
    if (navigator.clipboard) {
      try { return await navigator.clipboard.writeText(text); } catch { /* no permission: the old way */ }
    }
    const area = make('textarea'), focused = document.activeElement;
    area.value = text;
    area.style.cssText = 'position: fixed; opacity: 0';
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
    focused?.focus();
  }

  Object.assign(yuanDemo, { lang, count, percent, spell, fill, say, make, makeButton, makeSwitch, write, CellList, makeMoves, publish, subscribe, copy });
})();
