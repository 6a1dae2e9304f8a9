// Within the studio's page the tab has no title of its own, and its frame grows with the content.
const frame = window.frameElement;
if (frame) {
  const main = element.closest('main'), root = element.closest('.gradio-container');
  root.classList.add('fer-framed');
  element.style.display = 'none';
  new ResizeObserver(() => {
    const end = document.querySelector('.fer-foot').getBoundingClientRect().bottom;
    const height = Math.ceil(end + window.scrollY + 64) + 'px';
    frame.style.height = frame.parentElement.style.height = height;
  }).observe(main);
}
