// What the server would refuse at the end anyway, told before anything is sent.

import { ApiError } from '../app/api.js';

/** The answer that `item` would get, by the answer of GET /api/files/limits (null: not known); null for none. */
export function refusal(item, limits) {
  if (limits === null) return null;
  if (item.size > limits.max_file_bytes) return new ApiError(413, { code: 'too-large' });
  const allowed = limits.accepted_extensions;
  const name = item.name.toLowerCase();
  if (allowed.length > 0 && !allowed.some((extension) => name.endsWith(extension)))
    return new ApiError(415, { code: 'unsupported-type' });
  return null;
}
