// What changed, for screen readers: one polite live region for the whole page.

const region = document.getElementById('announcements');
let waiting = [];
let timer = 0;

/** Say `text` soon; what arrives within a moment is said together. */
export function announce(text) {
  waiting.push(text);
  clearTimeout(timer);
  timer = setTimeout(() => {
    region.textContent = waiting.join(' ');
    waiting = [];
  }, 250);
}
