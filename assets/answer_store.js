// Keeps what is known of the tokens of every answer, as the views bring it (yuan_demo/ui/answer_view.py),
// and publishes 'answers': those that belong to the conversation as it stands, oldest first. In the page
// and not on the server: it costs nobody else memory, and outlives a restart of the server.
(() => {
  const { publish, subscribe } = window.yuanDemo;
  const KEY = 'yuan-demo-answers', MOST_KEPT = 64, MOST_CHARACTERS = 2_000_000;
  const OPENED_KEY = 'yuan-demo-opened', MOST_OPENED = 4;
  let kept = [], live = null;  // records, the last used at the end; the one that is being written
  let opened = [], latest = { answers: [], isWriting: false, isStarted: false };  // from files (trace.js); what was published

  const isOf = (record, marks) => marks && marks[0] === record.mark[0]
    // What was stopped may stand in the chat with a token less than was generated.
    && (marks[1] === record.mark[1] || record.finish === 'cancelled');

  function take(view) {
    const { from, rows, pieces, ...facts } = view.scores;
    if (!live || from === 0 || live.turn !== facts.turn) live = { rows: [], pieces: {}, number: Date.now() };
    while (live.rows.length < from) live.rows.push(null);  // a part was lost; the last view has all
    live.rows.splice(from, rows.length, ...rows);
    Object.assign(live.pieces, pieces);
    Object.assign(live, facts, { finish: view.finish, seed: view.seed, cells: view.answer, prompt: view.cells,
      question: view.turns[view.turns.length - 1]?.q ?? '',
      work: view.work, speed: view.speed, model: window.yuanDemo.model.mark });
  }

  function keep(record) {
    const again = kept.find(each => each.mark.join() === record.mark.join() && each.turn === record.turn);
    if (again) record.number = again.number;
    kept = kept.filter(each => each !== again);
    kept.push(record);
    let size = 0;
    const packed = kept.map(each => JSON.stringify(each)).reverse()
      .filter((text, index) => index < MOST_KEPT && (size += text.length) <= MOST_CHARACTERS);
    kept = kept.slice(-packed.length);
    // For the tab alone: a reload, as when the language is switched.
    try { sessionStorage.setItem(KEY, `[${packed.reverse().join()}]`); } catch { /* full or blocked */ }
  }

  function onView(view) {
    const isWriting = view.mode === 'answering';
    if (view.scores) take(view); else if (!isWriting) live = null;
    if (live && !isWriting) keep(live);
    const turns = new Map();
    for (const record of kept) if (isOf(record, view.marks?.[record.turn])) turns.set(record.turn, record);
    if (live) turns.set(live.turn, live);
    const answers = [...turns.keys()].sort((one, other) => one - other).map(turn => turns.get(turn));
    tell({ answers, isWriting, isStarted: view.turns?.length > 0 });
  }

  // Those from files first: the newest answer is the last.
  function tell(news, wanted) {
    latest = news;
    publish('answers', { ...news, answers: [...opened, ...news.answers], wanted });
  }

  function onOpened(record) {
    if (record.close) opened = opened.filter(each => each.number !== record.close);
    else opened = [...opened, { ...record, number: record.number ?? Date.now() }].slice(-MOST_OPENED);
    try { sessionStorage.setItem(OPENED_KEY, JSON.stringify(opened)); } catch { sessionStorage.removeItem(OPENED_KEY); }
    tell(latest, record.close ? undefined : opened[opened.length - 1].number);
  }

  try { kept = JSON.parse(sessionStorage.getItem(KEY)) ?? []; } catch { kept = []; }
  try { opened = JSON.parse(sessionStorage.getItem(OPENED_KEY)) ?? []; } catch { opened = []; }
  // The server may have been started with another model since.
  for (const record of opened) record.foreign ||= record.model !== window.yuanDemo.model.mark;
  subscribe('view', onView);
  subscribe('opened', onOpened);
})();
