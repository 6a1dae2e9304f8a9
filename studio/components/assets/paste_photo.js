// A photo pasted by its key, in the tab or in the page around it: Gradio's own button needs https.
const take = (event) => {
  const picture = [...event.clipboardData.files].find((file) => file.type.startsWith('image/'));
  const place = document.querySelector('.fer-left');
  const field = place && place.offsetParent && place.querySelector('input[type=file]');
  if (!picture || !field) return;
  const carried = new DataTransfer();
  carried.items.add(picture);
  field.files = carried.files;
  field.dispatchEvent(new Event('change', { bubbles: true }));
};
const pages = window.frameElement ? [document, window.parent.document] : [document];
pages.forEach((page) => page.addEventListener('paste', take));
window.addEventListener('pagehide', () => {
  pages.forEach((page) => page.removeEventListener('paste', take));
});
