// Greys the messages in the chat that the model does not get, or would not get if one sent now.
(() => {
  const { say, subscribe } = window.yuanDemo;
  const bubbles = () => document.querySelectorAll('#conversation [data-testid=user], #conversation [data-testid=bot]');
  let leftOut = new Set(), waiting = false;

  function grey() {
    waiting = false;
    bubbles().forEach((bubble, place) => {
      const isGone = leftOut.has(place);
      if (bubble.classList.contains('left-out') === isGone) return;
      bubble.classList.toggle('left-out', isGone);
      if (isGone) bubble.dataset.note = say('left_out'); else delete bubble.dataset.note;
    });
  }
  function soon() {
    if (!waiting) { waiting = true; requestAnimationFrame(grey); }
  }
  subscribe('view', view => { leftOut = new Set(view.left_out || []); soon(); });

  // Gradio draws its messages anew when it likes.
  window.yuanDemo.tendChat = () =>
    new MutationObserver(soon).observe(document.querySelector('#conversation'), { childList: true, subtree: true });
})();
