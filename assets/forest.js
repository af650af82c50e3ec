// Keeps the branches of conversations: a tree of chats as they stood, each node with the turn at which
// it leaves its parent, and publishes 'branches': {nodes, current}. In the page, for this tab alone.
(() => {
  const { publish, subscribe, recordId } = window.yuanDemo;
  const KEY = 'yuan-demo-branches', MOST_NODES = 40, MOST_CHARACTERS = 600_000, LONGEST_NAME = 80;
  const SETTLE_MS = 400;  // the panel may be told of an answer before the chat is
  // A node: {id, parent, name: null until somebody gave it one, label: {n, is, was}, turn, at: number of the token,
  // ids: what was put there, chat: [{role, text, kind, title}], records: {turn: id}}
  let nodes = [], current = null, chat = [], isWriting = false;
  let open = null, wanted = null;  // ids: the node whose answer may still grow; the one that is to be put up
  let stale = null, isComing = false;  // the chat that a branch is yet to change; whether its answer is yet to begin

  // --- a chat as Gradio shows it ------------------------------------------------------------------
  const textOf = content => typeof content === 'string' ? content : (content ?? []).map(part => part?.text ?? '').join('');
  const plain = messages => (messages ?? []).map(({ role, content, metadata }) =>
    ({ role, text: textOf(content), ...(metadata?.id ? { kind: metadata.id, title: metadata.title } : {}) }));
  const restored = messages => messages.map(({ role, text, kind, title }) =>
    ({ role, content: text, ...(kind ? { metadata: { id: kind, title } } : {}) }));

  // Places of the questions that count as turns: one that a notice answers was never sent (ui/history.py).
  function questions(messages) {
    const places = [];
    let last = null;
    messages.forEach((message, place) => {
      if (message.role === 'user') { places.push(place); last = 'user'; }
      else if (message.kind === 'notice' || message.kind === 'line') { if (last === 'user') { places.pop(); last = null; } }
      else if (message.kind !== 'event') last = 'assistant';
    });
    return places;
  }
  // [messages before the answer of a turn, what was answered there]
  function around(messages, turn) {
    const places = questions(messages), place = places[turn - 1];
    if (place === undefined) return [messages, ''];
    const end = places[turn] ?? messages.length, said = messages.slice(place + 1, end);
    return [messages.slice(0, place + 1), said.filter(each => !each.kind).map(each => each.text).join('\n\n')];
  }
  const isSame = (one, other) => one.length === other.length && one.every((each, i) => each.role === other[i].role && each.text === other[i].text);

  // Whether the chat is a node's, perhaps gone on: its answer may have grown, and turns may follow.
  function belongs(node) {
    const [before, said] = around(chat, node.turn), [ownBefore, ownSaid] = around(node.chat, node.turn);
    return questions(chat).length >= node.turn && isSame(before, ownBefore) && (open === node.id ? said.startsWith(ownSaid) : said === ownSaid);
  }

  // --- keeping ------------------------------------------------------------------------------------
  const nodeOf = id => nodes.find(node => node.id === id) ?? null;
  function save() {
    // The oldest leaf goes first; what branched from it stays reachable.
    const size = () => nodes.reduce((sum, node) => sum + JSON.stringify(node.chat).length, 0);
    while (nodes.length > MOST_NODES || (nodes.length > 2 && size() > MOST_CHARACTERS)) {
      const oldest = nodes.find(node => node.id !== current && !nodes.some(each => each.parent === node.id)) ?? nodes[0];
      forget(oldest.id);
    }
    try { sessionStorage.setItem(KEY, JSON.stringify({ nodes, current })); } catch { /* full or blocked */ }
  }
  function tell() { publish('branches', { nodes, current }); }
  function forget(id) {
    const { parent } = nodeOf(id);
    nodes = nodes.filter(node => node.id !== id);
    for (const node of nodes) if (node.parent === id) node.parent = parent;
    if (current === id) current = null;
  }

  function follow(messages) {
    chat = plain(messages);
    keepUp();
  }
  function keepUp() {
    // What stood there before a branch is none of its own, and a place in line is no answer.
    if (stale && isSame(chat, stale)) return;
    stale = null;
    if (chat.some(each => each.kind === 'line') || !nodes.length) return;
    const before = current, chosen = nodeOf(wanted), own = chosen && belongs(chosen) ? chosen : nodeOf(current);
    if (own === chosen && own) { current = own.id; wanted = null; }
    // Found again, as after a reload: not one that went on further, which is another conversation.
    const length = messages => questions(messages).length, isWhole = node => length(chat) >= length(node.chat);
    if (!own || !belongs(own)) current = nodes.filter(node => belongs(node) && isWhole(node)).sort((one, other) => length(one.chat) - length(other.chat)).pop()?.id ?? null;
    const node = nodeOf(current);
    if (node && isWhole(node)) node.chat = chat;
    if (!isWriting) save();
    if (before !== current) tell();
  }

  // --- what the Answer tab does ---------------------------------------------------------------------
  const next = () => 1 + nodes.reduce((most, node) => Math.max(most, node.id), 0);
  const shortened = ({ n, is, was }) => ({ n, is: is.slice(0, LONGEST_NAME / 2), was: was.slice(0, LONGEST_NAME / 2) });
  // Begins a branch of what the chat shows; returns its node.
  function grow({ label, turn, at, ids }) {
    if (current === null) {
      nodes.push({ id: next(), parent: null, name: null, turn, at: null, chat, records: {} });
      current = nodes[nodes.length - 1].id;
      note();
    }
    const node = { id: next(), parent: current, name: null, label: shortened(label), turn, at, ids, chat: around(chat, turn)[0], records: {} };
    nodes.push(node);
    current = open = node.id;
    stale = chat;
    isComing = true;
    save(); tell();
    return node;
  }
  // All of it has come; where it is the very answer that stood there, the chat has not changed.
  function ripen() {
    setTimeout(() => { if (!isWriting) { stale = null; isComing = false; keepUp(); } }, SETTLE_MS);
  }
  // It was refused: as if it had not been asked for.
  function wither(id) {
    const node = nodeOf(id);
    stale = null;
    isComing = false;
    if (open === id) open = null;
    if (!node) return;
    const root = nodeOf(node.parent), isOnly = root && root.parent === null && nodes.filter(each => each.parent === root.id).length === 1;
    forget(id);
    current = root?.id ?? null;
    if (isOnly && root.at === null && nodes.length === 1) forget(root.id);
    save(); tell();
  }
  // One that nothing branched from and that does not stand there; an answer left alone is no tree.
  function drop(id) {
    if (id === current || nodes.some(node => node.parent === id)) return;
    forget(id);
    if (nodes.length === 1 && nodes[0].at === null) forget(nodes[0].id);
    save(); tell();
  }
  // It is about to be put up.
  function choose(id) {
    wanted = id;
    if (!isSame(nodeOf(id).chat, chat)) return;
    current = id;
    save(); tell();
  }
  function rename(id, name) {
    const node = nodeOf(id);
    if (node && name.trim()) node.name = name.trim().slice(0, LONGEST_NAME);
    save(); tell();
  }
  function clear() { nodes = []; current = open = wanted = stale = null; save(); tell(); }

  // Which records belong to the node that stands there.
  let answers = [];
  function note() {
    const node = nodeOf(current);
    if (node && belongs(node)) node.records = Object.fromEntries(answers.map(record => [record.turn, recordId(record)]));
  }
  subscribe('answers', news => {
    const hasEnded = isWriting && !news.isWriting, hasBegun = !isWriting && news.isWriting;
    ({ answers, isWriting } = news);
    // Another answer than the branch: that one has all that it will have.
    if (hasBegun && !isComing) open = null;
    if (hasBegun) isComing = false;
    if (!isWriting && (stale || isComing)) ripen();
    if (isWriting) return;
    note();
    if (nodes.length) save();
    if (hasEnded) tell();
  });

  try { ({ nodes, current } = JSON.parse(sessionStorage.getItem(KEY)) ?? { nodes, current }); } catch { nodes = []; }
  // After a reload the chat may show a little more than was kept of an answer that was being written.
  open = current;
  subscribe('chat', follow);
  tell();
  window.yuanDemo.forest = { grow, ripen, wither, choose, rename, drop, clear, nodeOf, chatOf: node => restored(node.chat), records: () => nodeOf(current)?.records ?? {} };
})();
