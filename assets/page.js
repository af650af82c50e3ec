// Runs before Gradio's script. The page has two languages; the visitor's choice wins over the
// browser's. Gradio picks its dictionary from navigator.language, so the choice is put there.
(() => {
  const KEY = 'yuan-demo-language', DRAFT = 'yuan-demo-draft', TAB = 'yuan-demo-tab';
  let chosen = null;
  try { chosen = localStorage.getItem(KEY); } catch { /* storage is blocked: the browser decides */ }
  const browser = (navigator.language || '').toLowerCase().startsWith('zh') ? 'zh' : 'en';
  const tag = (chosen === 'zh' || chosen === 'en' ? chosen : browser) === 'zh' ? 'zh-CN' : 'en';
  Object.defineProperty(navigator, 'language', { get: () => tag, configurable: true });
  Object.defineProperty(navigator, 'languages', { get: () => [tag], configurable: true });
  document.documentElement.lang = tag;

  const box = () => document.querySelector('#message-box textarea');

  // A page that is left while it is answered would keep half an answer that says nothing of it.
  const isAnswering = () => !!document.querySelector('#message-box .stop-button');
  const nap = milliseconds => new Promise(done => setTimeout(done, milliseconds));
  async function stopAnswering() {
    document.querySelector('#message-box .stop-button')?.click();
    for (let naps = 0; isAnswering() && naps < 60; naps++) await nap(50);
    await nap(300);  // the chat is kept when it has settled
  }

  // Switching loads the page anew; what was typed comes along.
  async function setLanguage(language) {
    if (isAnswering()) await stopAnswering();
    try {
      localStorage.setItem(KEY, language);
      if (box()?.value) sessionStorage.setItem(DRAFT, box().value);
    } catch { return; }
    location.reload();
  }

  function restoreDraft() {
    let draft = null;
    try { draft = sessionStorage.getItem(DRAFT); sessionStorage.removeItem(DRAFT); } catch { return; }
    if (!draft || !box()) return;
    box().value = draft;
    box().dispatchEvent(new Event('input', { bubbles: true }));
  }

  // After an answer Gradio 6.31 leaves the box without its placeholder and without the focus.
  function nameButtons() {
    for (const [name, word] of [['submit', 'send'], ['stop', 'stop']])
      document.querySelector(`#message-box .${name}-button`)?.setAttribute('aria-label', window.yuanDemo.say(word));
  }

  function tendBox() {
    nameButtons();
    const textarea = box(), placeholder = textarea.placeholder;
    new MutationObserver(() => {
      if (!textarea.placeholder) textarea.placeholder = placeholder;
      nameButtons();
      const isIdle = !textarea.disabled && document.activeElement === document.body;
      // Not on a phone, where the focus brings up the keyboard and hides the answer.
      if (isIdle && matchMedia('(pointer: fine)').matches) textarea.focus({ preventScroll: true });
    }).observe(textarea, { attributes: true, attributeFilter: ['disabled', 'placeholder'] });
  }

  // The open tab of the panel survives a reload, as the language switch is one.
  function tendTabs() {
    const tabs = [...document.querySelectorAll('#panel-tabs [role=tab]')];
    try {
      const open = +sessionStorage.getItem(TAB);
      if (open) tabs[open]?.click();
      document.querySelector('#panel-tabs').addEventListener('click', event => {
        const place = tabs.indexOf(event.target.closest('[role=tab]'));
        if (place >= 0) sessionStorage.setItem(TAB, place);
      });
    } catch { /* storage is blocked */ }
  }

  // The chat holds its messages escaped (yuan_demo/ui/chatbot.py); what leaves it is the text.
  const unescape = text => text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
  let isInChat = false;
  document.addEventListener('click', event => { isInChat = !!event.target.closest?.('#conversation'); }, true);
  if (navigator.clipboard) {
    const write = navigator.clipboard.writeText.bind(navigator.clipboard);
    navigator.clipboard.writeText = text => write(isInChat ? unescape(text) : text);
  }
  // Without a clipboard (a page over plain http), Gradio copies from a hidden text area.
  document.addEventListener('copy', event => {
    if (!isInChat || event.target.style?.left !== '-999999px') return;
    event.clipboardData.setData('text/plain', unescape(event.target.value));
    event.preventDefault();
  });
  function tendEditors() {
    const tend = editor => {
      const text = unescape(editor.value);
      if (editor.value === text) return;
      editor.value = text;
      editor.dispatchEvent(new Event('input', { bubbles: true }));
    };
    new MutationObserver(changes => {
      for (const node of changes.flatMap(change => [...change.addedNodes])) {
        const editor = node.matches?.('textarea') ? node : node.querySelector?.('textarea');
        // Gradio fills the editor after it has put it into the page.
        if (editor) { tend(editor); setTimeout(tend, 0, editor); }
      }
    }).observe(document.querySelector('#conversation'), { childList: true, subtree: true });
  }

  Object.assign(window.yuanDemo, {
    setLanguage,
    // The chat has changed; says whether what it shows is to be kept.
    whenShown(messages) {
      const isLoaded = 'loaded' in document.documentElement.dataset;
      if (isLoaded) window.yuanDemo.publish('chat', messages);
      return isLoaded;
    },
    whenLoaded(messages) {
      tendBox(); tendEditors(); tendTabs(); window.yuanDemo.tendChat(); restoreDraft();
      document.documentElement.dataset.loaded = '';
      window.yuanDemo.publish('chat', messages);
    },
  });
})();
