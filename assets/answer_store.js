// Keeps what is known of the tokens of every answer, as the views bring it (yuan_demo/ui/answer_view.py),
// and publishes 'answers': those that belong to the conversation as it stands, oldest first. In the page
// and not on the server: it costs nobody else memory, and outlives a restart of the server.
(() => {
  const { publish, subscribe } = window.yuanDemo;
  const KEY = 'yuan-demo-answers', MOST_KEPT = 64, MOST_CHARACTERS = 2_000_000;
  const OPENED_KEY = 'yuan-demo-opened', MOST_OPENED = 4;
  let kept = [], live = null;  // records, the last used at the end; the one that is being written
  let opened = [], latest = { answers: [], isWriting: false, isStarted: false };  // from files (trace.js); what was published

  // All that was said before a turn: with another past the same words have other probabilities.
  const pastOf = (marks, turn) => Object.keys(marks ?? {}).filter(each => each < turn).map(each => marks[each][1]).join();
  const isOf = (record, marks, past) => marks && marks[0] === record.mark[0] && (record.past ?? past) === past
    // What was stopped may stand in the chat with a token less than was generated.
    && (marks[1] === record.mark[1] || record.finish === 'cancelled');

  // What an answer begins with that is a branch of another one: only the page knows the scores of it.
  const MOST_BEGUN = 8;
  let begun = [];  // {key, rows, pieces, forcedFrom: the first token that is not the other answer's}, the newest last
  const keyOf = (prompt, ids) => prompt.join() + '|' + ids.join();
  function beginAnswer(prompt, ids, rows, pieces, forcedFrom) {
    begun = [...begun.slice(1 - MOST_BEGUN), { key: keyOf(prompt, ids), rows, pieces, forcedFrom }];
  }
  function beginning(view, count) {
    const key = count && keyOf(view.cells.i, view.answer.i.slice(0, count));
    const found = count ? begun.findLast(each => each.key === key) : null;
    return { rows: [...found?.rows ?? []], pieces: { ...found?.pieces }, forcedFrom: found?.forcedFrom };
  }

  function take(view) {
    const { from, rows, pieces, ...facts } = view.scores;
    if (!live || from === facts.begun || live.turn !== facts.turn) live = { ...beginning(view, facts.begun), number: Date.now() };
    while (live.rows.length < from) live.rows.push(null);  // a part was lost; the last view has all
    live.rows.splice(from, rows.length, ...rows);
    Object.assign(live.pieces, pieces);
    Object.assign(live, facts, { past: pastOf(view.marks, facts.turn), finish: view.finish, seed: view.seed, cells: view.answer, prompt: view.cells,
      question: view.turns[view.turns.length - 1]?.q ?? '',
      work: view.work, speed: view.speed, model: window.yuanDemo.model.mark });
  }

  // By what it says and to what; by its ids, as other tokens may spell the same words.
  const idOf = record => [record.turn, record.mark, record.past ?? '', record.cells.i.reduce((sum, id) => (sum * 31 + id) | 0, 7)].join(';');
  const keptRecord = id => kept.find(each => idOf(each) === id);

  function keep(record) {
    const again = kept.find(each => idOf(each) === idOf(record));
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
    // Of several of the same words: the one of the branch that is shown, or else the newest.
    const own = new Set(Object.values(window.yuanDemo.forest?.records() ?? {}));
    for (const record of kept) {
      const isBetter = !own.has(turns.has(record.turn) && idOf(turns.get(record.turn)));
      if (isBetter && isOf(record, view.marks?.[record.turn], pastOf(view.marks, record.turn))) turns.set(record.turn, record);
    }
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
  Object.assign(window.yuanDemo, { beginAnswer, keptRecord, recordId: idOf });
})();
