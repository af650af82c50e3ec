// The head of the page: its words, the language switch, and the link that restores the page.
const { say, copy, make, makeButton, makeLink, LINK_LIMIT } = window.yuanDemo;
const zh = document.documentElement.lang.startsWith('zh');
element.querySelector('h1 span').textContent = zh ? '显微镜' : 'under the microscope';
element.querySelector('p').textContent = zh
  ? '和源2.0对话，实时看到模型读到的每一个词元。'
  : 'Chat with Yuan2 and see, live, every token the model reads.';
element.querySelectorAll('.hd-lang button').forEach(button => {
  button.setAttribute('aria-pressed', (button.dataset.language === 'zh') === zh);
  button.addEventListener('click', () => window.yuanDemo.setLanguage(button.dataset.language));
});

const share = element.querySelector('.hd-share'), dialog = element.querySelector('dialog');
share.textContent = say('copy_link');
share.addEventListener('click', () => trigger('link', {}));

function showLink(link) {
  const address = make('input'), isTooLong = link.length > LINK_LIMIT;
  address.value = link; address.readOnly = true;
  address.setAttribute('aria-label', say('copy_link'));
  const parts = [make('h2', '', say(isTooLong ? 'link_too_long' : 'link_copied'))];
  if (isTooLong) parts.push(make('p', '', say('link_limit', { n: link.length, limit: LINK_LIMIT })));
  else {
    parts.push(make('p', '', say('link_private')), address);
    copy(link);
  }
  parts.push(makeButton('hd-close', say('close'), () => dialog.close()));
  dialog.replaceChildren(...parts);
  dialog.showModal();
  address.select?.();
}
watch('value', async () => {
  if (props.value) showLink(await makeLink(JSON.parse(props.value).scene));
});
