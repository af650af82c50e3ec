// How busy the server is, asked of /healthz while the page is in sight: past Gradio's queue, where the
// question would stand in line itself.
(() => {
  const { publish, subscribe } = window.yuanDemo;
  const SECONDS = 4, SOON = 0.3;
  let timer = 0, mode = null;

  async function ask() {
    plan(SECONDS);
    if (document.hidden) return;
    try {
      // 503 is an answer too: it says what failed.
      publish('health', await (await fetch('healthz', { cache: 'no-store' })).json());
    } catch { publish('health', { status: 'away' }); }
  }
  function plan(seconds) {
    clearTimeout(timer);
    timer = setTimeout(ask, seconds * 1000);
  }

  // An answer that begins or ends changes it at once.
  subscribe('view', view => {
    const now = view.mode + (view.place || '');
    if (now !== mode) plan(SOON);
    mode = now;
  });
  document.addEventListener('visibilitychange', () => plan(SOON));
})();
