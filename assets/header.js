// The head of the page: its words and the language switch.
const zh = document.documentElement.lang.startsWith('zh');
element.querySelector('h1 span').textContent = zh ? '显微镜' : 'under the microscope';
element.querySelector('p').textContent = zh
  ? '和源2.0对话，实时看到模型读到的每一个词元。'
  : 'Chat with Yuan2 and see, live, every token the model reads.';
element.querySelectorAll('button').forEach(button => {
  button.setAttribute('aria-pressed', (button.dataset.language === 'zh') === zh);
  button.addEventListener('click', () => window.yuanDemo.setLanguage(button.dataset.language));
});
