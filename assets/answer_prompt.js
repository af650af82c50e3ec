// --- the prompt's own probabilities: read by the model when it is asked to, beside the answers -----------
let asked = null, askedOften = 0, rateError = '';  // asked: {record, ask} that is being read

function drawRate() {
  const [button, status] = $('an-rate').children;
  $('an-rate').hidden = !shown?.prompt || !!shown.rated || !!shown.foreign || isWriting;
  button.textContent = say(asked ? 'an_stop_rating' : 'an_rate');
  button.title = asked ? '' : say('an_rate_title');
  const text = asked ? say('an_rating') : rateError;
  if (status.textContent !== text) status.textContent = text;
}

$('an-rate').firstChild.addEventListener('click', () => {
  rateError = '';
  if (asked) {
    asked = null;
    trigger('stop_asking', {});
  } else {
    asked = { record: shown, ask: ++askedOften };
    trigger('rate', { ask: askedOften, ids: shown.prompt.i });
  }
  drawRate();
});

watch('value', () => {
  const { is, ask, rows, error } = JSON.parse(props.value || '{}');
  if (is !== 'prompt' || !asked || asked.ask !== ask) return;
  const { record } = asked;
  asked = null;
  rateError = error?.[lang ? 'zh' : 'en'] ?? '';
  if (rows) {
    record.rated = { isPrompt: true, number: record.number + 0.5, turn: record.turn, rows, pieces: {}, cells: record.prompt };
    wanted = record.rated.number;
    picked = pointed = null;
    isResting = true;
  }
  draw();
  // What was asked for is looked at from its beginning.
  if (rows) list.scrollTop = 0;
});
