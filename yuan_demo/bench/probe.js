// Runs in the page before its own scripts: when was the message box edited or a tab clicked, when did the
// panel show it. Times are performance.now(), in milliseconds.
(() => {
  let edits = [], repaints = [], requests = [], openingMs = null, firstDrawMs = null, readyAt = null;
  window.yuanBench = {
    forget() { edits = []; repaints = []; requests = []; openingMs = null; },
    isShown: () => !edits.length || repaints.some(([at, text]) => at > edits.at(-1)[0] && text === edits.at(-1)[1]),
    seen: () => ({ edits, repaints, requests }),
    openingMs: () => openingMs,
    firstDrawMs: () => firstDrawMs,
  };
  const isBox = node => node.matches?.('#message-box textarea');
  document.addEventListener('input', event => {
    if (isBox(event.target)) edits.push([performance.now(), event.target.value]);
  }, true);

  // The first frame draws what changed, the second begins when that has been painted.
  const whenPainted = act => requestAnimationFrame(() => requestAnimationFrame(act));

  document.addEventListener('click', event => {
    if (!event.target.closest('[role=tab]')) return;
    const look = () => {
      if (!document.querySelector('.tp-blk:last-child')?.getClientRects().length) return requestAnimationFrame(look);
      whenPainted(() => { openingMs = performance.now() - event.timeStamp; });
    };
    requestAnimationFrame(look);
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

  function note(panel, sequence) {
    // What was drawn over meanwhile is not looked at: the draw after it notes itself.
    if (panel.dataset.seq !== sequence) return;
    const at = performance.now(), tokens = JSON.parse(panel.dataset.ids).length;
    repaints.push([at, drawnDraft(panel), tokens, +panel.dataset.ms]);
    if (readyAt !== null && tokens) firstDrawMs ??= at - readyAt;
  }
  new MutationObserver(records => {
    const panel = records.at(-1).target, sequence = panel.dataset.seq;
    whenPainted(() => note(panel, sequence));
  }).observe(document, { subtree: true, attributeFilter: ['data-seq'] });
  new MutationObserver(() => { readyAt ??= performance.now(); }).observe(document, { subtree: true, attributeFilter: ['data-loaded'] });

  // Only calls outside the queue, which are those of the panel.
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) if (entry.name.includes('/run/')) requests.push(entry.duration);
  }).observe({ type: 'resource' });
})();
