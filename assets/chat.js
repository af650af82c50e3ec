// Greys the messages in the chat that the model does not get, or would not get if one sent now.
(() => {
  const { say, subscribe } = window.yuanDemo;
  const bubbles = () => document.querySelectorAll('#conversation [data-testid=user], #conversation [data-testid=bot]');
  let leftOut = new Set(), cut = null, waiting = false;

  function grey() {
    waiting = false;
    bubbles().forEach((bubble, place) => {
      const isGone = leftOut.has(place);
      const note = isGone ? say(place === cut ? 'end_only' : 'left_out') : undefined;
      if (bubble.dataset.note === note) return;
      bubble.classList.toggle('left-out', isGone);
      if (isGone) bubble.dataset.note = note; else delete bubble.dataset.note;
    });
  }
  function soon() {
    if (!waiting) { waiting = true; requestAnimationFrame(grey); }
  }
  subscribe('view', view => { leftOut = new Set(view.left_out || []); cut = view.cut; soon(); });

  // Gradio draws its messages anew when it likes.
  window.yuanDemo.tendChat = () =>
    new MutationObserver(soon).observe(document.querySelector('#conversation'), { childList: true, subtree: true });
})();
