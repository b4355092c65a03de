// What is no image and need not be sent: told by names, and for the index of a disc by its first bytes. Nothing here
// touches the page.

/** @typedef {'' | 'litter' | 'index' | 'autorun' | 'program' | 'archive'} Reason `''`: it is to be sent */

export const HEAD = 2048; // bytes in which a file says that it is the index of a disc

const LITTER_FOLDER = /^(__MACOSX|\$RECYCLE\.BIN|System Volume Information|lost\+found|\..+)$/i;
const LITTER = /^(\..*|thumbs\.db|ehthumbs(_vista)?\.db|desktop\.ini|icon\r|.*\.(ds_store|tmp|crdownload|part))$/i;
const PROGRAM = /\.(exe|dll|com|bat|cmd|msi|ocx|sys|cab|jar|so|dylib|lnk|ico|icns|scr|chm|hlp)$/i;
const PROGRAM_FOLDER = /\.app$/i;
const ARCHIVE = /\.(zip|tar|tgz|tbz2?|txz|gz|bz2|xz|7z|rar|iso)$/i;
const DICOMDIR_CLASS = /\x02\0\x02\0UI[^]{2}1\.2\.840\.10008\.1\.3\.10(?![.\d])/;

/** Why a file with this path is set aside. @param {string} path @returns {Reason} */
export function setAside(path) {
  const folders = path.split('/');
  const name = folders.pop();
  if (folders.some((folder) => LITTER_FOLDER.test(folder)) || LITTER.test(name)) return 'litter';
  if (/^dicomdir$/i.test(name)) return 'index';
  if (/^(autorun|shellrun)\.inf$/i.test(name)) return 'autorun';
  if (folders.some((folder) => PROGRAM_FOLDER.test(folder)) || PROGRAM.test(name)) return 'program';
  return ARCHIVE.test(name) ? 'archive' : '';
}

/** Whether a file that begins so is a DICOMDIR: by its Media Storage SOP Class (PS3.10 7.1). @param {Uint8Array} head */
export function isIndex(head) {
  const text = new TextDecoder('latin1').decode(head);
  return text.startsWith('DICM', 128) && DICOMDIR_CLASS.test(text);
}
