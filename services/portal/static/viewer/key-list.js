// The keys of the viewport as the list of keys shows them.

/** Keys and what they do, for the list of keys. `t` gives texts. @returns {[keys: string[], meaning: string][]} */
export function keyList(t) {
  const shift = t('keys.shift');
  return [
    [['↑', '↓'], t('viewer.key.image')],
    [[t('keys.home'), t('keys.end')], t('viewer.key.ends')],
    [[t('keys.pageUp'), t('keys.pageDown')], t('viewer.key.series')],
    [[shift, '↑ ↓ ← →'], t('viewer.key.pan')],
    [['+', '-', '='], t('viewer.key.zoom')],
    [['Ctrl', '↑ ↓ ← →'], t('viewer.key.window')],
    [['1', '…', '5'], t('viewer.key.presets')],
    [['0'], t('viewer.window.header')],
    [['w', 'z', 'p', 'v'], t('viewer.key.tools')],
    [['d', 'a', 'e', 't'], t('viewer.key.measures')],
    [['↑ ↓ ← →', t('keys.enter')], t('viewer.key.point')],
    [['Tab'], t('viewer.key.next')],
    [[t('keys.backspace')], t('viewer.key.remove')],
    [['Ctrl', 'Z'], t('viewer.key.undo')],
    [['i', 'r', 'l', 'h', 'b'], t('viewer.key.turn')],
    [['c'], t('viewer.cine.play')],
    [['o'], t('viewer.overlay')],
    [['f'], t('viewer.fullscreen')],
    [[t('keys.space')], t('viewer.reset')],
    [['Esc'], t('viewer.key.cancel')],
  ];
}
