// Runs in the page before its own scripts: when was the message box edited, when did the panel show it.
// Times are performance.now(), in milliseconds.
(() => {
  let edits = [], repaints = [], requests = [];
  window.yuanBench = {
    forget() { edits = []; repaints = []; requests = []; },
    isShown: () => !edits.length || repaints.some(([at, text]) => at > edits.at(-1)[0] && text === edits.at(-1)[1]),
    seen: () => ({ edits, repaints, requests }),
  };
  const isBox = node => node.matches?.('#message-box textarea');
  document.addEventListener('input', event => {
    if (isBox(event.target)) edits.push([performance.now(), event.target.value]);
  }, true);

  // The draft as the panel draws it: the user's cells between the last join and the final <sep>.
  function drawnDraft(panel) {
    if (panel.dataset.mode !== 'preview') return '';
    const parts = [];
    let block = document.querySelector('.tp-list').lastElementChild, cell = block?.lastElementChild;
    const step = () => {
      cell = cell.previousElementSibling;
      if (!cell) { block = block.previousElementSibling; cell = block?.lastElementChild; }
    };
    for (step(); cell?.classList.contains('u'); step()) {
      if (!cell.classList.contains('ph')) parts.push(written(cell));
    }
    return parts.reverse().join('');
  }
  const written = cell => [...cell.childNodes].filter(node => node.nodeName !== 'SUP')
    .map(node => node.textContent).join('').replaceAll('·', ' ');

  new MutationObserver(records => {
    const panel = records.at(-1).target, drawn = drawnDraft(panel);
    const tokens = JSON.parse(panel.dataset.ids).length, drawing = +panel.dataset.ms;
    // The first frame draws what changed, the second begins when that has been painted.
    requestAnimationFrame(() => requestAnimationFrame(() =>
      repaints.push([performance.now(), drawn, tokens, drawing])));
  }).observe(document, { subtree: true, attributeFilter: ['data-seq'] });

  // Only calls outside the queue, which are those of the panel.
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) if (entry.name.includes('/run/')) requests.push(entry.duration);
  }).observe({ type: 'resource' });
})();
