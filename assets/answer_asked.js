// --- any string in the place of the token that is shown: how likely is it there? --------------------------
let stringAsk = 0, askedAt = '';

function followAsked() {
  $('an-asked').hidden = !shown?.rows.length || shown.isPrompt || !!shown.foreign || isWriting;
  if (!shown?.rows.length) return;
  const at = shown.number + ':' + tokenOpened();
  if (at === askedAt) return;
  // What was asked belongs to another place.
  askedAt = at;
  stringAsk++;
  $('an-asked-list').replaceChildren();
}

function askString(event) {
  event.preventDefault();
  const input = $('an-asked-form').elements.text, text = input.value;
  if (!text) return;
  const token = tokenOpened();
  trigger('ask_string', { ask: ++stringAsk, text, ids: [...shown.prompt.i, ...cells.ids.slice(0, token)] });
  $('an-asked-said').textContent = say('an_asking');
}

function drawAsked({ text, pieces, logprobs, ranks, token_ids, entropies, error }) {
  $('an-asked-said').textContent = error?.[lang ? 'zh' : 'en'] ?? '';
  if (error) return;
  const row = make('li'), name = make('code'), tokens = make('span', 'an-asked-tokens');
  write(name, text, false);
  pieces.forEach((piece, index) => {
    const token = make('span'), said = make('code');
    write(said, spell(piece), false);
    token.append(said, ' ', say('an_asked_token', { p: percent(Math.exp(logprobs[index])), rank: ranks[index] }));
    tokens.append(token);
  });
  const sum = logprobs.reduce((all, each) => all + each, 0);
  row.append(name, make('b', '', percent(Math.exp(sum))), make('small', '', say('an_asked_log', { n: sum.toFixed(2) })), ...goOn(token_ids, logprobs, ranks, entropies, pieces), tokens);
  $('an-asked-list').prepend(row);
  while ($('an-asked-list').children.length > 6) $('an-asked-list').lastChild.remove();
}

{
  const form = $('an-asked-form'), input = make('input'), button = make('button', '', say('an_ask'));
  Object.assign(input, { name: 'text', type: 'text', maxLength: 2000, autocomplete: 'off', spellcheck: false, placeholder: say('an_ask_hint') });
  input.setAttribute('aria-label', say('an_ask_label'));
  form.append(make('span', '', say('an_ask_label')), input, button);
  form.addEventListener('submit', askString);
}
watch('value', () => {
  const news = JSON.parse(props.value || '{}');
  if (news.is === 'asked' && news.ask === stringAsk && shown) drawAsked(news);
});
