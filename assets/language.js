// Runs before Gradio's script. The page has two languages; the visitor's choice wins over the
// browser's. Gradio picks its dictionary from navigator.language, so the choice is put there.
(() => {
  const KEY = 'yuan-demo-language', DRAFT = 'yuan-demo-draft';
  let chosen = null;
  try { chosen = localStorage.getItem(KEY); } catch { /* storage is blocked: the browser decides */ }
  const browser = (navigator.language || '').toLowerCase().startsWith('zh') ? 'zh' : 'en';
  const tag = (chosen === 'zh' || chosen === 'en' ? chosen : browser) === 'zh' ? 'zh-CN' : 'en';
  Object.defineProperty(navigator, 'language', { get: () => tag, configurable: true });
  Object.defineProperty(navigator, 'languages', { get: () => [tag], configurable: true });
  document.documentElement.lang = tag;

  const box = () => document.querySelector('#message-box textarea');
  window.yuanDemo = {
    // Switching loads the page anew; what was typed comes along.
    setLanguage(language) {
      try {
        localStorage.setItem(KEY, language);
        if (box()?.value) sessionStorage.setItem(DRAFT, box().value);
      } catch { return; }
      location.reload();
    },
    restoreDraft() {
      let draft = null;
      try { draft = sessionStorage.getItem(DRAFT); sessionStorage.removeItem(DRAFT); } catch { return; }
      const textarea = box();
      if (!draft || !textarea) return;
      textarea.value = draft;
      textarea.dispatchEvent(new Event('input', { bubbles: true }));
    },
  };
})();
