// What the first image does without: it comes when that is there.

import { keyList } from './key-list.js';
import { WithoutPixels } from './objects.js';
import { Overlay } from './overlay.js';
import { Panel } from './panel.js';
import { savePicture } from './picture.js';
import { Pointer } from './pointer.js';

export const parts = { keyList, Overlay, Panel, Pointer, savePicture, WithoutPixels };
