// Two answers of one question side by side: where they part, how the mass moved there, and how each goes
// on. `drawPair(node, a, b)` with {name, record, note, turn}; a record as assets/answer_store.js keeps it. For the
// Answer tab's branches and for two settings against each other.
(() => {
  const { count, percent, spell, say, make, write, CellList } = window.yuanDemo;
  const LOGPROB = 0, RANK = 1, ENTROPY = 2, EOD = 3, CANDIDATES = 4, SIDES = ['A', 'B'], MOST_ROWS = 10, LEAST_ROWS = 3;

  function firstApart(one, other) {
    const length = Math.min(one.length, other.length);
    for (let token = 0; token < length; token++) if (one[token] !== other[token]) return token;
    return one.length === other.length ? -1 : length;
  }

  const isOnePrompt = (one, other) => one.prompt && other.prompt && firstApart(one.prompt.i, other.prompt.i) < 0;
  const badge = side => {
    const node = make('span', 'pr-badge ' + SIDES[side].toLowerCase(), SIDES[side]);
    node.setAttribute('aria-hidden', 'true');
    return node;
  };

  // --- the tokens ---------------------------------------------------------------------------------
  function drawTokens(cells, apart, side) {
    const node = make('div', 'pr-tokens');
    for (let index = 0; index < cells.length; index++) {
      const cell = cells.at(index), isFirst = apart >= cell.start && apart < cell.end;
      const box = make('span', 'pr-k' + (apart < 0 || cell.end <= apart ? ' same' : '') + (isFirst ? ' apart' : ''));
      write(box, cell.flags & 1 ? '▁' : cell.text || cell.pieces[0], cell.ids.length > 1);
      if (isFirst) { box.setAttribute('role', 'mark'); box.title = say('pr_apart_title', { side: SIDES[side], n: '' + (apart + 1) }); }
      // Dots stand for spaces: a line may break before them.
      if (/^\s/.test(cell.text)) node.append(make('wbr'));
      node.append(box);
    }
    if (apart >= cells.ids.length) { const end = make('span', 'pr-k apart', '∅'); end.title = say('pr_ends'); node.append(end); }
    node.tabIndex = 0;
    node.setAttribute('role', 'region');
    return node;
  }

  // --- facts --------------------------------------------------------------------------------------
  const mean = rows => {
    const known = rows.filter(Boolean);
    return known.length ? percent(Math.exp(known.reduce((sum, row) => sum + row[LOGPROB], 0) / known.length)) : '–';
  };
  const eod = row => row && row[EOD] !== null ? percent(Math.exp(row[EOD])) : '–';
  function finishOf(record) {
    const key = 'finish_' + record.finish;
    return !record.finish ? say('pr_writing') : key in window.yuanDemo.words ? say(key) : record.finish;
  }

  function drawFacts(records, apart) {
    const table = make('table', 'pr-facts'), head = make('tr');
    head.append(make('td'), ...SIDES.map((_, side) => { const cell = make('th'); cell.scope = 'col'; cell.append(badge(side)); return cell; }));
    const row = (key, value) => {
      const line = make('tr'), name = make('th', '', say(key));
      name.scope = 'row';
      line.append(name, ...records.map(record => make('td', '', value(record))));
      return line;
    };
    const rows = [row('pr_tokens', each => count.format(each.rows.length)), row('pr_mean', each => mean(each.rows))];
    if (apart > 0) rows.push(row('pr_mean_after', each => mean(each.rows.slice(apart))));
    if (apart >= 0) rows.push(row('pr_eod', each => eod(each.rows[apart])));
    rows.push(row('pr_eod_last', each => eod(each.rows[each.rows.length - 1])),
      row('pr_end', finishOf));
    if (records.some(each => each.seed != null)) rows.push(row('pr_seed', each => each.seed == null ? '–' : '' + each.seed));
    table.append(head, ...rows);
    return table;
  }

  // --- how the mass moved where they part ------------------------------------------------------------
  // Candidates of both, the likeliest anywhere first: [id, piece, {a: [before, after], b: ...}].
  function candidates(records, at, ids) {
    const found = new Map();
    records.forEach((record, side) => {
      const row = record.rows[at];
      for (const [id, logprob, after] of row?.[CANDIDATES] ?? []) {
        if (!found.has(id)) found.set(id, [id, record.pieces[id] ?? '' + id, []]);
        found.get(id)[2][side] = [Math.exp(logprob), after];
      }
      // Chosen, and none of the ten.
      const own = ids[side][at];
      if (row && own !== undefined && !found.get(own)?.[2][side]) {
        if (!found.has(own)) found.set(own, [own, record.pieces[own] ?? record.cells.p[at] ?? '' + own, []]);
        found.get(own)[2][side] = [Math.exp(row[LOGPROB]), null];
      }
    });
    const most = each => Math.max(...each[2].filter(Boolean).map(([before]) => before));
    const sorted = [...found.values()].sort((one, other) => most(other) - most(one)), chosen = ids.map(each => each[at]);
    return sorted.filter((each, index) => chosen.includes(each[0]) || (index < MOST_ROWS && (index < LEAST_ROWS || most(each) >= 0.0005)));
  }

  function bar(values, other) {
    const cell = make('td');
    // Not among the ten of this side: at most as likely as the last of them.
    if (!values) { cell.append(make('span', 'pr-number', '–')); cell.title = say('pr_not_named'); return cell; }
    const track = make('span', 'pr-track'), fill = make('i'), [before, after] = values;
    fill.style.width = 100 * before + '%';
    track.append(fill);
    cell.append(track, make('span', 'pr-number', percent(before)));
    if (after !== null && Math.abs(after - before) > 0.0005) cell.append(make('small', '', '→ ' + (after ? percent(after) : say('an_cut'))));
    return cell;
  }

  function drawMoved(records, apart, ids) {
    const node = make('div', 'pr-moved'), rows = records.map(each => each.rows[apart]);
    const isOne = isOnePrompt(...records), chosen = ids.map(each => each[apart]);
    node.append(make('h4', '', say('pr_moved', { n: '' + (apart + 1) })));
    const said = (side, p, rank) => say('pr_chose', { side: SIDES[side], p: percent(p), rank: count.format(rank) });
    const lines = rows.map((row, side) => row && chosen[side] !== undefined ? said(side, Math.exp(row[LOGPROB]), row[RANK]) : say('pr_ended', { side: SIDES[side] }));
    node.append(make('p', 'pr-said', say(isOne ? 'pr_same_place' : 'pr_other_place') + ' ' + lines.join(' ')));
    const table = make('table', 'pr-table'), head = make('tr');
    head.append(make('th', '', say('an_candidate')), ...SIDES.map((_, side) => { const cell = make('th'); cell.append(badge(side)); return cell; }));
    for (const cell of head.children) cell.scope = 'col';
    table.append(head);
    for (const [id, piece, values] of candidates(records, apart, ids)) {
      const line = make('tr'), name = make('th'), text = make('span');
      name.scope = 'row';
      write(text, spell(piece), false);
      name.append(text);
      chosen.forEach((each, side) => {
        if (each !== id) return;
        const mark = badge(side);
        mark.removeAttribute('aria-hidden');
        mark.setAttribute('role', 'img');
        mark.setAttribute('aria-label', mark.title = say('pr_chosen_by', { side: SIDES[side] }));
        name.append(mark);
      });
      line.append(name, bar(values[0]), bar(values[1]));
      table.append(line);
    }
    node.append(table, make('p', 'pr-note', say('pr_arrow')));
    return node;
  }

  // --- the whole ----------------------------------------------------------------------------------
  function drawPair(node, ...sides) {
    const records = sides.map(each => each.record), lists = records.map(each => new CellList(each.cells));
    const ids = lists.map(each => each.ids), apart = firstApart(...ids);
    const isWriting = records.some(each => !each.finish);
    // While both are written, one that is only behind has not parted from the other.
    const isBehind = isWriting && apart >= Math.min(...ids.map(each => each.length));
    const columns = make('div', 'pr-columns'), at = isBehind ? -1 : apart;
    sides.forEach(({ name, note }, side) => {
      const column = make('section', 'pr-side'), title = make('h4', 'pr-name');
      title.append(badge(side), make('span', '', name));
      const tokens = drawTokens(lists[side], at < 0 ? (isBehind ? apart : -1) : at, side);
      tokens.setAttribute('aria-label', SIDES[side] + ': ' + name);
      column.append(title, ...(note ? [make('p', 'pr-note', note)] : []), tokens);
      columns.append(column);
    });
    const turn = sides[0].turn, n = '' + (at + 1), said = at >= 0 ? 'parted' : isWriting ? 'not_yet' : 'equal';
    const verdict = make('p', 'pr-verdict', !turn ? say('pr_' + said, { n }) : at > 0 ? say('pr_dimmed') : '');
    const heading = turn ? [make('h3', '', say('pr_turn', { turn: '' + turn, verdict: say('pr_turn_' + said, { n }) }))] : [];
    const old = [...node.querySelectorAll('.pr-tokens')].map(each => each.scrollTop);
    node.replaceChildren(...heading, verdict, columns, drawFacts(records, at));
    if (at >= 0) node.append(drawMoved(records, at, ids));
    node.querySelectorAll('.pr-tokens').forEach((each, side) => { if (old[side]) each.scrollTop = old[side]; });
    node.classList.add('pr');
  }
  Object.assign(window.yuanDemo, { drawPair });
})();
